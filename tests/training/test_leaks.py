"""The leak guard: what gives the end away is refused by name, and nothing else is."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_logs import at, signup

from features.friction import Friction
from features.import_log import import_log
from features.plan import compile_plan
from features.read_log import read_log
from features.scan import category, count, last, prop
from features.sources.shipped import named
from features.table import Feature
from journeys.ends import find_ends
from journeys.journey import Ends, Journey
from journeys.load import load_journey
from training.leaks import Leak, LeakFound, find_leaks, refuse_leaks, to_json
from training.simulator import simulate
from training.tracking import connect

if TYPE_CHECKING:
    from conftest import Train

pytestmark = [pytest.mark.xdist_group("training"), pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]

LOANS = Path(__file__).parents[3] / "shared" / "data" / "bpic2012" / "events.parquet"

JOURNEY = signup(
    events=dict.fromkeys(
        ("page_view", "edit_field", "form_error", "sign_up", "leave", "welcome", "closed", "send", "help"), "happens"
    ),
    properties={"tariff": "which one", "score": "a number", "receipt": "a number"},
    ends=Ends(goal=("sign_up",), abandoned=("leave",)),
    features=(
        *signup().features,
        Feature("helps", count("help"), Friction.NONE, "{:times}"),
        Feature("welcomes", count("welcome"), Friction.NONE, "{:times}"),
        Feature("tariff", category("tariff"), Friction.NONE, "tariff"),
        Feature("score", last(prop("score")), Friction.NONE, "{:.0f}"),
        Feature("receipt", last(prop("receipt")), Friction.NONE, "{:.0f}"),
    ),
)


def log_of(
    count: int, seed: int, leak: str | None = None, *, purchases: float = 0.4, fails: float = 0.1, **properties: Any
) -> pa.Table:
    """Sessions that fill in a form and send it, most of which then sign up; ``leak`` says what else happens.

    ``properties`` are functions of outcome and chance.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        moment, buys = number * 200.0 + rng.random(), bool(rng.random() < purchases)
        names = ["page_view", *rng.choice(["page_view", "edit_field", "form_error", "help"], rng.geometric(0.25))]
        if buys or rng.random() < fails:
            names.append("send")
        if buys:
            names += ["welcome", "sign_up"] if leak == "welcome" else ["sign_up"]
        else:
            names += ["closed"] if leak == "closed" and rng.random() < 0.7 else []
        told = {name: make(buys, rng) for name, make in properties.items()}
        for name in names:
            given = {key: value for key, value in told.items() if value is not None}
            rows.append((f"s{number:05}", f"v{number:05}", str(name), at(moment), json.dumps(given)))
            moment += rng.exponential(8.0) + 1
    session, visitor, names_, moments, given_ = (list(column) for column in zip(*rows, strict=True))
    return pa.table(
        {
            "event_id": [f"e{place:06}" for place in range(len(rows))],
            "session_id": session,
            "visitor_id": visitor,
            "name": names_,
            "occurred_at": pa.array(moments, pa.timestamp("us", tz="UTC")),
            "properties": given_,
        }
    )


def leaks_of(log: pa.Table | Path, folder: Path, journey: Journey = JOURNEY) -> tuple[Leak, ...]:
    path = folder / "log.parquet" if isinstance(log, pa.Table) else log
    if isinstance(log, pa.Table):
        pq.write_table(log, path)
    plan = compile_plan(journey.table)
    with read_log(path, plan, timeout_seconds=journey.session_timeout_seconds) as read:
        encoded = read.whole()
        ends = find_ends(plan, encoded, journey, read.summary.last_at_us)
    return find_leaks(journey, plan, encoded, ends, np.ones(encoded.session_count, np.bool_), seed=1)


def refused(leaks: tuple[Leak, ...]) -> list[tuple[str, str]]:
    return [(leak.kind, leak.name) for leak in leaks if leak.refused]


