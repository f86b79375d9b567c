"""Our own snippet is built of its sources with the packages that the other clients' tests install."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from real_clients import HERE, node

from serving.snippet import BANNER, SCRIPT, WEB

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]


def test_building_again_gives_the_same_files(tmp_path: Path, modules: Path) -> None:
    shutil.copytree(WEB, tmp_path / "web", ignore=shutil.ignore_patterns("node_modules"))
    (tmp_path / "web" / "node_modules").symlink_to(modules)
    subprocess.run([node(), "build.mjs", str(tmp_path)], cwd=tmp_path / "web", check=True)
    for name in (SCRIPT, BANNER):
        assert (tmp_path / name).read_bytes() == (WEB / name).read_bytes()


def test_tests_build_with_the_version_that_the_package_names() -> None:
    named = json.loads((WEB / "package.json").read_text())["devDependencies"]["esbuild"]
    assert json.loads((HERE / "package.json").read_text())["dependencies"]["esbuild"] == named
