"""A journey's metrics as an analysis takes them."""

from decisions.experiments import Metric
from insights.experiments.question import Measure
from insights.experiments.sizing import MetricKind

GOALS, SESSIONS = "goals", "sessions"
"""The outcomes that goals per session are divided from."""
_KINDS = {
    Metric.GOAL: MetricKind.PROPORTION,
    Metric.DISMISSED: MetricKind.PROPORTION,
    Metric.REVENUE: MetricKind.REVENUE,
    Metric.NET_VALUE: MetricKind.MEAN,
    Metric.GOALS_PER_SESSION: MetricKind.RATIO,
}


def measure_of(name: str) -> Measure:
    """Return a metric of a journey; raises ValueError for what is none."""
    metric = Metric(name)
    kind = _KINDS[metric]
    if kind is MetricKind.RATIO:
        return Measure(name, kind, GOALS, SESSIONS, metric.more_is_better)
    return Measure(name, kind, name, None, metric.more_is_better)
