"""Filters: periods and cohorts in the address of a page."""

import sys
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

from urllib.parse import parse_qsl

from made_logs import signup

from insights.filters import FilterError, Filters

JOURNEY = signup(properties={"country": "where from"}, cohorts=("country",))
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)


@given(
    st.none() | st.dates(),
    st.none() | st.dates(),
    st.lists(st.tuples(st.sampled_from(("device", "country", "stage", "blocker")), TEXTS)),
)
def test_what_is_written_into_an_address_is_read_from_it(
    since: date | None, until: date | None, cohort: list[tuple[str, str]]
) -> None:
    if since and until and since > until:
        since, until = until, since
    filters = Filters(since, until, tuple(dict.fromkeys(cohort)))
    assert Filters.from_query(parse_qsl(filters.to_query()), JOURNEY) == filters


def test_what_a_form_sends_empty_is_no_filter() -> None:
    assert Filters.from_query({"since": "", "device": "", "until": ""}, JOURNEY) == Filters()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"since": "yesterday"}, "since='yesterday' is no day; write it like since=2026-06-01"),
        ({"devise": "phone"}, "there is no filter 'devise'; did you mean device or"),
        ({"since": "2026-03-02", "until": "2026-03-01"}, "begins on 2026-03-02, after its end on 2026-03-01"),
        ({"device": "a\0b"}, "holds a NUL byte"),
    ],
)
def test_a_filter_that_cannot_be_understood_says_what_to_write(query: dict[str, str], said: str) -> None:
    with pytest.raises(FilterError, match=said):
        Filters.from_query(query, JOURNEY)
