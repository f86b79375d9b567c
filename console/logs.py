"""The logs and facts that a command reads, where it works on them, and where it puts what it refuses."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from console.models import find_model
from console.terminal import progress, say, tell, waiting

if TYPE_CHECKING:
    from features.engine import Engine
    from insights.facts import Facts
    from journeys.journey import Journey


def quarantine_path(chosen: Path | None, log: Path) -> Path:
    """Return where refused rows go; raises ``features.output.OutputError`` where nothing can be written."""
    from features.output import require_writable
    from storage.models import home_folder

    path = chosen or home_folder() / "quarantine.jsonl"
    require_writable(path, log=log)
    return path


@contextmanager
def engine_at(cluster: str | None) -> "Iterator[Engine]":
    """Yield what works on a long job: this process, or the workers of a cluster, of which lost ones are told of.

    Raises ``features.cluster_workers.ClusterError`` where the cluster cannot be used.
    """
    from features.engine import HERE

    if cluster is None:
        yield HERE
        return
    from features.cluster import open_engine

    with ExitStack() as stack:
        with waiting(f"reaching {cluster}"):
            engine = stack.enter_context(open_engine(cluster))
        yield engine
        if engine.lost:
            noun = "worker was" if engine.lost == 1 else "workers were"
            say(f"{engine.lost} {noun} lost on the way; what was being done there has been done again.")


@contextmanager
def facts_of(
    journey: "Journey", given: str, log: Path | None, folder: Path | None, model: str | None, quarantine: Path | None
) -> "Iterator[Facts]":
    """Yield facts that lie in a folder, or those of a log, which are told of and removed when the block ends.

    Raises ``insights.facts.FactsError`` where it is not one of the two, or the facts are of another journey.
    """
    from features.read_log import ReadSummary
    from insights.build_facts import facts_for_now
    from insights.facts import FactsError, open_facts

    if (log is None) == (folder is None):
        raise FactsError("name either a log with --log PATH, or the facts made of one with --facts FOLDER")
    if log is None:
        found = open_facts(folder or Path())
        if found.journey != journey.name:
            raise FactsError(f"the facts in {folder} are of {found.journey}, not of {journey.name}")
        yield found
        return
    refused, loaded = quarantine_path(quarantine, log), find_model(journey, given, model)
    with ExitStack() as stack:
        with progress() as report:
            made = stack.enter_context(facts_for_now(journey, log, loaded, quarantine=refused, progress=report))
        tell(ReadSummary(**made.summary), refused)
        yield made
