"""What images are made from: clean, without secrets, and nothing that a Bento or a checkout does not have."""

import re
from pathlib import Path

import pytest
from programs import DEPLOY, ROOT, program, run

FILES = ("Containerfile", "tools.Containerfile")


@pytest.mark.parametrize("name", FILES)
def test_hadolint_finds_nothing_to_complain_of(name: str) -> None:
    ran = run(program("hadolint"), str(DEPLOY / name))
    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.mark.parametrize("name", FILES)
def test_an_image_runs_as_nobody_with_hashed_packages_and_no_secrets(name: str) -> None:
    text = (DEPLOY / name).read_text(encoding="utf-8")
    last = text.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.+)$", last, flags=re.MULTILINE) == ["10001:10001"]
    assert "--require-hashes --only-binary :all:" in text
    assert "chmod a-s" in last
    assert not re.search(r"^(ARG|ENV).*(SECRET|PASSWORD|KEY|TOKEN|DATABASE_URL)", text, flags=re.MULTILINE)


def test_the_tools_are_made_of_what_the_checkout_has_and_the_builder_gets_no_more() -> None:
    text = (DEPLOY / "tools.Containerfile").read_text(encoding="utf-8")
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (?!--from)(.+)$", text, flags=re.MULTILINE)]
    assert all((ROOT / path).exists() for paths in copied for path in paths)
    sent = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert all((ROOT / path).exists() for path in sent)
    # Every package that `pip install .` looks for, and its modules.
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    packages = re.findall(r'"([a-z]+)\*"', project.partition("[tool.setuptools.packages.find]")[2].partition("\n[")[0])
    modules = re.findall(r'"([a-z]+)"', re.findall(r"^py-modules = (.+)$", project, flags=re.MULTILINE)[0])
    assert {*packages, *(f"{module}.py" for module in modules)} <= set(sent)
    assert not {".git", "tests", "mlruns", ".dropoff"} & {Path(path).parts[0] for path in sent}
