"""What must hold of a cluster's workers: the same code as here, and a folder that all of them see."""

import hashlib
import os
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

from features.store_path import to_path

SCRATCH = "DROPOFF_SCRATCH"
"""The environment's name for the folder, or address, in which long jobs keep what they need on the way."""

_LIBRARIES = ("numpy", "numba", "duckdb", "pyarrow", "lightgbm")
_PACKAGES = ("features", "storage", "decisions", "journeys", "insights", "training")
"""Those of whose code something may run on a worker."""


class ClusterError(RuntimeError):
    """A cluster cannot be used; one sentence that says what to do."""


def scratch_root() -> Path | None:
    """Return where scratch folders are to be made, None where nobody has said."""
    said = os.environ.get(SCRATCH, "").strip()
    return to_path(said) if said else None


def require_same(client: Any) -> None:
    """Raise :class:`ClusterError` unless every worker would make the same rows as this process does."""
    here = describe_code()
    try:
        found: Mapping[str, Mapping[str, str]] = client.run(describe_code)
    except ImportError as error:
        raise ClusterError(
            f"the workers lack a package ({error}): install dropoff {here['dropoff']} where they run"
        ) from error
    compare_code(here, found)


def compare_code(here: Mapping[str, str], found: Mapping[str, Mapping[str, str]]) -> None:
    """Raise :class:`ClusterError` where a worker, by its address, describes itself otherwise than ``here``."""
    for worker, there in found.items():
        for what, expected in here.items():
            if there.get(what) != expected:
                raise ClusterError(
                    f"the worker {worker} has another {what} ({there.get(what)}) than this machine ({expected}): "
                    "rows would differ; install the same there"
                )


@cache
def describe_code() -> Mapping[str, str]:
    """Return what results depend on in this process: versions, and a digest of the code that makes them."""
    return {
        "dropoff": version("dropoff"),
        "Python": ".".join(platform.python_version_tuple()[:2]),
        **{name: version(name) for name in _LIBRARIES},
        "code of dropoff": digest_code(Path(__file__).parent.parent),
    }


def digest_code(installed: Path) -> str:
    """Return a digest of the code that may run on a worker, in a folder of packages."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for file in sorted((installed / package).rglob("*.py")):
            digest.update(file.relative_to(installed).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def require_shared(client: Any, folder: Path) -> None:
    """Raise :class:`ClusterError` unless every worker reads here what this process writes."""
    token = uuid4().hex
    probe = folder / "probe"
    probe.write_text(token, encoding="utf-8")
    for worker, seen in client.run(_read, probe).items():
        if seen != token:
            raise ClusterError(
                f"the worker {worker} does not see the folder {folder}: set {SCRATCH} to a folder that all machines "
                "share, or to an address such as s3://bucket/scratch"
            )
    probe.unlink()


def require_there(client: Any, path: Path) -> None:
    """Raise :class:`ClusterError` unless every worker finds a file or folder."""
    for worker, is_there in client.run(path.exists).items():
        if not is_there:
            raise ClusterError(
                f"the worker {worker} does not see {path}: give a path that all machines share, or an address such as "
                "s3://bucket/log"
            )


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return None
