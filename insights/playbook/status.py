"""Which status a tactic may have, by hand and by the verdicts of experiments."""

from collections.abc import Mapping, Sequence

from insights.experiments.result import Verdict
from storage.playbook import TacticEvidence, TacticStatus

SHIP, STOP, INCONCLUSIVE = Verdict.SHIP.value, Verdict.STOP.value, Verdict.INCONCLUSIVE.value
_PROPOSED, _TESTING, _PROVEN, _RETIRED = TacticStatus

ALLOWED: Mapping[TacticStatus, tuple[TacticStatus, ...]] = {
    _PROPOSED: (_TESTING, _PROVEN, _RETIRED),
    _TESTING: (_PROPOSED, _PROVEN, _RETIRED),
    _PROVEN: (_TESTING, _PROPOSED, _RETIRED),
    _RETIRED: (_PROPOSED,),
}
"""What people may make of a tactic: what is retired has to be proposed again first."""


class TacticError(ValueError):
    """What cannot be made of a tactic; the text says why and what to do."""


def parse_tactic_status(given: str) -> TacticStatus:
    """Return the status that is meant; raises :class:`TacticError`."""
    try:
        return TacticStatus(given)
    except ValueError:
        raise TacticError(f"{given[:40]!r} is no status; write one of {', '.join(TacticStatus)}") from None


def supports(evidence: Sequence[TacticEvidence]) -> bool:
    """Return whether experiments have shown that it works: the latest verdict that says so or the contrary is ship."""
    told = [one for one in evidence if one.verdict in (SHIP, STOP)]
    return bool(told) and max(told, key=lambda one: one.to_us).verdict == SHIP


def require_change(
    name: str, before: TacticStatus, after: TacticStatus, evidence: Sequence[TacticEvidence], reason: str
) -> None:
    """Raise :class:`TacticError` unless people may change a status so: proven needs evidence, retiring a reason."""
    if before is after:
        return
    if after not in ALLOWED[before]:
        allowed = " or ".join(ALLOWED[before])
        raise TacticError(f"{name} is {before}, and can only become {allowed}")
    if after is _PROVEN and not supports(evidence):
        raise TacticError(
            f"{name} is not proven: that takes a valid experiment whose verdict is ship, and none after it that is stop"
        )
    if after is _RETIRED and not reason.strip():
        raise TacticError(f"retiring {name} needs a reason, so that nobody has to ask again next year")


def after_end(verdict: str, evidence: Sequence[TacticEvidence]) -> TacticStatus:
    """Return the status of a tactic whose experiment has ended; ``evidence`` is all there is, that one included.

    A ship proves it. A stop retires it, unless an earlier experiment had shown that it works: then the two contradict
    each other, and it is proposed for another test. One that decides nothing leaves it where its evidence puts it.
    """
    if verdict == STOP:
        return _PROPOSED if any(one.verdict == SHIP for one in evidence) else _RETIRED
    return _PROVEN if supports(evidence) else _PROPOSED
