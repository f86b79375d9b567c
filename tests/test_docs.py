"""The texts say what is there: links, commands, options, tables, addresses and examples are checked, not believed."""

import ast
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from command_tree import leaves

from benchmarks.__main__ import BENCHMARKS
from cli import app
from features.source import CANONICAL_COLUMNS
from features.sources.touchpoint_mapping import MEMBERS
from serving import openapi
from serving.decoding import decode
from serving.ga4 import Measurement
from serving.messages import OutcomeRequest, RecommendRequest, TouchpointRequest
from serving.segment import Message
from training.metrics import FIGURES, measure

ROOT = Path(__file__).parents[1]
DOCS = tuple(sorted((ROOT / "docs").rglob("*.md")))
TEXTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS)
DROPOFF: Any = typer.main.get_command(app)
COMMANDS = leaves(DROPOFF)

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_REQUESTS = {
    "/mp/collect": Measurement,
    "/v1/track": Message,
    "/v1/recommend": RecommendRequest,
    "/v1/outcome": OutcomeRequest,
    "/v1/touchpoints": list[TouchpointRequest],
}


@dataclass(frozen=True)
class Shown:
    """A piece of a text that is meant to be run or read by a machine."""

    path: Path
    language: str
    content: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}: {self.content[:70]!r}"


def blocks(path: Path) -> Iterator[Shown]:
    for language, content in _FENCE.findall(path.read_text(encoding="utf-8")):
        yield Shown(path, language, content)


def commands(path: Path, program: str) -> Iterator[Shown]:
    """Every command line of a program, in blocks as it is typed and in running text as it is named."""
    text = path.read_text(encoding="utf-8")
    for block in blocks(path):
        for line in block.content.replace("\\\n", " ").splitlines():
            if line.startswith(f"{program} "):
                yield Shown(path, "typed", line)
    for span in re.findall(r"`([^`\n]+)`", _FENCE.sub("", text)):
        if span.startswith(f"{program} "):
            yield Shown(path, "named", span)


def curls(path: Path) -> Iterator[Shown]:
    for block in blocks(path):
        for line in re.findall(r"^curl (?:[^'\n]|'[^']*')+", block.content, re.MULTILINE):
            yield Shown(path, "curl", line)


def all_shown(program: str) -> list[Shown]:
    return [shown for path in TEXTS for shown in commands(path, program)]


