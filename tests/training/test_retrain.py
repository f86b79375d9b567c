"""The service's own log and ledger become a model; what was treated is told and left out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_logs import sign_ups, signup

from features.events import Event
from storage.database import database_url, open_database
from storage.event_log import EventLog
from storage.ledger import Ledger, LedgerEntry
from storage.models import champion_version
from training.retrain import NothingLogged, Retrained, odds_of_nothing, retrain
from training.split import TooFewSessions

pytestmark = [pytest.mark.xdist_group("training"), pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]

JOURNEY = signup()
ENTRY = LedgerEntry(
    decision_id="d",
    session_id="s00000",
    visitor_id="v",
    at_us=0,
    decided_at_us=0,
    stage="form",
    events_seen=2,
    risk=0.8,
    blockers=[{"friction": "form", "problem_type": "friction", "share": 1.0, "confidence": 0.5, "evidence": []}],
    narrative="",
    eligible=["form_help"],
    excluded={},
    propensities={"form_help": 0.96, "nothing": 0.04},
    chosen="form_help",
    propensity=0.96,
    expected_uplift=0.05,
    reason="best_value",
    holdout=False,
    experiment=None,
    drawn=0.5,
    policy_version="priors-1",
    model_version="1",
)
SESSIONS, TREATED, SPARED = 900, 200, 100


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which a service has logged sessions, treated the first 200 at their start, and spared 100 others."""
    home = tmp_path_factory.mktemp("home")
    engine = open_database(database_url(home))
    log = sign_ups(SESSIONS, 1).to_pylist()
    first: dict[str, int] = {}
    events = []
    for row in log:
        moment = round(row["occurred_at"].timestamp() * 1e6)
        first.setdefault(row["session_id"], moment)
        fields = {name: row[name] for name in ("event_id", "name", "visitor_id", "session_id", "user_id", "device")}
        events.append(Event(**fields, occurred_at_us=moment, received_at_us=moment))
    with engine.connect() as connection, connection.begin():
        EventLog(engine, "signup").append(connection, events)
        ledger = Ledger(engine, "signup")
        for number, session_id in enumerate(list(first)[: TREATED + SPARED]):
            entry = replace(ENTRY, decision_id=f"d{number}", session_id=session_id, at_us=first[session_id])
            if number >= TREATED:
                entry = replace(entry, chosen=None, propensity=0.25, propensities={"form_help": 0.75, "nothing": 0.25})
            ledger.append(connection, entry)
        ledger.append(connection, replace(ENTRY, decision_id="elsewhere", session_id="not in the log"))
    engine.dispose()
    return home


@pytest.fixture(scope="module")
def retrained(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Retrained:
    mlruns = tmp_path_factory.mktemp("mlruns")
    return retrain(JOURNEY, home=home, mlruns=mlruns, database=database_url(home), threads=1)


def test_it_tells_what_was_joined_and_left_out(retrained: Retrained) -> None:
    joined = retrained.joined
    assert (joined.sessions, joined.decisions, joined.decisions_elsewhere) == (SESSIONS, TREATED + SPARED + 1, 1)
    assert (joined.treated, joined.treated_at_unknown_odds) == (TREATED, 0)
    assert joined.used <= SESSIONS - TREATED
    # Spared with probability .05 + .95 x .25: a hundred such, and the others stand for themselves.
    weight = 1 / (0.05 + 0.95 * 0.25)
    weights = np.array([weight] * SPARED + [1.0] * (joined.used - SPARED))
    assert joined.largest_weight == pytest.approx(weight)
    assert joined.effective == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert joined.describe()[1] == "200 sessions (22%) were treated before they ended and are left out."


def test_the_model_goes_through_the_same_contest_and_the_run_names_its_data(retrained: Retrained, home: Path) -> None:
    assert retrained.training.promotion == "champion: it is the first model"
    assert champion_version(home, "signup") == retrained.training.model.version
    assert retrained.training.model.card["data"]["path"] == "the service's log of signup"
    written = retrained.to_json()
    assert written["promoted"] is True
    assert written["log"]["treated_share"] == pytest.approx(200 / 900)  # type: ignore[index]


def test_too_few_untreated_sessions_are_refused_with_their_number(home: Path, tmp_path: Path) -> None:
    with pytest.raises(TooFewSessions, match=r"only \d+ sessions that were not treated .* and 5,000 are"):
        retrain(
            JOURNEY, home=home, mlruns=tmp_path, database=database_url(home), threads=1, least_sessions=5_000
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_a_service_that_has_logged_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(NothingLogged, match=r"has logged no event of signup in sqlite.*dropoff serve signup"):
        retrain(JOURNEY, home=tmp_path, mlruns=tmp_path, database=database_url(tmp_path))


def test_the_odds_of_nothing_are_the_ledgers_and_for_the_holdout_those_of_the_policy() -> None:
    assert odds_of_nothing(JOURNEY, ENTRY) == 0.04
    held_out = replace(ENTRY, holdout=True, chosen=None, propensity=1.0, propensities={"nothing": 1.0})
    # .05 x 10 - .1 is worth more than nothing, which is the one other option and gets all of the exploration.
    assert odds_of_nothing(JOURNEY, held_out) == pytest.approx(0.04)
    assert odds_of_nothing(JOURNEY, replace(held_out, eligible=[])) == 1.0
    # A policy that has learnt since is not asked again: what was withheld is in the ledger.
    assert odds_of_nothing(JOURNEY, replace(held_out, withheld={"nothing": 0.75, "payment_help": 0.25})) == 0.75
    assert odds_of_nothing(JOURNEY, replace(held_out, eligible=["gone"], blockers=[])) == 1.0
