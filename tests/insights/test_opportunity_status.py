"""Statuses are kept with their history; names that nothing can have are refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_facts import SHOP
from sqlalchemy import Engine

from insights.opportunity_status import OpportunityError, keep_status, opportunity_id, parse_id
from storage.database import database_url, open_database
from storage.record_store import load_records
from storage.records import RecordError


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(database_url(tmp_path))
    yield engine
    engine.dispose()


def test_every_status_is_kept_with_who_gave_it_and_since_when(engine: Engine) -> None:
    keep_status(engine, SHOP, "cart.trust", "accepted", author="Ada")
    kept = keep_status(engine, SHOP, "cart.trust", "done", reason=" a trust mark ", author="Bo", at_us=5_000_000)
    records = load_records(engine, SHOP.name)
    assert [(one.status, one.author, one.reason) for one in records.opportunity_statuses] == [
        ("accepted", "Ada", ""),
        ("done", "Bo", "a trust mark"),
    ]
    assert kept.at_us == 5_000_000
    # When it came into force is one thing, when it was written down another.
    assert records.audit[-1].at_us > 5_000_000
    assert records.audit[-1].before == {"status": "accepted"}


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("cart.trst", "done", "did you mean 'cart.trust'"),
        ("cart", "done", "has no opportunity 'cart'"),
        (
            "cart.trust",
            "finished",
            "'finished' is no status; write one of proposed, accepted, testing, done, dismissed",
        ),
        ("cart.trust", "dismissed", "needs a reason"),
        ("cart.trust.shoe=42", "done", "'shoe=42' is no cohort; write DIMENSION=VALUE with one of visitor_kind,"),
        ("cart.trust.device=", "done", "is no cohort"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(engine: Engine, name: str, status: str, said: str) -> None:
    with pytest.raises(OpportunityError) as caught:
        keep_status(engine, SHOP, name, status, author="Ada")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert load_records(engine, SHOP.name).opportunity_statuses == ()


def test_somebody_has_to_answer_for_a_status(engine: Engine) -> None:
    with pytest.raises(RecordError, match="actor is empty"):
        keep_status(engine, SHOP, "cart.trust", "done", author=" ")


@given(
    st.sampled_from([stage.name for stage in SHOP.stages]),
    st.sampled_from([friction.name for friction in SHOP.frictions]),
    st.none() | st.tuples(st.sampled_from(["device", "country", "visitor_kind"]), st.text(min_size=1)),
)
def test_a_name_is_read_as_it_was_made(stage: str, friction: str, cohort: tuple[str, str] | None) -> None:
    assert parse_id(SHOP, opportunity_id(stage, friction, cohort)) == (stage, friction, cohort)
