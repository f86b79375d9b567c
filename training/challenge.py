"""Who is asked beside the champion: the pointer that services watch, and MLflow's alias."""

from pathlib import Path

from journeys.journey import Journey
from storage.history import Promotion
from storage.models import (
    CHALLENGER,
    challenger_version,
    champion_version,
    point_challenger,
    withdraw_challenger,
)
from training.tracking import STORE, connect, mlflow_name


class ChallengeRefused(ValueError):
    """A version cannot be asked beside the champion; the text says why and what to do."""


def set_challenger(journey: Journey, version: str, *, home: Path, mlruns: Path, reason: str = "") -> Promotion:
    """Let services ask a version beside the champion, in place of any other; raises :class:`ChallengeRefused`."""
    champion = champion_version(home, journey.name)
    if champion is None:
        raise ChallengeRefused(
            f"{journey.name} has no champion to be compared with: `dropoff promote {journey.name} {version}`"
        )
    if version == champion:
        raise ChallengeRefused(f"version {version} is the champion of {journey.name}: name another version")
    line = point_challenger(home, journey.name, version, reason=reason)
    _point_alias(mlruns, journey.name, version)
    return line


def end_challenger(journey: Journey, *, home: Path, mlruns: Path, reason: str = "") -> Promotion:
    """Let services ask nobody beside the champion; raises :class:`ChallengeRefused` where they do not."""
    name = journey.name
    if challenger_version(home, name) is None:
        raise ChallengeRefused(f"{name} has no challenger; `dropoff challenger {name} VERSION` sets one")
    line = withdraw_challenger(home, name, reason=reason)
    _point_alias(mlruns, name, None)
    return line


def _point_alias(mlruns: Path, journey: str, version: str | None) -> None:
    """Let MLflow's alias name a version, or none, where its store in ``mlruns`` knows the version."""
    if not (mlruns / STORE).is_file():
        return
    from mlflow.exceptions import MlflowException

    client, name = connect(mlruns).MlflowClient(), mlflow_name(journey)
    try:
        if version is None:
            client.delete_registered_model_alias(name, CHALLENGER)
        else:
            client.set_registered_model_alias(name, CHALLENGER, version)
    except MlflowException as error:
        # Another machine has trained it: its store knows it, this one does not.
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
