"""The propensities of a policy on logged situations: as it would decide live, its exploration included."""

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from decisions.diagnosis import first_blockers
from decisions.logged import LoggedDecisions, WeighablePolicy
from decisions.policy import MAX_EXPLORATION
from features.events import FloatArray


class PolicyUnreadable(ValueError):
    """A file declares no policy; one sentence that says what is off."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do with some sessions: those whose first blocker and stage are named, or any."""

    intervention: str
    blocker: str | None = None
    stage: str | None = None


class DeclaredPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A simple policy as a JSON file declares it: the first rule that fits, whose intervention is eligible, decides.

    Where none does, nothing is done. ``exploration`` is the total probability of the other eligible options.
    """

    rules: Annotated[tuple[Rule, ...], msgspec.Meta(min_length=1)]
    name: str = "declared"
    exploration: Annotated[float, msgspec.Meta(ge=0, le=MAX_EXPLORATION)] = 0.0


def read_declared(path: Path) -> DeclaredPolicy:
    """Read a policy from a JSON file; raises :class:`PolicyUnreadable`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=DeclaredPolicy)
    except OSError as error:
        raise PolicyUnreadable(f"{path} cannot be read: {error.strerror or error}") from error
    except msgspec.DecodeError as error:
        raise PolicyUnreadable(
            f'{path} declares no policy ({error}); write {{"rules": [{{"blocker": "payment", "intervention": '
            '"NAME"}]}'
        ) from error


def deployed(policy: WeighablePolicy, logged: LoggedDecisions, exploration: float) -> FloatArray:
    """Return the propensities (N, A) with which ``decisions.policy.choose`` would have drawn for a policy.

    Of a decision at unknown odds nobody knows what was eligible: there it is doing nothing.
    """
    known = ~np.isnan(logged.propensities.sum(axis=1))
    found = np.zeros(logged.propensities.shape)
    found[:, 0] = 1.0
    if known.any():
        asked = logged if known.all() else logged.take(known)
        found[known] = with_exploration(policy.best(asked), asked, exploration)
    return found


def with_exploration(best: FloatArray, logged: LoggedDecisions, exploration: float) -> FloatArray:
    """Return (1 - e) b + e (1 - b) / (n - 1) for n eligible options (N, A); certainty where there is one option."""
    eligible = np.nan_to_num(logged.propensities) > 0
    others = np.maximum(eligible.sum(axis=1, keepdims=True) - 1, 1)
    explored = (1.0 - exploration) * best + exploration * (1.0 - best) / others
    found: FloatArray = np.where(eligible.sum(axis=1, keepdims=True) > 1, np.where(eligible, explored, 0.0), best)
    return found


def declared(policy: DeclaredPolicy, logged: LoggedDecisions) -> FloatArray:
    """Return the propensities (N, A) of a declared policy; raises :class:`PolicyUnreadable` for unknown names.

    An intervention that the log never could have chosen stays what the policy wants: nobody can say where it would have
    been eligible, and :func:`decisions.off_policy.evaluate.evaluate` says so.
    """
    first = first_blockers(logged.confidence)
    eligible = np.nan_to_num(logged.propensities) > 0
    ever = eligible.max(axis=0, initial=False).tolist()
    wanted, open_rows = np.zeros(logged.propensities.shape), np.ones(len(logged), np.bool_)
    for rule in policy.rules:
        option = _place(policy, "intervention", rule.intervention, logged.options)
        fits = open_rows & (eligible[:, option] if ever[option] else True)
        if rule.blocker is not None:
            fits &= first == _place(policy, "blocker", rule.blocker, logged.frictions)
        if rule.stage is not None:
            fits &= logged.stage == _place(policy, "stage", rule.stage, logged.stages)
        wanted[fits, option] = 1.0
        open_rows &= ~fits
    wanted[open_rows, 0] = 1.0
    return with_exploration(wanted, logged, policy.exploration) if policy.exploration else wanted


def _place(policy: DeclaredPolicy, kind: str, name: str, known: tuple[str, ...]) -> int:
    if name not in known:
        raise PolicyUnreadable(
            f"policy {policy.name!r} names the {kind} {name!r}, which the journey does not declare; there are "
            f"{', '.join(known)}"
        )
    return known.index(name)
