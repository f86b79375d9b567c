"""What several workers score is one window: each writes its counts into the folder that they share for metrics."""

import os
import threading
from collections.abc import Iterator
from glob import escape
from pathlib import Path

import numpy as np

from serving.drift import DriftCounts
from serving.metrics import is_alive

_NAME = "drift_{}_{}.npy"


def publish_counts(folder: Path, version: str, counts: DriftCounts) -> None:
    """Write this worker's counts for the others to read; those for another model go."""
    own = folder / _NAME.format(os.getpid(), version)
    # Two threads may be at it: what is set every few seconds, and what is asked for.
    prepared = own.with_name(f".{own.name}-{threading.get_ident()}")
    with prepared.open("wb") as file:
        np.save(file, counts.counts)
        np.save(file, np.array(counts.risk_sum))
    prepared.replace(own)
    for old in folder.glob(_NAME.format(os.getpid(), "*")):
        if old != own:
            old.unlink(missing_ok=True)


def counts_of_others(folder: Path, version: str) -> Iterator[DriftCounts]:
    """Yield what the other workers that are alive have counted for a model."""
    for file in folder.glob(_NAME.format("*", escape(version))):
        process = int(file.name.split("_")[1])
        if process == os.getpid():
            continue
        if not is_alive(process):
            file.unlink(missing_ok=True)
            continue
        try:
            with file.open("rb") as opened:
                yield DriftCounts(np.load(opened), float(np.load(opened)))
        except FileNotFoundError:
            # Its worker has taken up another model at this moment.
            continue
