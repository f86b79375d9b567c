"""What the product says states facts and association: a cause is claimed only beside a randomised estimate.

Nothing is listed by hand. Every text in the source of the product, every word of every journey, every template, all
help and the description of the service are walked, so a new sentence is held to this on the day it is written.
"""

import ast
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from command_tree import leaves

from cli import app
from decisions.diagnosis import Blocker, Evidence, narrate
from features.table import Feature
from insights.story.causal_words import CAUSE, EFFECT, claims_a_cause
from journeys.load import journey_names, load_journey
from serving import openapi

ROOT = Path(__file__).parents[1]
NOT_SAID = {"tests", "benchmarks", "build", "docs"}
SOURCES = sorted(
    path
    for path in [*ROOT.glob("*.py"), *ROOT.glob("*/**/*.py")]
    if path.relative_to(ROOT).parts[0] not in NOT_SAID
    and not path.relative_to(ROOT).parts[0].startswith(".")
    # The words themselves are not said of anybody.
    and path.name != "causal_words.py"
)
TEMPLATES = sorted(
    path
    for suffix in ("html", "htm", "jinja", "j2", "txt", "md", "js", "svg")
    for path in ROOT.glob(f"*/**/*.{suffix}")
    if path.relative_to(ROOT).parts[0] not in NOT_SAID | {"mlruns"}
    and "node_modules" not in path.parts
    and not path.relative_to(ROOT).parts[0].startswith(".")
    and not path.relative_to(ROOT).parts[0].endswith(".egg-info")
    # A library that others wrote, and nobody reads.
    and not path.name.endswith(".min.js")
)
JOURNEYS = [*journey_names(), str(ROOT / "examples" / "newsletter_signup.py")]
VALUES = (0.0, 1.0, 2.0, 0.37, 86_400.0, 1_234_567.0, -3.0)


def said(source: str) -> Iterator[str]:
    """Yield every text in a source that a program can say: all but docstrings, the parts of an f-string as one."""
    tree = ast.parse(source)
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    silent |= {id(node.format_spec) for node in ast.walk(tree) if isinstance(node, ast.FormattedValue)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            silent |= {id(part) for part in node.values}
            if id(node) not in silent:
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            yield node.value


def texts(value: object) -> Iterator[str]:
    """Yield every text in a declaration, however deep: fields, keys and members."""
    match value:
        case str():
            yield value
        case Mapping():
            for name, part in value.items():
                yield from texts(name)
                yield from texts(part)
        case tuple() | list() | set() | frozenset():
            for part in value:
                yield from texts(part)
        case _ if dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                yield from texts(getattr(value, field.name))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize(
    "text",
    [
        "People leave because shipping is dear.",
        "Shipping costs cause people to leave.",
        "42 exits were CAUSED by the form.",
        "Fixing the form will recover 300 orders.",
        "a lift of 4 %",
        "This leads to fewer orders.",
        "a randomised lift of 4 %",
        "a lift of 4 % (95 % interval 1 to 7 %)",
    ],
)
def test_a_cause_is_known_when_it_is_seen(text: str) -> None:
    assert claims_a_cause(text)


@pytest.mark.parametrize(
    "text",
    [
        "Sessions like this one are more often abandoned; payment failed twice.",
        "write true or false into caused_exit",
        "lifting a bag, a shoplifter, a causeway",
        "sure things, persuadables, lost causes and sleeping dogs",
        "Example: dropoff experiment size --baseline .05 --lift .2",
        "a lift of 4 % in a randomised comparison (95 % interval 1 to 7 %, 3 March to 2 April)",
    ],
)
def test_a_fact_is_none(text: str) -> None:
    assert not claims_a_cause(text)


def test_texts_are_found_wherever_they_stand() -> None:
    source = '''
"""A docstring because it is one."""
NAME = "one"
def say(x):
    """Another."""
    f"an expression {x}"
    return f"two {x:.0%} {'three' if x else f'four {x}'} " "five" + "six"
'''
    assert sorted(said(source)) == ["four {}", "one", "six", "three", "two {} {} five"]


def test_the_walk_finds_the_sources_and_the_places_where_sentences_are_made() -> None:
    found = {named(path) for path in SOURCES}
    assert {"cli.py", "console/terminal.py", "demo.py", "decisions/diagnosis.py", "decisions/scorer.py"} <= found
    assert {
        "journeys/ecommerce/interventions.py",
        "insights/pages/overview.py",
        "training/pictures/gallery.py",
    } <= found
    assert len(found) > 120
    diagnosis = " ".join(said((ROOT / "decisions" / "diagnosis.py").read_text(encoding="utf-8")))
    assert "Sessions like this one are more often abandoned" in diagnosis


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_no_text_in_the_source_claims_a_cause(path: Path) -> None:
    assert [text for text in said(path.read_text(encoding="utf-8")) if claims_a_cause(text)] == []


def test_no_template_claims_a_cause() -> None:
    # A line with its neighbours: a sentence may be wrapped.
    for path in TEMPLATES:
        lines = path.read_text(encoding="utf-8").splitlines()
        for place, line in enumerate(lines):
            if CAUSE.search(line):
                assert not claims_a_cause(" ".join(lines[max(0, place - 2) : place + 3])), f"{named(path)}: {line}"


@pytest.mark.parametrize("name", JOURNEYS, ids=lambda name: Path(name).stem)
def test_no_word_of_a_journey_claims_a_cause(name: str) -> None:
    journey = load_journey(name)
    found = list(texts(journey))
    assert set(journey.events) | {intervention.message for intervention in journey.interventions} <= set(found)
    assert [text for text in found if claims_a_cause(text) or EFFECT.search(text)] == []


@pytest.mark.parametrize("name", JOURNEYS, ids=lambda name: Path(name).stem)
def test_no_phrase_and_no_narrative_claims_a_cause_with_any_number(name: str) -> None:
    for feature in load_journey(name).features:
        for value in VALUES:
            phrase = spoken(feature, value)
            told = narrate([Blocker(feature.friction, 1.0, 0.5, (Evidence(feature.name, value, phrase, 0.1),))])
            assert told == f"Sessions like this one are more often abandoned; {phrase}."
            assert "nan" not in told
            assert not claims_a_cause(told)
            assert not EFFECT.search(told)


def spoken(feature: Feature, value: float) -> str:
    return feature.phrase if feature.is_category else feature.say(value)


def test_no_help_claims_a_cause() -> None:
    command: Any = typer.main.get_command(app)
    everything = [command, *command.commands.values(), *leaves(command).values()]
    shown = [text for one in everything for text in (one.help, one.epilog, one.short_help) if text]
    shown += [option.help for one in everything for option in one.params if getattr(option, "help", None)]
    assert len(shown) > 60
    assert [text for text in shown if claims_a_cause(text)] == []


@pytest.mark.parametrize("name", journey_names())
def test_the_description_of_the_service_claims_no_cause(name: str) -> None:
    found = list(texts(openapi.describe(name)))
    assert len(found) > 200
    assert [text for text in found if claims_a_cause(text)] == []
