"""The registered models that a command works on, and what it says of them."""

from typing import TYPE_CHECKING

from console.databases import registry_home, service_database
from console.terminal import progress, say

if TYPE_CHECKING:
    from decisions.risk import RiskModel
    from journeys.journey import Journey
    from training.promote import Promoted


def load_model(journey: "Journey", given: str, version: str | None) -> "RiskModel":
    """Return a registered model, the champion by default; ``given`` is how the user calls the journey.

    Raises ``storage.models.ModelNotFound``, with the command to run where the journey has no model at all.
    """
    from decisions.risk import RiskModel
    from storage.models import ModelNotFound, champion_folder, model_folder, verify_digest, versions

    with registry_home(journey.name) as home:
        if not versions(home, journey.name):
            raise ModelNotFound(
                f"{journey.name} has no model under {home}; run `dropoff train {given} --log PATH` first"
            )
        folder = champion_folder(home, journey.name) if version is None else model_folder(home, journey.name, version)
        verify_digest(folder)
        return RiskModel.load(folder, journey.table)


def check_servable(journey: "Journey", given: str, version: str) -> None:
    """Raise what hinders a registered version from being served: missing, damaged, of other features, or a copy."""
    from storage.models import ModelNotFound

    found = load_model(journey, given, version).version
    if found != version:
        raise ModelNotFound(f"what is called version {version} is a copy of version {found}: name that one instead")


def find_model(journey: "Journey", given: str, version: str | None = None) -> "RiskModel | None":
    """Return the chosen model or the champion; None, said in a line, where the journey has no champion.

    Raises ``storage.models.ModelNotFound`` for a version that there is not.
    """
    from storage.models import champion_version

    with registry_home(journey.name) as home:
        has_champion = champion_version(home, journey.name) is not None
    if version is None and not has_champion:
        say(f"{journey.name} has no model, so nothing is told that needs one; dropoff train {given} makes it.")
        return None
    return load_model(journey, given, version)


def say_promoted(journey: "Journey", promoted: "Promoted") -> None:
    """Print who is champion now, in whose place, and whether MLflow knows it."""
    line = promoted.line
    instead = "" if line.previous in (None, line.version) else f", in place of version {line.previous}"
    say(f"Version {line.version} is the champion of {journey.name}{instead}.")
    if not promoted.in_mlflow:
        say("MLflow's store in this folder does not know the version, so its alias and tags stay as they are.")


def wait_for_switch(journey: "Journey", version: str) -> None:
    """Return once every running process answers with a version; raises ``serving.answering.NotAnswering``."""
    from serving.answering import SWITCH_SECONDS, wait_until_answering

    with service_database() as (engine, _), progress() as report:
        report("waiting for the processes", 0.0)
        count = 0
        if engine is not None:
            count = wait_until_answering(
                engine,
                journey.name,
                version,
                SWITCH_SECONDS,
                lambda switched, of_all: report("waiting for the processes", switched / max(of_all, 1)),
            )
    say(f"All {count} running processes answer with version {version}." if count else "No process is running.")
