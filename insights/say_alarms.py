"""An alarm in plain words."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from insights.moved import MovedKind
from storage.records import Alarm, AlarmStatus


def say_alarm(alarm: Alarm, timezone: str) -> str:
    """Return what an alarm says in one or two sentences; moments are in a time zone."""
    who = "" if alarm.cohort is None else f" ({alarm.cohort.replace('_', ' ').replace('=', ': ', 1)} only)"
    more = "more" if alarm.direction == "rise" else "fewer"
    low, high = alarm.details.get("since_low_us"), alarm.details.get("since_high_us")
    between = ""
    if low is not None and high is not None and low != high:
        between = f" (between {say_time(low, timezone)} and {say_time(high, timezone)})"
    text = (
        f"At {alarm.stage}{who} {more} sessions are abandoned since {say_time(alarm.since_us, timezone)}{between}: "
        f"{share(alarm.rate_after)} of those that reach it, where {share(alarm.rate_before)} were expected, "
        f"{alarm.ratio:.2f} times as many (95 % interval {alarm.ratio_low:.2f} to {alarm.ratio_high:.2f})."
    )
    return f"{text} {_ending(alarm, timezone)}".rstrip()


def say_all(alarms: Sequence[Alarm], timezone: str) -> Iterator[str]:
    """Yield the lines that tell alarms: how many are open, those first, each with what else moved."""
    opened = [one for one in alarms if one.status is not AlarmStatus.CLOSED]
    over = len(alarms) - len(opened)
    if not opened:
        yield "No alarm is open: as far as so many sessions can tell, as many leave at each stage as is usual."
    for one in opened:
        yield say_alarm(one, timezone)
        together = one.details.get("together", ())
        if together:
            yield f"  with it cohorts: {', '.join(together)}"
        for moved in one.details.get("moved", ()):
            yield f"  also moved: {say_moved(moved)}"
    if over:
        yield f"Alarms that are over: {over}."
    for one in alarms:
        if one.status is AlarmStatus.CLOSED:
            yield f"  {say_alarm(one, timezone)}"


def say_moved(moved: Mapping[str, Any]) -> str:
    """Return what else moved, as the alarm's details have it, in some words."""
    name, before, after = moved["name"], moved["before"], moved["after"]
    match MovedKind(moved["kind"]):
        case MovedKind.EVENT:
            inputs = f" (heard by {', '.join(moved['inputs'])})" if moved["inputs"] else ""
            return f"{name} in {share(after)} of the sessions at the stage, before {share(before)}{inputs}"
        case MovedKind.BLOCKER:
            return (
                f"blocker {name.lower()}: {100 * after:.1f} expected exits per 100 sessions that reach the stage, "
                f"before {100 * before:.1f}"
            )
        case MovedKind.COHORT:
            dimension, _, value = name.partition("=")
            called = dimension.replace("_", " ")
            return f"{called} {value}: {share(after)} of those who reach the stage, before {share(before)}"
        case MovedKind.TIME:
            return f"those who go on take typically {after:.0f} s at the stage, before {before:.0f} s"


def say_time(at_us: int, timezone: str) -> str:
    """Return a moment as people of a time zone write it, to the minute."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    return f"{moment.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M}"


def share(value: float) -> str:
    """Return a share with a digit after the point where it is needed."""
    return f"{value:.1%}"


def _ending(alarm: Alarm, timezone: str) -> str:
    if alarm.status is AlarmStatus.ACKNOWLEDGED:
        return "Somebody looks after it."
    if alarm.status is not AlarmStatus.CLOSED or alarm.closed_us is None:
        return ""
    at = say_time(alarm.closed_us, timezone)
    match alarm.details.get("closing"):
        case "returned":
            return f"Over: the rate was back by {at}."
        case "stayed":
            return f"It has lasted so long that it counts as usual since {at}."
        case "merged":
            return f"Part of an alarm about the whole stage since {at}."
        case _:
            return f"Closed by hand at {at}."
