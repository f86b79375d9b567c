"""What may import what, read from the source itself: import-linter does not see the modules above the packages."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP = ("cli", "demo")
PACKAGES = (
    "capacity",
    "features",
    "storage",
    "decisions",
    "journeys",
    "insights",
    "training",
    "serving",
    "console",
    "commands",
)
EXPERIMENTS = {"mlflow", "optuna", "shap"}
FILES = sorted(
    [*(ROOT / f"{name}.py" for name in TOP), *(file for name in PACKAGES for file in (ROOT / name).rglob("*.py"))]
)


def imported(source: str) -> Iterator[str]:
    """Yield every module that the source imports, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield module


def roots(file: Path) -> set[str]:
    return {module.partition(".")[0] for module in imported(file.read_text(encoding="utf-8"))}


def named(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_imports_are_found_wherever_they_stand() -> None:
    source = """
import a.b, c as d
from e.f import g
from . import sibling
def later():
    from h import i
    importlib.import_module("j.k")
    __import__("l")
"""
    assert sorted(imported(source)) == ["a.b", "c", "e.f", "h", "j.k", "l"]


def test_every_package_and_module_is_looked_at() -> None:
    assert {file.relative_to(ROOT).parts[0].removesuffix(".py") for file in FILES} == {*TOP, *PACKAGES}
    assert len(FILES) > 80


@pytest.mark.parametrize("file", FILES, ids=named)
def test_nothing_imports_the_command_line_but_itself(file: Path) -> None:
    if named(file).partition("/")[0] not in (*(f"{name}.py" for name in TOP), "commands", "console"):
        assert not roots(file) & {*TOP, "commands", "console"}


@pytest.mark.parametrize("file", FILES, ids=named)
def test_training_and_serving_do_not_know_each_other(file: Path) -> None:
    other = {"training": "serving", "serving": "training"}.get(file.relative_to(ROOT).parts[0])
    assert other not in roots(file)


@pytest.mark.parametrize("file", FILES, ids=named)
def test_only_training_knows_the_experiment_libraries(file: Path) -> None:
    if file.relative_to(ROOT).parts[0] != "training":
        assert not roots(file) & EXPERIMENTS


@pytest.mark.parametrize("file", FILES, ids=named)
def test_nothing_in_the_product_imports_tests_or_benchmarks(file: Path) -> None:
    assert not roots(file) & {"tests", "benchmarks", "pytest", "hypothesis"}


def test_the_command_line_imports_nothing_heavy_before_a_command_runs() -> None:
    files = [ROOT / "cli.py", *(ROOT / "commands").glob("*.py")]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    top = [node for tree in trees for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    found = {module for node in top for module in imported(ast.unparse(node))}
    assert {module.partition(".")[0] for module in found} <= {"collections", "commands", "pathlib", "signal", "sys"} | {
        "threading",
        "traceback",
        "types",
        "typing",
        "typer",
    }
