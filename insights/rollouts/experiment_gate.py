"""The gate of a rollout's experiment: what its analysis says of going live, and of taking the version back."""

from decisions.rollout import CANDIDATE, Figure, GateResult
from insights.experiments.result import Analysis, Held, Verdict


def experiment_gate(analysis: Analysis) -> GateResult:
    """Return whether the experiment says to ship, and keeps its guardrails."""
    decision = analysis.decision
    figures = [
        Figure(
            f"verdict of the experiment: {decision.verdict}", None, Verdict.SHIP.value, decision.verdict is Verdict.SHIP
        )
    ]
    figures += [
        Figure(
            f"guardrail {guard.effect.measure}, worse by {guard.margin:g}{'' if guard.absolute else ' of it'} at most",
            guard.effect.difference.value,
            Held.HELD.value,
            guard.held is Held.HELD,
        )
        for guard in analysis.guards
        if guard.effect.variant == CANDIDATE
    ]
    needed = decision.needed
    if decision.verdict is Verdict.INCONCLUSIVE and needed is not None:
        figures.append(
            Figure("people still needed in each arm", needed.further_per_arm, "0", needed.further_per_arm <= 0)
        )
    return GateResult(tuple(figures))


def harm_in_experiment(analysis: Analysis) -> str:
    """Return why the version is to be taken back while it is tried, in a sentence, or nothing.

    Bounds hold at all looks together (``decisions.sequences``), so that this may be asked at any time.
    """
    for guard in analysis.guards:
        if guard.effect.variant == CANDIDATE and guard.held is Held.BROKEN:
            found = guard.effect.always_valid or guard.effect.difference
            return (
                f"the guardrail {guard.effect.measure} is broken: {found.value:+.4f} in a randomised comparison "
                f"(95 % interval {found.low:.4f} to {found.high:.4f} at all looks together)"
            )
    if analysis.decision.verdict is Verdict.STOP:
        return "; ".join(analysis.decision.reasons) or "its experiment says stop"
    return ""
