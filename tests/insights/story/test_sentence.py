"""A sentence that its figures do not say cannot be made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.pages.figure import Column, Figure, Table, Unit
from insights.story.sentence import FigureRef, Sentence, Unfounded, cell, numbers, say

EXITS = Figure(
    "exits",
    "Exits",
    "Who left.",
    Table(
        (Column("stage", "Stage"), Column("left", "Left", Unit.COUNT), Column("share", "Share", Unit.SHARE)),
        (("cart", 1234, 0.25), ("step 2", 7, None)),
    ),
)


def ref(text: str, *, randomised: bool = False) -> FigureRef:
    return FigureRef("exits", 0, "left", text, randomised)


def test_a_sentence_is_its_template_over_cells_and_knows_them() -> None:
    cells = {name: cell(EXITS, 0, name) for name in ("stage", "left", "share")}
    [sentence] = say("{left} left at {stage}: {share}.", **cells)
    assert sentence.text == "1,234 left at cart: 25.0%."
    assert [(one.figure, one.row, one.column) for one in sentence.figures] == [
        ("exits", 0, "stage"),
        ("exits", 0, "left"),
        ("exits", 0, "share"),
    ]


def test_what_is_not_known_is_not_said() -> None:
    assert cell(EXITS, 1, "share") is None
    assert say("{share} left.", share=cell(EXITS, 1, "share")) == ()


def test_a_sentence_without_a_figure_is_refused() -> None:
    with pytest.raises(Unfounded, match="no figure says"):
        Sentence("Many people left.", ())


@pytest.mark.parametrize("text", ["12 of 30 left.", "12 left, 12 stayed.", "1.2 left.", "12,000 left.", "120 left."])
def test_a_number_that_no_figure_has_is_refused(text: str) -> None:
    assert Sentence("12 left.", (ref("12"),)).text == "12 left."
    with pytest.raises(Unfounded, match="no figure has"):
        Sentence(text, (ref("12"),))


def test_a_number_within_a_name_belongs_to_the_name() -> None:
    assert say("{left} left at {stage}.", left=cell(EXITS, 1, "left"), stage=cell(EXITS, 1, "stage"))


@pytest.mark.parametrize(
    "text", ["12 left because of it.", "An effect of 12 points.", "It would have been 12.", "This led to 12 exits."]
)
def test_a_word_for_a_cause_is_refused_unless_a_randomised_figure_is_said_with_its_interval(text: str) -> None:
    for figure in (ref("12"), ref("12", randomised=True)):
        with pytest.raises(Unfounded, match="randomised"):
            Sentence(text, (figure,))
    estimate = "In a randomised comparison an effect of 12 points (interval 3 to 21)."
    ends = (ref("3"), ref("21"))
    assert Sentence(estimate, (ref("12", randomised=True), *ends)).text == estimate
    with pytest.raises(Unfounded, match="randomised"):
        Sentence(estimate, (ref("12"), *ends))


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=5), st.integers(0, 10**6))
def test_only_the_numbers_of_the_figures_can_be_said(said: list[int], more: int) -> None:
    figures = tuple(ref(f"{one:,}") for one in said)
    Sentence(" and ".join(f"{one:,}" for one in said), figures)
    with pytest.raises(Unfounded):
        Sentence(" and ".join(f"{one:,}" for one in [*said, more]), figures)


def test_numbers_are_found_with_their_marks_and_counted() -> None:
    assert numbers("3 min 20 s on 1 Mar, 12:30: 1,234.5 and 3") == {
        "3": 2, "20": 1, "1": 1, "12:30": 1, "1,234.5": 1,
    }  # fmt: skip