def test_a_page_that_opens_only_before_the_goal_is_refused_with_its_evidence_and_the_remedy(tmp_path: Path) -> None:
    leaks = leaks_of(log_of(1_500, 1, "welcome"), tmp_path)
    [leak] = leaks
    assert (leak.kind, leak.name, leak.refused, leak.heard_by) == ("event", "welcome", True, ("welcomes",))
    with pytest.raises(LeakFound) as said:
        refuse_leaks(JOURNEY, leaks, ())
    sessions = leak.figures["sessions"]
    assert str(said.value).startswith(
        f"the event 'welcome' gives the end away: of the {sessions} sessions it occurred in, {sessions} were not "
        "abandoned from there, against "
    )
    assert "to Ends(closes=...) if it gives the end away" in str(said.value)
    assert str(said.value).endswith("To train all the same: --allow-leak welcome")
    assert "\n" not in str(said.value)


def test_a_beacon_that_is_sent_only_before_an_abandonment_is_refused(tmp_path: Path) -> None:
    leaks = leaks_of(log_of(1_500, 2, "closed"), tmp_path)
    assert refused(leaks) == [("event", "closed")]
    assert "Ends(abandoned=...)" in leaks[0].remedy


def test_what_is_declared_as_an_end_or_as_giving_it_away_is_no_leak(tmp_path: Path) -> None:
    closes = replace(JOURNEY, ends=replace(JOURNEY.ends, closes=("closed",)))
    assert leaks_of(log_of(1_500, 2, "closed"), tmp_path, closes) == ()
    ends = replace(JOURNEY, ends=replace(JOURNEY.ends, abandoned=("leave", "closed")))
    assert leaks_of(log_of(1_500, 2, "closed"), tmp_path, ends) == ()


def test_a_property_that_is_set_only_once_they_have_signed_up_is_refused(tmp_path: Path) -> None:
    leaks = leaks_of(log_of(1_500, 3, receipt=lambda buys, _rng: 17 if buys else None), tmp_path)
    assert refused(leaks) == [("feature", "receipt")]
    assert "remove it if its value is only known once the session has ended" in leaks[0].remedy


def test_a_number_that_was_written_back_from_the_outcome_is_refused(tmp_path: Path) -> None:
    leaks = leaks_of(log_of(1_500, 4, score=lambda buys, rng: 50 + 20 * buys + 3 * rng.normal()), tmp_path)
    assert refused(leaks) == [("feature", "score")]
    assert "right after the first event it alone sorts 1,4" in leaks[0].evidence


def test_a_category_that_names_the_outcome_is_refused(tmp_path: Path) -> None:
    leaks = leaks_of(
        log_of(1_500, 5, tariff=lambda buys, rng: "paid" if buys else str(rng.choice(["a", "b"]))), tmp_path
    )
    assert refused(leaks) == [("feature", "tariff")]


def test_a_value_of_a_category_that_only_buyers_have_is_refused(tmp_path: Path) -> None:
    def tariff(buys: bool, rng: np.random.Generator) -> str:
        return "paid" if buys and rng.random() < 0.5 else str(rng.choice(["a", "b"]))

    leaks = leaks_of(log_of(1_500, 5, tariff=tariff), tmp_path)
    assert refused(leaks) == [("feature", "tariff")]
    assert "one and the same value" in leaks[0].evidence


def test_a_late_step_that_most_but_not_all_complete_is_no_leak(tmp_path: Path) -> None:
    # Of those who send the form, some 87 in a hundred sign up, and some 20 of those who stand where they stood.
    assert leaks_of(log_of(2_000, 6), tmp_path) == ()


def test_what_falls_short_of_the_bar_is_told_but_not_refused(tmp_path: Path) -> None:
    leaks = leaks_of(log_of(2_000, 7, score=lambda buys, rng: 50 + 20 * buys + 9.3 * rng.normal()), tmp_path)
    [leak] = leaks
    assert (leak.name, leak.refused) == ("score", False)
    assert "may give the end away" in leak.describe()
    refuse_leaks(JOURNEY, leaks, ())


