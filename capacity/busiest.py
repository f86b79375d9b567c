"""One group of a plan, simulated in its busiest minutes: whether what was planned also answers in time."""

from dataclasses import dataclass

from capacity.costs import Costs
from capacity.plan import POSTGRES, WORKERS, Plan
from capacity.simulation import Load, Simulated, Site, simulate_serving

_SECONDS = 60.0
_FEWEST_REQUESTS = 200
"""Of each kind; a site to which fewer come in that time is simulated for longer."""
_MOST_REQUESTS = 60_000
"""As many as take some ten seconds to simulate."""


@dataclass(frozen=True, slots=True)
class Busiest:
    """One group, and what it does in its busiest minutes."""

    site: Site
    simulated: Simulated


def simulate_busiest(plan: Plan, costs: Costs, seed: int = 1) -> Busiest:
    """Return one group of a plan in its busiest minutes; raises ``capacity.simulation.SimulationError``."""
    alone = plan.of_one_group
    rates = alone.peak_rates
    site = Site(
        workers=max(1, round(plan.count(WORKERS) / plan.groups)),
        postgres_cores=max(1, round(plan.count(POSTGRES) / plan.groups)),
    )
    seconds = min(max(_SECONDS, _FEWEST_REQUESTS / min(rates.values())), _MOST_REQUESTS / sum(rates.values()))
    return Busiest(site, simulate_serving(alone.costs(costs), site, Load(rates, seconds), seed))
