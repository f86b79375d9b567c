"""Rollouts in words: what a gate says, how far each version has come, and one line for those who govern."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from decisions.rollout import Figure, GateResult, Gates, shadow_gate
from insights.rollouts.advance import Advanced
from storage.rollout_store import ONGOING, Rollout, ShadowCounts, Step

HEADERS = ("Version", "Step", "Since", "Against", "What is known")
FIGURE_HEADERS = ("Figure", "Is", "Has to be", "")

_NEXT = {
    None: "be asked in the shadow",
    Step.SHADOW: "decide in an experiment",
    Step.EXPERIMENT: "go live",
}


def figure_rows(gate: GateResult) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row for every figure of a gate."""
    for figure in gate.figures:
        yield figure.name, _value(figure), figure.needed, "passed" if figure.passed else "missing"


def say_advanced(journey: str, advanced: Advanced) -> str:
    """Return in a sentence what became of a promotion."""
    version = f"Version {advanced.version} of the policy of {journey}"
    if advanced.moved:
        match advanced.step:
            case Step.SHADOW:
                return f"{version} is asked in the shadow from now on; nobody notices. Promote it again once it was."
            case Step.EXPERIMENT:
                return f"{version} decides about half of the people from now on. Promote it again when that says ship."
            case _:
                return f"{version} decides from now on; it is taken back by itself where it does harm."
    missing = "; ".join(f"{one.name}: {_value(one)}, has to be {one.needed}" for one in advanced.gate.missing)
    return f"{version} cannot {_NEXT[advanced.step]} yet. Missing: {missing}."


def rollout_rows(rollouts: Sequence[Rollout]) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield a row for every rollout, the latest change first."""
    for one in reversed(rollouts):
        yield one.version, one.step.value, _day(one.changed_us), one.against, _known(one)


def say_rollout(rollouts: Sequence[Rollout]) -> str:
    """Return one line about the version that is on its way, or that came or went last; empty where there was none."""
    if not rollouts:
        return ""
    found = next((one for one in rollouts if one.step in ONGOING), rollouts[-1])
    return f"Policy {found.version}: {found.step} since {_day(found.changed_us)}. {_known(found)}"


def to_json(live: str | None, rollouts: Sequence[Rollout], gates: Gates) -> dict[str, Any]:
    """Return which version is live, and all rollouts with the figures of their gates."""
    return {
        "live": live,
        "rollouts": [
            {
                "version": one.version,
                "step": one.step.value,
                "since": _moment(one.changed_us),
                "began": _moment(one.started_us),
                "against": one.against,
                "experiment": one.experiment,
                "reason": one.reason,
                "gates": dict(one.figures)
                | ({"shadow": shadow_gate(one.shadow, gates).to_json()} if one.step is Step.SHADOW else {}),
                "compared": one.shadow.compared,
                "dropped": one.shadow.dropped,
            }
            for one in rollouts
        ],
    }


def _known(rollout: Rollout) -> str:
    match rollout.step:
        case Step.SHADOW:
            return _seen(rollout.shadow)
        case Step.EXPERIMENT:
            return f"experiment {rollout.experiment}"
        case Step.ROLLED_BACK:
            return rollout.reason
        case _:
            return _seen(rollout.shadow)


def _seen(counts: ShadowCounts) -> str:
    answered = counts.compared - counts.failed
    if not answered:
        return f"{counts.compared:,} decisions compared, {counts.failed:,} errors"
    return (
        f"{counts.compared:,} decisions compared: the same with probability {counts.agreement / answered:.0%}, acts on "
        f"{counts.acted / answered:.0%} (the live one on {counts.acted_live / answered:.0%}), "
        f"{counts.seconds / answered * 1_000:.1f} ms each, {counts.failed:,} errors"
    )


def _value(figure: Figure) -> str:
    if figure.value is None:
        return "yes" if figure.passed else "no"
    return f"{figure.value:,.0f}" if float(figure.value).is_integer() else f"{figure.value:.4f}"


def _day(at_us: int) -> str:
    return f"{datetime.fromtimestamp(at_us / 1e6, UTC):%Y-%m-%d %H:%M}"


def _moment(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat().replace("+00:00", "Z")
