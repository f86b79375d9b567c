"""The part of the lock that an image of the service is made of."""

import re
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from serving.pinned import NotPinned, pinned, requirements_of

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
NEEDED: list[str] = yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))["python"]["packages"]


def installed_closure(roots: list[str]) -> set[str]:
    """What the packages that are installed here say that they need, on this machine."""
    found: set[tuple[str, str]] = set()
    wanted = [
        (canonicalize_name(Requirement(one).name), extra) for one in roots for extra in ("", *Requirement(one).extras)
    ]
    while wanted:
        name, extra = wanted.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        for needed in map(Requirement, requires(name) or ()):
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                wanted += [(canonicalize_name(needed.name), one) for one in ("", *needed.extras)]
    return {name for name, _ in found}


def test_it_holds_whatever_the_service_needs_and_nothing_that_only_others_need() -> None:
    names = set(re.findall(r"^([a-z0-9-]+)==", pinned(LOCK, NEEDED), flags=re.MULTILINE))
    # setuptools is in every environment, and no lock pins it.
    assert installed_closure(NEEDED) - {"setuptools"} <= names
    assert not names & {"mlflow", "optuna", "shap", "scikit-learn", "pytest", "matplotlib", "dask"}


def test_every_package_has_hashes_and_all_its_versions_for_several_pythons() -> None:
    part = pinned(LOCK, NEEDED)
    blocks = re.split(r"^(?=\S)", part, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    assert re.findall(r"^numpy==\S+.*$", part, flags=re.MULTILINE) == re.findall(
        r"^numpy==\S+.*$", LOCK, flags=re.MULTILINE
    )


def test_needs_are_followed_through_others_in_either_form_of_the_lock() -> None:
    lock = "a==1 \\\n    --hash=sha256:1\n    # via b\nb==2\n    # via\n    #   c\n    #   x\nc==3\nd==4\n    # via x\n"
    assert pinned(lock, ["C>=2"]) == lock[: lock.index("d==")]
    with pytest.raises(NotPinned, match="e-f"):
        pinned(lock, ["e_f[extra]>1"])


def test_dropoffs_own_requirements_are_read_with_extras() -> None:
    needed = requirements_of((ROOT / "pyproject.toml").read_text(encoding="utf-8"), ["s3"])
    assert any(one.startswith("mlflow") for one in needed)
    assert any(one.startswith("s3fs") for one in needed)
    assert not any(one.startswith("dask") for one in needed)
    assert {"mlflow", "setuptools"} <= set(re.findall(r"^([a-z-]+)==", pinned(LOCK, needed), flags=re.MULTILINE))
