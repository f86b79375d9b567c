"""Programs that tests of ``deploy/`` run: on the path, or where ``make tools`` puts them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
TOOLS = ROOT / ".tools"


def program(name: str) -> str:
    """Return the path of a program; skip the test, or fail it in CI, where there is none."""
    ours = TOOLS / "bin" / name
    found = str(ours) if ours.exists() else shutil.which(name)
    return found or _absent(name)


def schema_folder() -> Path:
    """Return the folder of Kubernetes' schemas; skip the test, or fail it in CI, where there is none."""
    folder = TOOLS / "kubernetes-schemas"
    return folder if folder.is_dir() else Path(_absent("schema of Kubernetes"))


def run(*command: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program with a few variables beside those that are set, and return what it said."""
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def _absent(what: str) -> str:
    said = f"there is no {what}; make tools puts it into .tools/"
    if os.environ.get("CI") == "true":
        pytest.fail(said)
    pytest.skip(said)
