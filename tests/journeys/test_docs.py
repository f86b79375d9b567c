"""The guide says what the code does: its tables are run, not believed."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import features.scan
from features.friction import Friction
from features.phrase import say
from features.scan import DeclarationError, EventFilter, Expression, ScanKind, count
from features.table import Feature
from journeys.journey import Journey
from journeys.load import load_journey

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "journeys.md").read_text(encoding="utf-8")


def table_under(header: str) -> list[list[str]]:
    lines = GUIDE.splitlines()
    start = lines.index(header) + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        cells = re.split(r"(?<!\\)\|", line.strip("|"))
        rows.append([cell.strip().replace("\\|", "|") for cell in cells])
    return rows


def evaluate(text: str) -> object:
    names = {**vars(features.scan), "Feature": Feature, "Friction": Friction}
    return eval(text, names)  # noqa: S307 (text of our own guide)


@pytest.mark.parametrize(
    ("written", "said"), [(row[0].strip("`"), row[1]) for row in table_under("| you wrote | dropoff says |")]
)
def test_every_refusal_in_the_guide_is_the_one_that_is_met(written: str, said: str) -> None:
    example = load_journey(str(ROOT / "examples" / "newsletter_signup.py"))
    with pytest.raises(DeclarationError) as caught:
        _with(example, evaluate(written))
    said = said.removesuffix("…").strip()
    assert said in str(caught.value)


def _with(journey: Journey, declared: object) -> Journey:
    match declared:
        case Feature():
            feature = declared
        case Expression():
            feature = Feature("x", declared, Friction.FORM, "{:.0f}")
        case EventFilter():
            feature = Feature("x", count(declared), Friction.FORM, "{:.0f}")
        case _:
            raise AssertionError(f"{declared!r} is nothing that a journey declares")
    return replace(journey, features=(*journey.features, feature))


def test_the_algebra_in_the_guide_is_complete() -> None:
    rows = table_under("| expression | what it returns | before anything has happened |")
    documented = " ".join(row[0] for row in rows)
    for kind in ScanKind:
        assert f"`{kind.name.lower()}(" in documented
    for word in ("category", "hour", "weekday", "stage", "a - b", "a / b"):
        assert word in documented


def test_every_phrase_in_the_guide_reads_as_it_says() -> None:
    for phrase, value, reads in table_under("| phrase | value | reads |"):
        assert say(phrase.strip("`"), float(value)) == reads


def test_the_ends_in_the_guide_are_those_of_the_loan_application() -> None:
    ends = load_journey("loan_application").ends
    for part, _, names in table_under("| part of `Ends` | meaning | loan application |"):
        assert re.findall(r"`(\w+)`", names) == list(getattr(ends, part.strip("`")))


def test_a_category_of_friction_is_counted_right_in_the_guide() -> None:
    shipped = [name for name, value in vars(Friction).items() if isinstance(value, Friction) and value.addressable]
    assert "`Friction` has thirteen categories" in GUIDE
    assert len(shipped) == 13
