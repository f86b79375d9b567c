"""What a funnel comes to: counts with intervals, times, a breakdown and days; also as JSON."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from features.duration import write_duration
from features.events import US_PER_SECOND
from features.read_log import ReadSummary
from insights.funnel.declare import NO_LIMIT_US, Attribution, Funnel
from insights.funnel.times import Durations
from insights.intervals import Estimate


@dataclass(frozen=True, slots=True)
class StepCount:
    """One step: how many people took it, and of whom.

    ``conversion`` is the share of those who entered, ``step_conversion`` the share of those who took the required step
    before, ``drop_off`` one less that; None for the first step and for nobody. ``dropped`` are those who took the step
    before and not this one. ``time`` is since the step before; in an unordered funnel since the attempt's first event.
    """

    name: str
    count: int
    optional: bool
    conversion: Estimate | None
    step_conversion: Estimate | None
    drop_off: Estimate | None
    dropped: int | None
    time: Durations | None


@dataclass(frozen=True, slots=True)
class Group:
    """The funnel of people with one value of the breakdown; None for those without any."""

    value: str | None
    steps: tuple[StepCount, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """The funnel of attempts that began on one local day of ``hours`` hours; a person counts once a day."""

    day: date
    hours: float
    counts: tuple[int, ...]
    conversion: Estimate | None


@dataclass(frozen=True, slots=True)
class FunnelResult:
    """All figures of a funnel.

    ``excluded`` people did an excluded event within their attempt and are counted nowhere else. ``time`` is from the
    first to the last event of those who took every required step.
    """

    funnel: Funnel
    steps: tuple[StepCount, ...]
    excluded: int
    time: Durations | None
    groups: tuple[Group, ...]
    days: tuple[Day, ...]
    summary: ReadSummary

    @property
    def conversion(self) -> Estimate | None:
        """The share of those who entered that took every required step."""
        return self.steps[self.funnel.required[-1]].conversion

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON; ``steps``, with a ``name`` and a ``count`` each, is a shape others rely on."""
        funnel = self.funnel
        content: dict[str, Any] = {
            "steps": [_step_json(step) for step in self.steps],
            "excluded": self.excluded,
            "conversion": _estimate_json(self.conversion),
            "time_seconds": _time_json(self.time),
            "order": funnel.order.value,
            "window": _window_json(funnel.window_us),
            "step_window": _window_json(funnel.step_window_us),
            "exclude": [step.text for step in funnel.exclude],
            "count_by": funnel.count_by.value,
            "timezone": funnel.timezone,
            "since": funnel.since and funnel.since.isoformat(),
            "until": funnel.until and funnel.until.isoformat(),
            "days": [
                {
                    "day": day.day.isoformat(),
                    "hours": day.hours,
                    "counts": list(day.counts),
                    "conversion": _estimate_json(day.conversion),
                }
                for day in self.days
            ],
            "log": asdict(self.summary),
        }
        if funnel.by is not None:
            content["breakdown"] = {
                "by": funnel.by,
                "attribution": funnel.attribution.value,
                "attribution_step": None
                if funnel.attribution_step is None
                else funnel.steps[funnel.attribution_step].text,
                "groups": [
                    {"value": group.value, "steps": [_step_json(step) for step in group.steps]} for group in self.groups
                ],
            }
        return content


def has_shares(funnel: Funnel) -> bool:
    """Whether a group's later steps are taken by people of its first one; not where each step has its own value."""
    return funnel.attribution is not Attribution.STEP or funnel.attribution_step is not None


def _step_json(step: StepCount) -> dict[str, Any]:
    return {
        "name": step.name,
        "count": step.count,
        "optional": step.optional,
        "conversion": _estimate_json(step.conversion),
        "step_conversion": _estimate_json(step.step_conversion),
        "drop_off": _estimate_json(step.drop_off),
        "dropped": step.dropped,
        "time_seconds": _time_json(step.time),
    }


def _estimate_json(estimate: Estimate | None) -> dict[str, float] | None:
    return None if estimate is None else asdict(estimate)


def _time_json(time: Durations | None) -> dict[str, Any] | None:
    if time is None:
        return None
    return {
        "count": time.count,
        "mean": time.mean,
        "median": time.median,
        "median_low": time.median_low,
        "median_high": time.median_high,
        "quantiles": {f"{level:g}": value for level, value in time.quantiles},
        "histogram": [{"from": bar.from_seconds, "to": bar.to_seconds, "count": bar.count} for bar in time.histogram],
    }


def _window_json(window_us: int) -> str | None:
    return None if window_us == NO_LIMIT_US else write_duration(window_us / US_PER_SECOND)