def test_two_leaks_are_told_in_one_message(tmp_path: Path) -> None:
    log = log_of(1_500, 8, "closed", receipt=lambda buys, _rng: 17 if buys else None)
    leaks = leaks_of(log, tmp_path)
    with pytest.raises(LeakFound, match=r"'closed'.*'receipt'.*--allow-leak closed --allow-leak receipt$"):
        refuse_leaks(JOURNEY, leaks, ())
    with pytest.raises(LeakFound, match=r"--allow-leak receipt$"):
        refuse_leaks(JOURNEY, leaks, ("closed",))
    refuse_leaks(JOURNEY, leaks, ("closed", "receipt"))


def test_an_allowed_name_that_the_journey_does_not_have_is_refused() -> None:
    with pytest.raises(LeakFound, match="--allow-leak wellcome: signup has no event and no feature of that name"):
        refuse_leaks(JOURNEY, (), ("wellcome",))


@pytest.mark.parametrize("purchases", [0.03, 0.5, 0.97])
@pytest.mark.parametrize("seed", range(8))
def test_logs_that_know_nothing_raise_no_alarm(seed: int, purchases: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    shift = 10 * rng.random()
    log = log_of(
        1_000,
        100 + seed,
        purchases=purchases,
        fails=float(rng.uniform(0.08, 0.9)),
        score=lambda buys, rng: shift * buys + 10 * rng.normal(),
        tariff=lambda _buys, rng: str(rng.choice(["a", "b", "c"], p=[0.2, 0.3, 0.5])),
        receipt=lambda _buys, rng: 1 if rng.random() < 0.2 else None,
    )
    if purchases == 0.97:
        # Whoever sends the form signs up nearly always, as nearly everybody does.
        assert refused(leaks_of(log, tmp_path)) == []
    else:
        assert leaks_of(log, tmp_path) == ()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_simulated_shop_raises_no_alarm(seed: int, tmp_path: Path) -> None:
    simulate("ecommerce", sessions=6_000, seed=seed, out=tmp_path)
    assert leaks_of(tmp_path / "events", tmp_path, load_journey("ecommerce")) == ()


@pytest.mark.real_data
@pytest.mark.skipif(not LOANS.exists(), reason="the BPI Challenge 2012 log is not beside the checkout")
def test_the_loan_log_raises_no_alarm_unless_the_decisions_are_no_longer_declared(tmp_path: Path) -> None:
    import_log(named("loan_log"), LOANS, tmp_path / "loans.parquet", quarantine=tmp_path / "refused.jsonl")
    journey = load_journey("loan_application")
    assert leaks_of(tmp_path / "loans.parquet", tmp_path, journey) == ()
    undeclared = replace(journey, ends=replace(journey.ends, closes=()))
    # All 484 sessions whose offer was accepted before the decision end without an abandonment.
    [told] = leaks_of(tmp_path / "loans.parquet", tmp_path, undeclared)
    assert (told.name, told.figures["sessions"], told.figures["exceptions"]) == ("o_accepted", 484, 0)


def test_what_is_written_as_json_has_every_figure(tmp_path: Path) -> None:
    [written] = to_json(leaks_of(log_of(1_500, 1, "welcome"), tmp_path))
    assert json.loads(json.dumps(written, allow_nan=False)) == written
    assert set(written) == {"kind", "name", "refused", "evidence", "remedy", "figures", "heard_by"}


def test_a_training_is_refused_unless_the_leak_is_allowed_which_its_run_then_tells(train_sign_ups: "Train") -> None:
    log = log_of(1_200, 1, "welcome")
    with pytest.raises(LeakFound, match="the event 'welcome' gives the end away"):
        train_sign_ups(log, journey=JOURNEY)
    trained = train_sign_ups(log, journey=JOURNEY, allowed_leaks=("welcome",))
    assert [leak.name for leak in trained.result.leaks] == ["welcome"]
    run = connect(trained.mlruns).MlflowClient().get_run(trained.result.model.card["run_id"])
    assert run.data.tags["dropoff.leaks"] == "welcome"
    assert trained.result.to_json()["leaks"] == to_json(trained.result.leaks)
