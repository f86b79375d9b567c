"""Who becomes champion: the contest on held-out sessions, a decision by hand, and the way back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decisions.risk import FingerprintMismatch, ModelFilesError, RiskModel
from features.events import FloatArray
from journeys.journey import Journey
from storage.history import Action, Promotion, former_version
from storage.models import (
    ANYONE,
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
from training.metrics import measure
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
        withdraw_challenger(home, journey, reason="it is the champion now", instead_of=version)
    has_store = (mlruns / STORE).is_file()
    known = has_store and _mark_champion(connect(mlruns).MlflowClient(), mlflow_name(journey), version)
    return Promoted(line, known)


def promote_if_better(
    journey: Journey,
    version: str,
    held_out: Scored,
    rows: FloatArray,
    *,
    home: Path,
    mlruns: Path,
    standing_for: FloatArray | None = None,
    action: Action = Action.TRAIN,
    beyond_chance: bool = False,
) -> tuple[bool, str]:
    """Promote the challenger, whose risks ``held_out`` holds, if it beats the champion; return whether, and why.

    ``rows`` (R, F) are the raw features of the held-out prefixes; ``standing_for`` (R,), where given, says for how many
    like it each stands. With ``beyond_chance`` the
    challenger has to be better by more than one standard error over whole sessions. Where another version becomes
    champion meanwhile, the challenger has to beat that one.
    """
    while True:
        reigning = champion_version(home, journey.name)
        better, reason = _contest(journey, reigning, held_out, rows, standing_for, beyond_chance, home)
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
                instead_of=reigning,
            )
        except ChampionMoved:
            continue
        return True, f"champion: {reason}"


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


def _contest(
    journey: Journey,
    reigning: str | None,
    held_out: Scored,
    rows: FloatArray,
    standing_for: FloatArray | None,
    beyond_chance: bool,
    home: Path,
) -> tuple[bool, str]:
    """Whether the challenger beats the reigning version on the same prefixes, and why.

    Each prefix weighs one, or as many as it stands for. Weights by the length of a session would know its end, and then
    the log loss favours risks that are not calibrated.
    """
    if reigning is None:
        return True, "it is the first model"
    try:
        folder = model_folder(home, journey.name, reigning)
        verify_digest(folder)
        champion = RiskModel.load(folder, journey.table)
    except FingerprintMismatch:
        return True, f"version {reigning} was trained on another feature table and can no longer serve"
    except (ModelNotFound, DigestMismatch, ModelFilesError) as error:
        return True, f"version {reigning} can no longer serve: {error}"
    formerly = champion.predict(rows)
    losses = [
        measure(held_out.labels, risks, held_out.sessions, standing_for)["log_loss"]
        for risks in (held_out.risks, formerly)
    ]
    ours, theirs = (float(loss or 0.0) for loss in losses)
    told = f"log loss {ours:.5f} against {theirs:.5f} of version {reigning} on the same held-out sessions"
    if not beyond_chance:
        return ours < theirs, told
    gain = gain_in_log_loss(held_out.labels, formerly, held_out.risks, held_out.sessions)
    return gain.is_beyond_chance, f"{told}, standard error of the difference {gain.error:.5f}"


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
