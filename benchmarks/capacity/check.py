"""The simulation beside the real service: what it says before, and what was then measured, at rising loads.

Nothing of a check goes into the costs: they come from one kind of request at a time, alone and as fast as it goes. A
check sends all kinds together, at random moments, and each kind as fast as it goes with another number of connections.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.capacity.serving import Running, running
from capacity.costs import EVENT, KINDS, RECOMMEND, SCORE, RequestCost
from capacity.simulation import Load, Site, simulate_serving

SHARES = (0.2, 0.4, 0.6, 0.8)
"""Loads, as shares of what the mixed requests reach as fast as they go."""
MIX: Mapping[str, float] = {EVENT: 6.0, SCORE: 1.0, RECOMMEND: 1.0}
CONNECTIONS = 8
_OPEN_CONNECTIONS = 256
_SIMULATED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Checked:
    """One load: requests a second, and latencies (ms) that half and 99 of 100 requests stay below."""

    name: str
    simulated_per_second: float
    measured_per_second: float
    simulated_ms: tuple[float, float]
    measured_ms: tuple[float, float]

    @property
    def errors(self) -> tuple[float, float, float]:
        """How far the simulation is off, as shares of what was measured: throughput, p50, p99."""
        pairs = (
            (self.simulated_per_second, self.measured_per_second),
            *zip(self.simulated_ms, self.measured_ms, strict=True),
        )
        rate, half, slow = (said / seen - 1 for said, seen in pairs)
        return rate, half, slow


@dataclass(frozen=True, slots=True)
class Check:
    """What every kind reaches as fast as it goes, and the mixed requests at each load."""

    fastest: Sequence[Checked]
    rising: Sequence[Checked]


def check(costs: Mapping[str, RequestCost], home: Path, folder: Path, seconds: float) -> Check:
    """Return simulated and measured figures side by side."""
    with running(home, folder) as (service, _):
        fastest = [_as_fast_as_it_goes(service, costs, kind, {kind: 1.0}, seconds) for kind in KINDS]
        mixed = _as_fast_as_it_goes(service, costs, "mixed", MIX, seconds)
        # Loads are shares of what is simulated, so that the simulation comes first here too.
        most = mixed.simulated_per_second
        rising = [_at(service, costs, share, share * most, seconds) for share in SHARES]
    return Check([*fastest, mixed], rising)


def _as_fast_as_it_goes(
    service: Running, costs: Mapping[str, RequestCost], name: str, kinds: Mapping[str, float], seconds: float
) -> Checked:
    load = Load(kinds, _SIMULATED_SECONDS, CONNECTIONS)
    said = simulate_serving(costs, Site(together=True), load)
    seen = service.send(kinds, seconds, CONNECTIONS, first=5_000)
    quantiles = _together(
        [kind.quantiles_ms for kind in seen.kinds.values()], [k.requests for k in seen.kinds.values()]
    )
    return Checked(name, said.per_second, seen.per_second, (said.quantile_ms(0.5), said.quantile_ms(0.99)), quantiles)


def _at(service: Running, costs: Mapping[str, RequestCost], share: float, rate: float, seconds: float) -> Checked:
    rates = {kind: rate * weight / sum(MIX.values()) for kind, weight in MIX.items()}
    said = simulate_serving(costs, Site(together=True), Load(rates, _SIMULATED_SECONDS))
    seen = service.send(MIX, seconds, _OPEN_CONNECTIONS, rate=rate, first=int(20_000 * share))
    quantiles = _together(
        [kind.quantiles_ms for kind in seen.kinds.values()], [k.requests for k in seen.kinds.values()]
    )
    return Checked(
        f"{share:.0%}", said.per_second, seen.per_second, (said.quantile_ms(0.5), said.quantile_ms(0.99)), quantiles
    )


def _together(quantiles: Sequence[Sequence[float]], counts: Sequence[int]) -> tuple[float, float]:
    """Return median and 99th percentile of several kinds together, from the quantiles of each."""
    values = np.concatenate([np.asarray(one) for one in quantiles])
    weights = np.concatenate(
        [np.full(len(one), count / len(one)) for one, count in zip(quantiles, counts, strict=True)]
    )
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    half, slow = (float(values[order][np.searchsorted(reached, part)]) for part in (0.5, 0.99))
    return half, slow