def slugs(path: Path) -> set[str]:
    """The anchors of a text's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_within_the_project_leads_somewhere(path: Path) -> None:
    for target in _LINK.findall(_FENCE.sub("", path.read_text(encoding="utf-8"))):
        if re.match(r"\w+:", target):
            continue
        file, _, anchor = target.partition("#")
        led_to = (path.parent / file).resolve() if file else path
        assert led_to.is_relative_to(ROOT), target
        assert led_to.exists(), target
        if anchor:
            assert anchor in slugs(led_to), target


def test_texts_show_commands_at_all() -> None:
    found = all_shown("dropoff")
    assert {shown.language for shown in found} == {"typed", "named"}
    assert {shown.path.name for shown in found} >= {"README.md", "journeys.md", "service.md", "training.md"}
    assert {shown.path.name for path in TEXTS for shown in curls(path)} == {
        "README.md",
        "service.md",
        "clients.md",
        "imports.md",
    }


@pytest.mark.parametrize("shown", all_shown("dropoff"), ids=str)
def test_a_dropoff_command_in_a_text_exists_with_its_options(shown: Shown) -> None:
    # In running text and in tables, brackets mark what may be left out.
    line = shown.content.replace("[", " ").replace("]", " ") if shown.language == "named" else shown.content
    _, *words = shlex.split(line, comments=True)
    if words[0] == "COMMAND":
        return
    if words[0].startswith("-"):
        assert words[0] in options_of(DROPOFF) | {"--help"}
        return
    name, command, arguments = named_command(words)
    if shown.language == "typed":
        command.make_context(name, arguments)
        return
    assert {word for word in arguments if word.startswith("-")} <= options_of(command) | {"--help"}


def named_command(words: list[str]) -> tuple[str, Any, list[str]]:
    """The command that the first words name, alone or in a group, and the words after them."""
    count = 2 if " ".join(words[:2]) in COMMANDS else 1
    name = " ".join(words[:count])
    assert name in COMMANDS
    return name, COMMANDS[name], words[count:]


def options_of(command: Any) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def test_the_readme_has_the_commands_that_there_are() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").split("| command | what it does |\n")[1].splitlines()
    rows = [line for line in lines[1 : lines.index("")] if line.startswith("|")]
    listed = []
    for row in rows:
        synopsis = re.findall(r"`(dropoff [^`]+)`", row)[0]
        name, command, _ = named_command(synopsis.split()[1:])
        listed.append(name)
        required = {parameter.opts[0] for parameter in command.params if parameter.required}
        written = set(re.sub(r"\[[^\]]*\]", "", synopsis).split())
        assert {name for name in required if name.startswith("-")} <= written, synopsis
        # An argument stands for itself in capitals, before or after the options.
        arguments = [parameter for parameter in command.params if parameter.required and parameter.opts[0][0] != "-"]
        assert [word for word in synopsis.split()[2:] if word.isupper()][: len(arguments)] == [
            parameter.opts[0].rstrip("_").upper() for parameter in arguments
        ]
    assert listed == list(COMMANDS)


@pytest.mark.parametrize("shown", [block for path in TEXTS for block in blocks(path)], ids=str)
def test_a_block_is_in_the_language_that_it_names(shown: Shown) -> None:
    match shown.language:
        case "python":
            ast.parse(shown.content)
        case "json":
            json.loads(shown.content)
        case "toml":
            content = tomllib.loads(shown.content)
            members = MEMBERS if "constants" in content else CANONICAL_COLUMNS
            assert set(content["columns"]) <= set(members)
        case language:
            # JavaScript and HTML are run by tests/serving/clients and tests/serving/web.
            assert language in ("", "sh", "javascript", "html")


@pytest.mark.parametrize("shown", [shown for path in TEXTS for shown in curls(path)], ids=str)
def test_a_request_in_a_text_is_one_that_the_service_takes(shown: Shown) -> None:
    words = shlex.split(shown.content)
    address = next(word for word in words if word.startswith("http://127.0.0.1:3000/"))
    route = address.removeprefix("http://127.0.0.1:3000").partition("?")[0]
    method = words[words.index("-X") + 1].lower()
    assert method in openapi.describe("ecommerce")["paths"][route]
    decode(words[words.index("-d") + 1].encode(), _REQUESTS[route])


def test_the_answer_in_the_readme_has_the_fields_of_an_answer() -> None:
    [answer] = [json.loads(block.content) for block in blocks(ROOT / "README.md") if block.language == "json"]
    schemas = openapi.describe("ecommerce")["components"]["schemas"]
    assert set(answer) == set(schemas["RecommendAnswer"]["properties"])
    [first, *_] = answer["blockers"]
    assert set(first) == set(schemas["BlockerAnswer"]["properties"])
    assert set(first["evidence"][0]) == set(schemas["EvidenceAnswer"]["properties"])
    assert set(answer["recommendation"]) == set(schemas["RecommendationAnswer"]["properties"])


def test_the_figures_in_the_guide_to_training_are_those_that_are_written() -> None:
    guide = ROOT / "docs" / "training.md"
    [written] = [json.loads(block.content) for block in blocks(guide) if block.language == "json"]
    figures = measure(np.array([0.0, 1.0]), np.array([0.2, 0.7]), np.array([0, 1]))
    nested = {"session_weighted", "by_events", "by_stage", "by_cohort", "leaving_soon"}
    assert set(written["held_out"]) == {*figures, "n_visitors", "intervals"} | nested
    assert set(written["held_out"]["intervals"]) == set(FIGURES)
    for name in {*figures, *nested, "n_visitors", "intervals"} - {"n_rows", "n_sessions"}:
        assert f"`{name}`" in guide.read_text(encoding="utf-8")


def test_the_columns_of_a_log_are_those_that_are_read() -> None:
    guide = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    table = guide.split("| column | may be missing | meaning |")[1].split("\n\n")[0]
    named = [name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert named == list(CANONICAL_COLUMNS)


@pytest.mark.parametrize("shown", all_shown("make"), ids=str)
def test_a_make_target_in_a_text_exists(shown: Shown) -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert shown.content.split()[1] in targets


@pytest.mark.parametrize("shown", all_shown("python"), ids=str)
def test_a_module_that_a_text_runs_exists(shown: Shown) -> None:
    words = shlex.split(shown.content)
    if words[1] == "-m":
        assert find_spec(words[2])
        assert words[2] != "benchmarks" or set(words[3:]) <= set(BENCHMARKS)
    else:
        assert words[1] == "-c"
        ast.parse(words[2])


def test_every_decision_is_in_the_index_and_fits_a_page() -> None:
    folder = ROOT / "docs" / "adr"
    decisions = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    index = (folder / "README.md").read_text(encoding="utf-8")
    numbers = [int(path.name.partition("-")[0]) for path in decisions]
    assert len(set(numbers)) == len(numbers)
    for number, path in zip(numbers, decisions, strict=True):
        text = path.read_text(encoding="utf-8")
        title = text.splitlines()[0]
        assert path.name.startswith(f"{number:04}-")
        assert title.startswith(f"# {number}. ")
        assert f"| [{number}]({path.name}) | {title.removeprefix(f'# {number}. ')} |" in index
        for part in ("Context", "Decision", "Consequences", "Measured"):
            assert f"**{part}.**" in text
        assert len(text.split()) < 600


def test_the_changelog_names_the_version_that_is_built() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert re.search(rf"^## .*{re.escape(version)}", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_license_is_the_one_that_the_package_names() -> None:
    named = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["license"]
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert named == "Apache-2.0"
    assert "Version 2.0, January 2004" in text
    assert text.rstrip().endswith("limitations under the License.")
