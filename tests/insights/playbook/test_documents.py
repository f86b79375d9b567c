"""The playbook as a document, as JSON and on a terminal: what stands in them."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from made_facts import SHOP
from made_tactics import DAY_US, NOW_US, evidence, tactic
from newsletter import call
from sqlalchemy import Engine

from decisions.experiments import from_json
from insights.playbook.declare import declare_command
from insights.playbook.export import playbook_tables, to_json
from insights.playbook.follow import tactics_of
from insights.playbook.look import Entry, choose_entries, look_up
from insights.playbook.markdown import to_markdown
from storage.database import database_url, open_database
from storage.experiment_store import ExperimentStore
from storage.playbook import Draft, TacticStatus

DRAFT = Draft("More go on.", "goes on from cart", 3_550, 7_100, 123, "the traffic is small", NOW_US)
TACTICS = (
    tactic(id=1, status=TacticStatus.RETIRED, intervention="live_chat", learning="Nobody wants to chat."),
    tactic(
        id=2,
        status=TacticStatus.PROPOSED,
        blocker="trust",
        stage="cart",
        intervention="trust_panel",
        owner="Brand",
        source="opportunity cart.trust",
        draft=DRAFT,
    ),
    tactic(
        evidence(400, experiment="pay|later"),
        id=3,
        status=TacticStatus.PROVEN,
        learning="People take the invoice.",
        changed_us=NOW_US - 400 * DAY_US,
    ),
    tactic(
        evidence(800, low=0.015, high=0.025),
        id=4,
        status=TacticStatus.PROVEN,
        audience="device=mobile",
        learning="It works on phones.",
    ),
    tactic(id=5, status=TacticStatus.TESTING, stage="", experiment="now_running"),
)


@contextmanager
def opened(home: Path) -> Iterator[Engine]:
    engine = open_database(database_url(home))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def entries() -> tuple[Entry, ...]:
    return look_up(SHOP, TACTICS, NOW_US)


def test_what_is_proven_comes_first_the_surest_at_the_front(entries: tuple[Entry, ...]) -> None:
    # Half a point x 2^(800 / 730) leaves 0.93 points, one point x 2^(400 / 730) more: 0.54.
    assert [one.tactic.id for one in entries] == [4, 3, 5, 2, 1]
    assert [bool(one.why_due) for one in entries] == [True, False, False, False, False]


def test_entries_are_chosen_by_status_blocker_and_what_is_due(entries: tuple[Entry, ...]) -> None:
    assert [one.tactic.id for one in choose_entries(entries, status=TacticStatus.PROVEN)] == [4, 3]
    assert [one.tactic.id for one in choose_entries(entries, blocker="trust")] == [2]
    assert [one.tactic.id for one in choose_entries(entries, due=True)] == [4]
    assert choose_entries(entries, due=True, blocker="trust") == ()


def test_the_document_has_what_is_proven_first_and_what_to_test_again(entries: tuple[Entry, ...]) -> None:
    text = to_markdown(SHOP, entries, NOW_US)
    assert text.startswith(
        "# The playbook of Online shop\n\n"
        "2024-10-04: 2 proven, 1 testing, 1 proposed, 1 retired; 1 due for a re-test.\n\n"
        "## Proven\n\n"
        "### “Pay another way” against payment at payment, for device mobile\n"
    )
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert titles == [
        "## Proven",
        "## To be tested again",
        "## Being tested",
        "## Proposed",
        "## Retired",
        "## How to read this",
    ]
    assert (
        "`payment.payment.other_payment`, owned by Payments, proven since 2023-08-31.\n\n"
        "> People take the invoice.\n\n"
        "Randomised experiments together: the share that reaches the goal changed by +2.0 points (95% interval +1.0 to "
        "+3.0). Now, the latest being 400 days old and counting 47%: +2.0 points (95% interval +0.5 to +3.5).\n\n"
        "| experiment | days | people | metric | effect | verdict |\n"
        "|---|---|---:|---|---|---|\n"
        "| pay\\|later | 2023-08-03 to 2023-08-31 | 5,600 | the share that reaches the goal | "
        "+2.0 points (95% interval +1.0 to +3.0) | ship |\n"
    ) in text
    assert (
        "* **payment.payment.other_payment.device=mobile** (Payments): its latest evidence is 800 days old, past the "
        "limit of 730.\n"
        "  The share that reaches the goal is still higher with “Pay another way” for device mobile in whom payment is "
        "named at payment: by 1.8 points or more. "
    ) in text
    assert (
        "* **cart.trust.trust_panel** (Brand, opened by the opportunity cart.trust): “Safe to order” against trust at "
        "cart, for everybody.\n  More go on. 7,100 visitors in 123 days; the traffic is small.\n"
    ) in text
    assert "The experiment now_running tests it.\n" in text
    assert "> Nobody wants to chat.\n" in text
    assert "Evidence counts half after 365d" in text
    assert text.endswith("\n")
    assert "\n\n\n" not in text


def test_an_empty_playbook_is_a_document_that_says_so() -> None:
    text = to_markdown(SHOP, (), NOW_US)
    assert "2024-10-04: nothing yet." in text
    assert "No tactic is proven yet: that takes an experiment whose verdict is ship." in text


def test_the_json_has_the_figures_themselves(entries: tuple[Entry, ...]) -> None:
    told = to_json(SHOP, entries, NOW_US)
    assert (told["journey"], told["at"]) == ("ecommerce", "2024-10-04T00:00:00Z")
    due, proven, testing, proposed, _ = told["tactics"]
    assert (due["name"], due["audience"]) == ("payment.payment.other_payment.device=mobile", "device=mobile")
    assert due["due"] == "its latest evidence is 800 days old, past the limit of 730"
    assert due["test"]["metric"] == "goal"
    assert proven["standing"]["measured"] == pytest.approx({"value": 0.02, "low": 0.01, "high": 0.03})
    half = 0.01 * 2 ** (400 / 730)
    assert proven["standing"]["now"] == pytest.approx({"value": 0.02, "low": 0.02 - half, "high": 0.02 + half})
    assert proven["standing"]["weight"] == pytest.approx(2 ** (-400 / 365))
    assert (proven["evidence"][0]["people"], proven["evidence"][0]["to"]) == (5_600, "2023-08-31T00:00:00Z")
    assert (proven["due"], proven["test"]) == (None, None)
    assert (testing["stage"], testing["experiment"], testing["standing"]) == (None, "now_running", None)
    assert (proposed["test"]["people"], proposed["test"]["drafted"]) == (7_100, "2024-10-04T00:00:00Z")


def test_the_tables_fit_their_figures(entries: tuple[Entry, ...]) -> None:
    listed, tests = playbook_tables(SHOP, entries)
    assert [row[1] for row in listed.rows] == ["proven, due", "proven", "testing", "proposed", "retired"]
    assert [row[2] for row in listed.rows] == ["+2.0 (+0.9 to +3.1)", "+2.0 (+0.5 to +3.5)", "-", "-", "-"]
    assert [row[0] for row in tests.rows] == ["payment.payment.other_payment.device=mobile", "cart.trust.trust_panel"]


def test_the_test_of_a_tactic_can_be_declared_by_the_command_that_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: tuple[Entry, ...]
) -> None:
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path))
    due, _, _, proposed, _ = entries
    again, first = (shlex.split(declare_command(SHOP, one)) for one in (due, proposed))
    assert shlex.join(again) == to_json(SHOP, entries, NOW_US)["tactics"][0]["test"]["declare"]
    assert f"`{shlex.join(first)}`" in to_markdown(SHOP, entries, NOW_US)
    assert again[:5] == ["dropoff", "experiment", "new", "ecommerce", "--name"]
    assert again[5] == "other_payment_payment_payment_again"
    assert again[again.index("--cohort") + 1] == "device=mobile"
    assert "--duration" not in first  # The traffic is too small for the one that is drafted.
    for words in (again, first):
        assert call(*words[1:]).status == 0
    with opened(tmp_path) as engine:
        plans = [from_json(one.declaration) for one in ExperimentStore(engine, SHOP.name).all()]
        keys = [key for one in ExperimentStore(engine, SHOP.name).all() for key, _, _ in tactics_of(SHOP, one)]
    assert keys == [due.tactic.key, proposed.tactic.key]
    assert [one.owner for one in plans] == ["Payments", "Brand"]
