"""Build a Bento: the service with one exported model, which serves without the checkout."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from serving.configuration import PACKAGED_FOLDER, Configuration
from serving.errors import StartError
from serving.pinned import NotPinned, pinned
from serving.start import find_source, load_model

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("features", "journeys", "decisions", "storage", "insights", "serving")
_BENTOFILE = "bentofile.yaml"
_LOCK = "requirements.lock"
_CONTAINERFILE = "deploy/Containerfile"


class BuildError(ValueError):
    """The Bento cannot be built; one sentence that says why."""


@dataclass(frozen=True, slots=True)
class BuiltBento:
    """A Bento that was built; ``bentoml serve FOLDER`` serves it, and ``FOLDER/Containerfile`` makes an image of it."""

    tag: str
    folder: Path
    model_version: str


def build(journey: str, home: Path | None = None) -> BuiltBento:
    """Build a Bento of a journey's champion under ``DROPOFF_HOME/bentoml`` and return where it lies.

    ``journey`` is a name or the path of a file. Raises :class:`BuildError`.
    """
    configured = Configuration.from_environment()
    configuration = Configuration(journey=journey, home=(home or configured.home).resolve())
    try:
        source = find_source(configuration)
        model = load_model(source)
    except StartError as error:
        raise BuildError(str(error)) from error
    with tempfile.TemporaryDirectory(prefix="dropoff-build-") as folder:
        _lay_out(Path(folder), journey, source.folder)
        tag = _run_bentoml(Path(folder), configuration.home / "bentoml")
    name, version = tag.split(":")
    bento = configuration.home / "bentoml" / "bentos" / name / version
    _make_containable(bento)
    return BuiltBento(tag, bento, model.version)


def _lay_out(folder: Path, journey: str, model: Path) -> None:
    for package in _PACKAGES:
        shutil.copytree(
            _ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.nb[ic]", "node_modules")
        )
    shutil.copy(_beside(_BENTOFILE), folder / _BENTOFILE)
    packaged = folder / PACKAGED_FOLDER.name
    shutil.copytree(model, packaged / "model")
    (packaged / "package.json").write_text(json.dumps({"journey": _pack_journey(journey, packaged)}), encoding="utf-8")


def _pack_journey(journey: str, packaged: Path) -> str:
    """Return what the service loads: a name that ships, or a path within ``packaged``."""
    if not (journey.endswith(".py") or "/" in journey):
        return journey
    path = Path(journey).expanduser()
    if path.is_dir():
        shutil.copytree(path, packaged / "journey", ignore=shutil.ignore_patterns("__pycache__"))
        return "./journey"
    shutil.copy(path, packaged / "journey.py")
    return "./journey.py"


def _make_containable(bento: Path) -> None:
    """Put beside the Bento how an image is made of it, and the packages that this needs, pinned with their hashes."""
    needed = (bento / "env" / "python" / "requirements.txt").read_text(encoding="utf-8").split()
    try:
        lock = pinned(_beside(_LOCK).read_text(encoding="utf-8"), needed)
    except NotPinned as error:
        raise BuildError(str(error)) from error
    (bento / "env" / "python" / _LOCK).write_text(lock, encoding="utf-8")
    shutil.copy(_beside(_CONTAINERFILE), bento / "Containerfile")


def _beside(name: str) -> Path:
    """Return a file that lies beside the packages, in a checkout or where dropoff was installed."""
    candidates = (_ROOT / name, Path(sys.prefix) / "share" / "dropoff" / name)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise BuildError(f"{name} is neither at {candidates[0]} nor at {candidates[1]}: install dropoff again")


def _run_bentoml(folder: Path, bentoml_home: Path) -> str:
    bentoml_home.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "BENTOML_HOME": str(bentoml_home),
        "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "bentoml", "build", "--bentofile", _BENTOFILE, "--output", "tag", "."]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    lines = [line for line in done.stdout.splitlines() if line.startswith("__tag__:")]
    if done.returncode or not lines:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise BuildError(f"BentoML could not build the Bento: {last[0]}")
    return lines[0].removeprefix("__tag__:")
