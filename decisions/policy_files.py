"""Policies as published folders: ``policy.json`` says which kind of policy reads the rest."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from decisions.bayes_policy import BayesPolicy
from decisions.intervention import Intervention
from decisions.logged import WeighablePolicy
from decisions.off_policy.priors import WeighablePriors
from decisions.policy import PolicySettings
from decisions.posterior import Posterior, PosteriorUnreadable
from decisions.uplift_policy import UpliftPolicy
from features.table import FeatureTable

CARD = "policy.json"
BAYES, PRIORS, UPLIFT = "bayes", "priors", "uplift"
_POSTERIOR = "posterior.json"


class PolicyFilesError(ValueError):
    """A policy's files cannot be used; the text says why and what to do."""


@dataclass(frozen=True)
class PolicyGround:
    """What of a journey a policy stands on."""

    interventions: tuple[Intervention, ...]
    settings: PolicySettings
    stages: tuple[str, ...]
    table: FeatureTable

    @property
    def frictions(self) -> tuple[str, ...]:
        """The names of the addressable frictions."""
        return tuple(friction.name for friction in self.table.frictions)


def save_policy(folder: Path, policy: WeighablePolicy, about: Mapping[str, object] | None = None) -> None:
    """Write a policy's files into an existing folder; ``about`` is what else its card is to say.

    Raises TypeError for a policy of no kind that can be read again.
    """
    match policy:
        case BayesPolicy():
            kind = BAYES
            _write_posterior(folder, policy)
        case UpliftPolicy():
            kind = UPLIFT
            policy.save(folder)
            if policy.bayes is not None:
                _write_posterior(folder, policy.bayes)
        case WeighablePriors():
            kind = PRIORS
        case _:
            raise TypeError(f"a {type(policy).__name__} is of no kind that can be published")
    card = {"kind": kind, "version": policy.version, **(about or {})}
    (folder / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def read_card(folder: Path) -> Mapping[str, object]:
    """Return what a policy's card says; raises :class:`PolicyFilesError`."""
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PolicyFilesError(f"{folder / CARD} cannot be read ({error}); publish the policy again") from error
    if not isinstance(card, dict) or card.get("kind") not in KINDS:
        raise PolicyFilesError(f"{folder / CARD} names no kind of policy; it has to be one of {', '.join(KINDS)}")
    return card


def load_policy(folder: Path, ground: PolicyGround) -> WeighablePolicy:
    """Return the policy that was published in a folder, under the folder's name.

    Raises :class:`PolicyFilesError`, also for one of other interventions, stages or frictions than the journey's.
    """
    return KINDS[str(read_card(folder)["kind"])](folder, ground)


def read_posterior(text: str, ground: PolicyGround) -> Posterior:
    """Return what was learnt of a journey's interventions; raises :class:`PolicyFilesError`."""
    try:
        posterior = Posterior.from_json(text)
    except PosteriorUnreadable as error:
        raise PolicyFilesError(str(error)) from error
    terms = posterior.terms
    if (terms.options[1:], terms.stages, terms.frictions) != (
        tuple(one.name for one in ground.interventions),
        ground.stages,
        ground.frictions,
    ):
        raise PolicyFilesError(
            "it was learnt of other interventions, stages or frictions than the journey has now; train another, or "
            "restore those that the journey had"
        )
    return posterior


def _write_posterior(folder: Path, policy: BayesPolicy) -> None:
    (folder / _POSTERIOR).write_text(policy.posterior.to_json() + "\n", encoding="utf-8")


def _bayes(folder: Path, ground: PolicyGround) -> BayesPolicy:
    try:
        text = (folder / _POSTERIOR).read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyFilesError(f"{folder / _POSTERIOR} cannot be read ({error}); publish the policy again") from error
    return BayesPolicy(read_posterior(text, ground), ground.interventions, ground.settings, folder.name)


def _uplift(folder: Path, ground: PolicyGround) -> WeighablePolicy:
    bayes = _bayes(folder, ground) if (folder / _POSTERIOR).is_file() else None
    try:
        return UpliftPolicy.load(folder, ground.settings, ground.interventions, ground.table.names, bayes)
    except ValueError as error:
        raise PolicyFilesError(str(error)) from error


def _priors(_: Path, ground: PolicyGround) -> WeighablePolicy:
    return WeighablePriors(ground.settings, ground.interventions)


KINDS: Mapping[str, Callable[[Path, PolicyGround], WeighablePolicy]] = {
    BAYES: _bayes,
    PRIORS: _priors,
    UPLIFT: _uplift,
}
"""What reads each kind."""
