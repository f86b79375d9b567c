"""What one request, one million events and one open session take, as measured; kept beside this file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

MEASURED = Path(__file__).parent / "costs.json"
"""The costs that ship, measured by ``python -m benchmarks.capacity --keep``."""
BATCH_EVENTS = 100
EVENT, BATCH, SCORE, RECOMMEND = "event", "batch", "score", "recommend"
"""The kinds of requests: one event, :data:`BATCH_EVENTS` of them, a risk, and a decision that the ledger keeps."""
KINDS = (EVENT, BATCH, SCORE, RECOMMEND)


Amount = Annotated[float, msgspec.Meta(ge=0)]
"""Time or bytes: no less than nothing."""


class CostsUnreadable(ValueError):
    """A file is no measured costs; the text says which and what to do."""


class RequestCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one request of a kind takes where many are answered at once: milliseconds of processor time, and bytes.

    A write holds the database's turn, which all processes on it share, for ``turn_ms`` where many writes are committed
    together, and for ``turn_alone_ms`` where it is alone; both are 0 for a request that writes nothing.
    ``rest_ms`` is what the latency of an unloaded service (``alone_ms``) has beyond all these parts, and ``spread`` its
    quantiles 0, .01 ... 1, divided by their mean.
    """

    loop_ms: Amount
    threads_ms: Amount
    redis_ms: Amount
    postgres_ms: Amount
    client_ms: Amount
    turn_ms: Amount
    turn_alone_ms: Amount
    alone_ms: Amount
    rest_ms: Amount
    spread: Annotated[tuple[Amount, ...], msgspec.Meta(min_length=1)]
    request_bytes: Amount
    answer_bytes: Amount
    redis_bytes: Amount
    postgres_bytes: Amount
    disk_bytes: Amount
    journal_bytes: Amount

    @property
    def worker_ms(self) -> float:
        """Processor time of the worker: of its loop and of its other threads, which share the interpreter."""
        return self.loop_ms + self.threads_ms

    @property
    def writes(self) -> bool:
        """Whether it waits for a commit."""
        return self.turn_ms > 0


class MemoryCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes of an open session of ``events`` events: in a worker, and in Redis; and of a worker without any."""

    events: Annotated[int, msgspec.Meta(ge=1)]
    worker_bytes: Amount
    redis_bytes: Amount
    empty_worker_bytes: Amount


class HistoryCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a million events of a log take: seconds of processor time, and bytes.

    Features grow with the log. A model is learnt from ``training_sessions`` of it: ``training_fixed_seconds`` are what
    does not grow, ``training_seconds`` what does.
    """

    events: int
    features_seconds: Amount
    features_peak_bytes: Amount
    training_fixed_seconds: Amount
    training_seconds: Amount
    training_peak_bytes: Amount
    log_bytes: Amount
    rows_bytes: Amount


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that was measured, on what machine and when; ``requests`` has every kind."""

    measured_on: str
    machine: str
    requests: Mapping[str, RequestCost]
    memory: MemoryCost
    history: HistoryCost

    def of_events(self, events: float) -> RequestCost:
        """Return what a request of so many events takes: between the two that were measured, and beyond, costs grow
        evenly.

        Raises ValueError below one event.
        """
        if events < 1:
            raise ValueError(f"a request has one event or more, not {events:g}")
        one, many = self.requests[EVENT], self.requests[BATCH]
        if events == 1:
            return one
        part = (events - 1) / (BATCH_EVENTS - 1)
        between = {
            name: max(0.0, (1 - part) * getattr(one, name) + part * getattr(many, name))
            for name in RequestCost.__struct_fields__
            if name != "spread"
        }
        return RequestCost(spread=many.spread, **between)


def read_costs(path: Path = MEASURED) -> Costs:
    """Return measured costs; raises :class:`CostsUnreadable`."""
    advice = "measure with: python -m benchmarks.capacity --out FILE"
    try:
        costs = msgspec.json.decode(path.read_bytes(), type=Costs)
    except OSError as error:
        raise CostsUnreadable(f"{path}: {error.strerror}; {advice}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CostsUnreadable(f"{path} holds no measured costs ({error}); {advice}") from error
    missing = [kind for kind in KINDS if kind not in costs.requests]
    if missing:
        raise CostsUnreadable(f"{path} does not say what requests of the kind {missing[0]} take; {advice}")
    return costs


def write_costs(costs: Costs, path: Path) -> None:
    """Write costs, so that people can read and compare them."""
    rounded = _rounded(msgspec.to_builtins(costs))
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rounded), indent=1) + b"\n")


def _rounded(value: object) -> object:
    """Return the same with four digits in every number: more were not measured."""
    match value:
        case dict():
            return {name: _rounded(one) for name, one in value.items()}
        case list() | tuple():
            return [_rounded(one) for one in value]
        case float():
            return float(f"{value:.4g}")
    return value
