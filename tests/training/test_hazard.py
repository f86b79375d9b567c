"""Who leaves soon: what the label says about each moment, what is known when, and how well it is foreseen."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_logs import TIMEOUT, Visit, at, encode, signup, until, visits

from features.build import build, silent_after
from features.events import Cutoffs
from features.plan import compile_plan
from features.read_log import read_log
from features.vocabulary import Vocabulary
from journeys.ends import find_ends, label_leaving, silence_seconds
from journeys.journey import Ends, Journey
from journeys.load import load_journey
from training.cutoffs import after_every_event
from training.evaluate import stage_names
from training.hazard import fit_hazard, held_out_sessions, idle_ticks, rows_at_risk
from training.leaving import describe_leaving, foresee, tally_leaving
from training.simulator import simulate
from training.split import forward_split

if TYPE_CHECKING:
    from conftest import Trained

pytestmark = [pytest.mark.xdist_group("training"), pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]

JOURNEY = signup()
DECLARED_ONLY = signup(
    ends=Ends(goal=("sign_up",), abandoned=("leave",), competing=("refuse",), silence_abandons=False)
)
MUCH_LATER = 100_000.0


def leaving(
    *events: tuple[float, str], moments: list[float], log_end: float = MUCH_LATER, journey: Journey = JOURNEY
) -> list[float | None]:
    """The labels of one session at some moments, within a minute; None where it is not known."""
    log = encode(journey, [Visit(events)])
    ends = find_ends(compile_plan(journey.table), log, journey, at(log_end))
    seen = [sum(second <= moment for second, _ in events) for moment in moments]
    cutoffs = Cutoffs(np.zeros(len(moments), np.int64), np.array(seen), np.array([at(moment) for moment in moments]))
    found = label_leaving(ends, cutoffs, 60.0, silence_seconds(journey), at(log_end))
    return [None if np.isnan(one) else float(one) for one in found]


def test_it_leaves_soon_from_a_minute_before_the_latest_event_on() -> None:
    events = ((0.0, "page_view"), (100.0, "edit_field"), (200.0, "form_error"))
    assert leaving(*events, moments=[0, 100, 139.999999, 140, 200, 900]) == [0, 0, 0, 1, 1, 1]


def test_who_reaches_the_goal_or_is_refused_never_leaves() -> None:
    for end in ("sign_up", "refuse"):
        assert leaving((0.0, "page_view"), (30.0, end), moments=[0, 29]) == [0, 0]
    # Whoever still looks around after the goal has not left before it.
    assert leaving((0.0, "page_view"), (30.0, "sign_up"), (40.0, "page_view"), moments=[0, 20]) == [0, 0]


def test_a_declared_exit_is_left_where_it_is_declared() -> None:
    assert leaving((0.0, "page_view"), (100.0, "leave"), moments=[0, 39, 40, 99]) == [0, 0, 1, 1]
    assert leaving((0.0, "page_view"), (100.0, "leave"), moments=[0, 40], journey=DECLARED_ONLY) == [0, 1]


def test_a_moment_is_known_once_a_silence_from_the_end_of_its_minute_could_have_passed() -> None:
    log_end = 60.0 + TIMEOUT
    events = ((0.0, "page_view"), (10.0, "edit_field"))
    assert leaving(*events, moments=[0, 10], log_end=log_end) == [1, None]
    assert leaving(*events, moments=[0], log_end=log_end - 0.001) == [None]
    # Even where the goal is known at once: it must not count while exits cannot.
    assert leaving(*events, (20.0, "sign_up"), moments=[0, 10], log_end=log_end) == [0, None]


def test_where_only_declared_exits_count_a_minute_is_enough() -> None:
    events = ((0.0, "page_view"), (10.0, "edit_field"))
    assert leaving(*events, moments=[0, 10], log_end=60.0, journey=DECLARED_ONLY) == [0, None]


def test_an_open_session_has_not_left_where_that_is_known() -> None:
    events = ((0.0, "page_view"), (1_700.0, "edit_field"))
    assert leaving(*events, moments=[0, 1_700], log_end=60.0 + TIMEOUT) == [0, None]


@settings(max_examples=100, deadline=None)
@given(drawn=visits(), seconds=st.integers(0, 9_000))
def test_what_is_known_at_a_moment_stays_so_whatever_comes_after_it(drawn: list[Visit], seconds: int) -> None:
    plan = compile_plan(JOURNEY.table)
    whole, known = encode(JOURNEY, drawn), encode(JOURNEY, until(drawn, seconds))
    found: list[dict[tuple[str, int, int], float]] = []
    for log, log_end in ((whole, MUCH_LATER), (known, float(seconds))):
        ends = find_ends(plan, log, JOURNEY, at(log_end))
        cutoffs = after_every_event(log, ends.usable)
        labels = label_leaving(ends, cutoffs, 60.0, TIMEOUT, at(seconds))
        found.append(
            {
                (str(log.session_ids[session]), int(after), int(at_us)): float(one)
                for session, after, at_us, one in zip(
                    cutoffs.session, cutoffs.after, cutoffs.at_us, labels, strict=True
                )
                if not np.isnan(one)
            }
        )
    assert found[0] == found[1]


def test_it_looks_again_at_silences_that_double_up_to_the_timeout() -> None:
    assert idle_ticks(JOURNEY) == (15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0)
    assert idle_ticks(signup(leaving_soon_within="10m")) == (150.0, 300.0, 600.0, 1_200.0)


def test_a_silence_is_looked_at_only_where_the_next_event_had_not_come() -> None:
    log = encode(JOURNEY, [Visit([(0, "page_view"), (20, "edit_field"), (80, "form_error")])])
    every = after_every_event(log, np.array([3]))
    quiet = silent_after(log, every, 30.0, at(100))
    assert (quiet.after.tolist(), quiet.at_us.tolist()) == ([2], [at(50)])
    assert silent_after(log, every, 20.0, at(100)).after.tolist() == [2, 3]


@pytest.mark.parametrize(
    ("within", "said"),
    [("1 minute", "leaving_soon_within: '1 minute' is no duration"), ("31m", "must not exceed the session timeout")],
)
def test_a_journey_that_looks_no_sensible_way_ahead_is_refused(within: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        signup(leaving_soon_within=within)


# In training


def test_a_training_measures_it_against_the_base_rate_and_the_idle_time_alone(trained: "Trained") -> None:
    block: Any = trained.result.evaluation["leaving_soon"]
    assert block["within"] == "1m"
    assert list(block["by_idle"]) == ["0s", "15s", "30s", "1m", "2m", "4m", "8m", "16m"]
    assert sum(part["n_rows"] for part in block["by_idle"].values()) == block["n_rows"]
    assert sum(part["n_rows"] for part in block["by_stage"].values()) == block["n_rows"]
    assert block["log_loss"] < block["idle_alone"]["log_loss"] < block["base_rate_alone"]["log_loss"]
    assert block["auc"] > block["idle_alone"]["auc"] > block["base_rate_alone"]["auc"] == 0.5
    assert block["base_rate"] == block["idle_alone"]["base_rate"]


def test_a_log_too_short_to_learn_it_from_trains_without_it(train_sign_ups: Any) -> None:
    # A minute and a timeout have passed at no moment before the cut.
    journey = signup(session_timeout_seconds=1e6, leaving_soon_within="1d", idle_ticks_seconds=())
    result = train_sign_ups(journey=journey).result
    assert result.model.hazard is None
    assert result.evaluation["leaving_soon"] is None


@pytest.mark.slow
def test_on_later_simulated_sessions_it_is_calibrated_overall_and_after_every_silence(tmp_path: Path) -> None:
    simulate("ecommerce", sessions=14_000, seed=11, out=tmp_path)
    journey = load_journey("ecommerce")
    plan = compile_plan(journey.table)
    with read_log(tmp_path / "events", plan, timeout_seconds=journey.session_timeout_seconds) as read:
        log, end_us = read.whole(), read.summary.last_at_us
    ends = find_ends(plan, log, journey, end_us)
    split = forward_split(log, ends)
    early = after_every_event(log, np.where(split.training, np.minimum(ends.usable, 1), 0))
    vocabulary = Vocabulary.learn(journey.table, build(plan, log, early))
    hazard = fit_hazard(journey, rows_at_risk(journey, plan, log, ends, split, seed=1), vocabulary, seed=1, threads=1)
    assert hazard is not None

    def measured(*silences: float) -> Any:
        late = held_out_sessions(log, ends, split)
        parts = foresee(journey, plan, log, ends, late, end_us, vocabulary, hazard, silences=silences or None)
        return describe_leaving(hazard, tally_leaving(hazard, parts), stage_names(journey))

    block = measured()
    assert block["ece"] <= 0.02
    assert block["n_sessions"] > 3_000
    by_idle = block["by_idle"].values()
    assert np.average([part["ece"] for part in by_idle], weights=[part["n_rows"] for part in by_idle]) <= 0.02
    assert block["auc"] > block["idle_alone"]["auc"] + 0.01
    # And after silences that it was not learnt at.
    assert measured(20.0, 45.0, 90.0, 180.0, 700.0)["ece"] <= 0.02
