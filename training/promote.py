"""Who becomes champion: the contest on held-out sessions, a decision by hand, and the way back."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decisions.risk import FingerprintMismatch, ModelFilesError, RiskModel
from features.events import FloatArray
from journeys.journey import Journey
from storage.history import Action, Promotion, former_version
from storage.models import (
    ANYONE,
    ChallengerMoved,
    ChampionMoved,
    DigestMismatch,
    ModelNotFound,
    challenger_version,
    champion_folder,
    champion_history,
    champion_version,
    model_folder,
    point_champion,
    verify_digest,
    versions,
    withdraw_challenger,
)
from training.evaluate import Scored
from training.losses import Losses
from training.paired import gain_in_log_loss
from training.tracking import STORE, connect, mlflow_name

CHAMPION = "champion"


@dataclass(frozen=True, slots=True)
class Promoted:
    """The history's line of a promotion, and whether MLflow's store here knows the version."""

    line: Promotion
    in_mlflow: bool


class NoFormerChampion(LookupError):
    """There is no version to go back to, or it can no longer serve; the text says what to do instead."""


def promote(
    journey: str,
    version: str,
    *,
    home: Path,
    mlruns: Path,
    action: Action = Action.PROMOTE,
    reason: str = "",
    instead_of: str | None = ANYONE,
) -> Promoted:
    """Make a version the champion: first the pointer that the service watches, then MLflow's alias and tags.

    Where the store in ``mlruns`` does not know the version (another machine trained it), only the pointer moves. A
    challenger that becomes champion has nobody to be compared with any more.
    """
    line = point_champion(home, journey, version, action=action, reason=reason, instead_of=instead_of)
    if challenger_version(home, journey) == version:
        # Who has ended it meanwhile, or named another one, has done what is wanted.
        with suppress(ChallengerMoved):
            withdraw_challenger(home, journey, reason="it is the champion now", instead_of=version)
    has_store = (mlruns / STORE).is_file()
    known = has_store and _mark_champion(connect(mlruns).MlflowClient(), mlflow_name(journey), version)
    return Promoted(line, known)


@dataclass(frozen=True, slots=True)
class Reigning:
    """The champion at a moment: its version, None where there is none, and its model, None where it cannot serve.

    ``lacking`` says why there is no model.
    """

    version: str | None
    model: RiskModel | None
    lacking: str = ""


@dataclass(frozen=True, slots=True)
class Contest:
    """The mean log loss of the challenger and of the champion on the same held-out prefixes.

    ``error`` is the standard error of the difference, where the challenger has to be better by more than that.
    """

    challenger: float
    champion: float
    error: float | None = None

    @classmethod
    def of(cls, losses: Losses | None) -> "Contest":
        """Return the contest that losses came to."""
        if losses is None:
            raise ValueError("no prefix was scored by the champion")
        return cls(*losses.means)


def reigning(journey: Journey, home: Path) -> Reigning:
    """Return the champion as it is now."""
    version = champion_version(home, journey.name)
    if version is None:
        return Reigning(None, None, "it is the first model")
    try:
        folder = model_folder(home, journey.name, version)
        verify_digest(folder)
        return Reigning(version, RiskModel.load(folder, journey.table))
    except FingerprintMismatch:
        told = f"version {version} was trained on another feature table and can no longer serve"
    except (ModelNotFound, DigestMismatch, ModelFilesError) as error:
        told = f"version {version} can no longer serve: {error}"
    return Reigning(version, None, told)


def promote_if_better(
    journey: Journey,
    version: str,
    against: Callable[[Reigning], Contest],
    *,
    home: Path,
    mlruns: Path,
    action: Action = Action.TRAIN,
) -> tuple[bool, str]:
    """Promote the challenger if it beats the champion; return whether, and why.

    ``against`` returns how it did against a champion that can serve. Each prefix weighs one, or as many as it stands
    for: weights by the length of a session would know its end, and then the log loss favours risks that are not
    calibrated. Where another version becomes champion meanwhile, the challenger has to beat that one.
    """
    while True:
        champion = reigning(journey, home)
        better, reason = _contest(champion, against)
        if not better:
            return False, f"challenger only: {reason}"
        try:
            promote(
                journey.name,
                version,
                home=home,
                mlruns=mlruns,
                action=action,
                reason=reason,
                instead_of=champion.version,
            )
        except ChampionMoved:
            continue
        return True, f"champion: {reason}"


def on_rows(held_out: Scored, rows: FloatArray, *, beyond_chance: bool = False) -> Callable[[Reigning], Contest]:
    """Return how the challenger, whose risks ``held_out`` holds, does against a champion on rows (R, F).

    With ``beyond_chance`` it has to be better by more than one standard error over whole sessions.
    """

    def against(champion: Reigning) -> Contest:
        if champion.model is None:
            raise ValueError("a champion that cannot serve cannot be measured")
        formerly = champion.model.predict(rows)
        ours, theirs = Losses.of(held_out.labels, held_out.risks, formerly).means
        gain = gain_in_log_loss(held_out.labels, formerly, held_out.risks, held_out.sessions)
        return Contest(ours, theirs, gain.error if beyond_chance else None)

    return against


def roll_back(journey: Journey, *, home: Path, mlruns: Path, reason: str = "") -> Promoted:
    """Make the version champion that was it before the present one.

    Raises :class:`NoFormerChampion` where there is none, or where its files are missing, damaged, or of another
    feature table; nothing is changed then.
    """
    name = journey.name
    champion = champion_version(home, name)
    if champion is None:
        champion_folder(home, name)  # says how to train a first one
    former = former_version(champion_history(home, name).promotions, champion or "")
    if former is None:
        raise NoFormerChampion(
            f"no version was champion of {name} before version {champion}, so there is none to go back to; "
            f"`dropoff promote {name} VERSION` makes another one champion (versions: {', '.join(versions(home, name))})"
        )
    try:
        folder = model_folder(home, name, former)
        verify_digest(folder)
        RiskModel.load(folder, journey.table)
    except (ModelNotFound, DigestMismatch, ModelFilesError, FingerprintMismatch) as error:
        raise NoFormerChampion(
            f"the champion before version {champion} was version {former}, which cannot serve: {error}; nothing was "
            f"changed; `dropoff promote {name} VERSION` makes another one champion"
        ) from error
    return promote(name, former, home=home, mlruns=mlruns, action=Action.ROLLBACK, reason=reason, instead_of=champion)


def _contest(champion: Reigning, against: Callable[[Reigning], Contest]) -> tuple[bool, str]:
    """Whether the challenger beats the reigning version, and why."""
    if champion.model is None:
        return True, champion.lacking
    contest = against(champion)
    told = (
        f"log loss {contest.challenger:.5f} against {contest.champion:.5f} of version {champion.version} on the same "
        "held-out sessions"
    )
    if contest.error is None:
        return contest.challenger < contest.champion, told
    better = contest.champion - contest.challenger > contest.error
    return better, f"{told}, standard error of the difference {contest.error:.5f}"


def _mark_champion(client: Any, name: str, version: str) -> bool:
    """Move MLflow's alias, and let the tags of the runs say who is champion and who has ever been.

    False where the store does not know the version.
    """
    from mlflow.exceptions import MlflowException

    try:
        run_id = client.get_model_version(name, version).run_id
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    client.set_registered_model_alias(name, CHAMPION, version)
    experiment = client.get_experiment_by_name(name)
    for run in client.search_runs([experiment.experiment_id], "tags.`dropoff.champion` = 'true'"):
        client.set_tag(run.info.run_id, "dropoff.champion", "false")
    client.set_tag(run_id, "dropoff.champion", "true")
    client.set_tag(run_id, "dropoff.promoted", "true")
    return True
