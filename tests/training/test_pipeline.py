"""Training end to end: what it learns, what it refuses, and who becomes champion."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from made_logs import TIMEOUT, at, sign_ups, signup

from decisions.calibration import Calibrator, CalibratorKind
from decisions.risk import RiskModel
from features.build import build
from features.friction import Friction
from features.log_files import LogError
from features.plan import compile_plan
from features.read_log import read_log
from features.scan import count
from features.table import Feature
from features.vocabulary import Vocabulary
from journeys.ends import find_ends
from storage.models import CHALLENGER, champion_version, point_champion, publish
from training.blockers import fit_blockers
from training.cutoffs import after_every_event
from training.evaluate_log import evaluate_log
from training.fit import Rows, Settings, fit
from training.promote import CHAMPION
from training.split import TooFewSessions
from training.tracking import connect

if TYPE_CHECKING:
    from conftest import Train, Trained

pytestmark = [pytest.mark.xdist_group("training"), pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]


def test_the_steps_come_in_order_and_the_search_tells_its_trials(trained: "Trained") -> None:
    steps = ["building features", "searching settings", "fitting", "calibrating", "evaluating", "registering"]
    assert [phase for phase in trained.phases if phase in steps] == steps
    assert [trial.number for trial in trained.trials] == [0, 1]


def test_what_is_written_as_json_tells_the_version_and_why_it_became_champion(trained: "Trained") -> None:
    written: Any = trained.result.to_json()
    assert set(written) == {"model_version", "promoted", "promotion", "sampled_share", "leaks", "held_out"}
    assert (written["promoted"], written["promotion"]) == (True, "champion: it is the first model")
    assert written["sampled_share"] == 1.0
    assert json.loads(json.dumps(written, allow_nan=False)) == written


def test_the_held_out_sessions_are_the_latest_quarter(trained: "Trained") -> None:
    block: Any = trained.result.evaluation
    assert block["n_sessions"] == pytest.approx(750, abs=10)
    assert block["by_events"]["1"]["n_rows"] == block["n_sessions"]


def test_it_finds_a_signal_that_is_there(train_sign_ups: "Train") -> None:
    block: Any = train_sign_ups().result.evaluation
    assert block["session_weighted"]["auc"] > 0.65
    assert block["brier_skill"] > 0.1
    assert block["ece"] < 0.1
    # The first page says nothing: everybody has it.
    assert abs(block["by_events"]["1"]["auc"] - 0.5) < 0.1


def test_it_finds_none_where_the_toss_of_a_coin_ends_a_session(train_sign_ups: "Train") -> None:
    log = sign_ups(3_000, 3, signal=0.0)
    block: Any = train_sign_ups(log).result.evaluation
    sessions = block["n_sessions"]
    assert sessions > 700
    # Four standard deviations of an AUC of as many sessions, half of them abandoned (Hanley and McNeil 1982).
    noise = 4 * (2 / (12 * sessions / 2)) ** 0.5
    assert abs(block["by_events"]["1"]["auc"] - 0.5) < noise
    assert abs(block["session_weighted"]["auc"] - 0.5) < noise
    assert abs(block["auc"] - 0.5) < noise
    assert block["brier_skill"] < 0.02


def test_shuffling_who_bought_what_leaves_nothing_to_find(train_sign_ups: "Train") -> None:
    log = sign_ups(2_000, 5)
    ends = pc.is_in(log["name"], pa.array(["sign_up", "leave"]))
    rest = log.filter(pc.invert(ends))
    rng = np.random.default_rng(1)
    latest = rest.group_by("session_id").aggregate([("occurred_at", "max")])
    outcomes = rng.permutation(np.resize(["sign_up", "leave", "leave"], latest.num_rows))
    first_of = {row["session_id"]: row for row in reversed(rest.to_pylist())}
    added = [
        first_of[session] | {"event_id": f"end-{session}", "name": str(outcome), "occurred_at": moment}
        for session, moment, outcome in zip(
            latest["session_id"].to_pylist(), latest["occurred_at_max"].to_pylist(), outcomes, strict=True
        )
    ]
    shuffled = pa.concat_tables([rest, pa.Table.from_pylist(added, schema=rest.schema)])
    block: Any = train_sign_ups(shuffled).result.evaluation
    bought = block["n_sessions"] / 3
    noise = 4 * (block["n_sessions"] / (12 * bought * (block["n_sessions"] - bought))) ** 0.5
    assert abs(block["session_weighted"]["auc"] - 0.5) < noise
    assert block["brier_skill"] < 0.02


def test_the_same_seed_gives_the_same_model_and_figures(train_sign_ups: "Train") -> None:
    runs = [train_sign_ups(seed=seed, trials=2) for seed in (3, 3, 4)]
    first, second, other = (run.result for run in runs)
    searched = [[trial.settings for trial in run.trials] for run in runs]
    assert searched[0] == searched[1] != searched[2]
    assert first.evaluation == second.evaluation != other.evaluation
    assert first.model.booster.model_to_string() == second.model.booster.model_to_string()
    assert first.model.calibrator == second.model.calibrator
    assert first.model.version != second.model.version


def test_a_model_is_calibrated_on_the_latest_training_sessions_where_that_helps(
    train_sign_ups: "Train", tmp_path: Path
) -> None:
    log = sign_ups(1_500, 1, returning=False)
    # From the 900th session on, nine of ten who would have signed up leave instead.
    turned = pc.and_(
        pc.and_(pc.greater(log["session_id"], "s00900"), pc.equal(log["name"], "sign_up")),
        pc.not_equal(pc.utf8_slice_codeunits(log["event_id"], 6), "0"),
    )
    names = pc.if_else(turned, "leave", log["name"])
    trained = train_sign_ups(log.set_column(log.column_names.index("name"), "name", names))
    model = trained.result.model
    assert model.calibrator.kind is CalibratorKind.PLATT
    metrics = connect(trained.mlruns).MlflowClient().get_run(model.card["run_id"]).data.metrics
    assert metrics["calibration.platt"] < metrics["calibration.identity"]
    held_out = pq.read_table(trained.log)
    held_out = held_out.filter(pc.greater_equal(held_out["session_id"], "s01125"))
    pq.write_table(held_out, tmp_path / "late.parquet")
    before, after = (
        evaluate_log(trained.journey, tmp_path / "late.parquet", chosen).evaluation
        for chosen in (replace(model, calibrator=Calibrator()), model)
    )
    # All but the few that were open when the log ended.
    assert after["log_loss"] == pytest.approx(trained.result.evaluation["log_loss"], rel=0.05)
    assert float(str(after["ece"])) < 0.05 < float(str(before["ece"]))
    # No worse than knowing the new base rate, as margins of other than the model's number of trees would make it.
    base_rate = float(str(after["base_rate"]))
    entropy = -base_rate * np.log(base_rate) - (1 - base_rate) * np.log(1 - base_rate)
    assert float(str(after["log_loss"])) < entropy + 0.02 < float(str(before["log_loss"]))


def test_of_too_many_sessions_whole_visitors_are_learnt_from_and_all_later_ones_are_evaluated(
    train_sign_ups: "Train",
) -> None:
    log = sign_ups(1_500, 1)
    whole, trained = train_sign_ups(log), train_sign_ups(log, sessions=1_000)
    data = trained.result.model.card["data"]
    # The next person in the order of the digests has no more than some twenty sessions.
    assert 980 <= data["sessions"] <= 1_000
    assert trained.result.sampled_share == pytest.approx(2 / 3, abs=0.1)
    assert data["training_sessions"] < whole.result.model.card["data"]["training_sessions"]
    visitors = pc.count_distinct(log["visitor_id"]).as_py()
    assert trained.result.summary.visitors == visitors  # what was read, not what was kept
    # Held out is every session of the log that began at the cut or later and whose end is known.
    starts = log.group_by("session_id").aggregate([("occurred_at", "min")])["occurred_at_min"]
    begun = pc.sum(pc.greater_equal(starts, pa.scalar(data["held_out_from_us"]).cast(starts.type))).as_py()
    block: Any = trained.result.evaluation
    assert begun - 20 <= block["n_sessions"] <= begun
    assert begun > 0.2 * 1_500
    assert train_sign_ups(log, sessions=1_000).result.evaluation == trained.result.evaluation
    other = train_sign_ups(log, seed=8, sessions=1_000).result.model.card["data"]
    assert other["events"] != data["events"]


# Refusals


def one_session(place: int, name: str) -> list[dict[str, Any]]:
    moments = (at(200 * place), at(200 * place + 10))
    return [
        {"event_id": f"{place}-{step}", "visitor_id": f"v{place}", "name": step, "occurred_at": moment / 1e6}
        for step, moment in zip(("page_view", name), moments, strict=True)
    ]


def write(path: Path, ends: list[str]) -> Path:
    lines = [line for place, name in enumerate(ends) for line in one_session(place, name)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (["sign_up", "leave"] * 9, "only 18 sessions have a known end and an event before it; a log needs at least 20"),
        (["leave"] * 60, "all the training sessions are abandoned; the log must hold more of both kinds"),
        (["sign_up"] * 60, "none of the training sessions are abandoned; the log must hold more of both kinds"),
        (["sign_up", "leave"] * 24 + ["leave"] * 16, "all the held-out sessions are abandoned"),
    ],
    ids=["few", "all abandoned", "none abandoned", "none to tell apart in the held-out"],
)
def test_a_log_without_enough_of_both_kinds_is_refused_in_one_line(
    ends: list[str], said: str, train_sign_ups: "Train", tmp_path: Path
) -> None:
    with pytest.raises(TooFewSessions, match=said) as refusal:
        train_sign_ups(write(tmp_path / "log.jsonl", ends))
    assert "\n" not in str(refusal.value)
    assert champion_version(tmp_path / "home", "signup") is None


def test_a_sample_without_enough_of_both_kinds_is_not_taken_for_the_log(
    train_sign_ups: "Train", tmp_path: Path
) -> None:
    said = r"^in the sample of (1\d|20) sessions, .*; draw a larger one with --sessions$"
    with pytest.raises(TooFewSessions, match=said):
        train_sign_ups(write(tmp_path / "log.jsonl", ["sign_up", "leave"] * 100), sessions=20)


def test_forty_sessions_of_both_kinds_are_enough(train_sign_ups: "Train", tmp_path: Path) -> None:
    result = train_sign_ups(write(tmp_path / "log.jsonl", ["sign_up", "leave"] * 20)).result
    assert (result.evaluation["n_sessions"], result.promoted) == (10, True)


def test_a_log_that_is_not_there_is_refused(train_sign_ups: "Train", tmp_path: Path) -> None:
    with pytest.raises(LogError, match="there is no log at"):
        train_sign_ups(tmp_path / "nowhere.parquet")


# The contest

Crown = Callable[[Path, RiskModel], None]


@pytest.fixture
def crown(tmp_path: Path) -> Crown:
    """Make a model the champion of a home, as version ``old``."""

    def crowning(home: Path, model: RiskModel) -> None:
        publish(home, "signup", "old", model.save)
        point_champion(home, "signup", "old")

    return crowning


def all_knowing(log: Path) -> RiskModel:
    """A model that has learnt the held-out sessions by heart."""
    journey = signup()
    plan = compile_plan(journey.table)
    with read_log(log, plan, timeout_seconds=TIMEOUT) as read:
        encoded = read.whole()
        ends = find_ends(plan, encoded, journey, read.summary.last_at_us)
    cutoffs = after_every_event(encoded, np.where(np.isnan(ends.outcome), 0, ends.usable))
    rows = Rows(build(plan, encoded, cutoffs), ends.outcome[cutoffs.session], cutoffs.after)
    settings = Settings(learning_rate=0.3, num_leaves=400, max_depth=20, min_data_in_leaf=1, lambda_l2=0.0)
    vocabulary = Vocabulary.learn(journey.table, rows.features)
    booster = fit(journey.table, vocabulary, rows, settings, seed=1, threads=1, trees=200)
    blockers = fit_blockers(journey.table, rows.features, rows.labels, seed=1)
    return RiskModel("signup", "old", journey.table, booster, Calibrator(), vocabulary, blockers)


def aliases(trained: "Trained") -> dict[str, str]:
    model = connect(trained.mlruns).MlflowClient().get_registered_model("dropoff-signup")
    return {name: str(version) for name, version in model.aliases.items()}


def test_a_better_model_takes_the_crown_and_a_worse_one_does_not(
    train_sign_ups: "Train", sign_up_log: Path, tmp_path: Path, crown: Crown
) -> None:
    home = tmp_path / "home"
    first = train_sign_ups()
    champion = first.result.model.version
    assert aliases(first) == {CHALLENGER: champion, CHAMPION: champion}

    crown(home, all_knowing(sign_up_log))
    beaten = train_sign_ups()
    assert not beaten.result.promoted
    assert beaten.result.promotion.startswith("challenger only: log loss ")
    assert "of version old on the same held-out sessions" in beaten.result.promotion
    assert champion_version(home, "signup") == "old"
    assert aliases(beaten) == {CHALLENGER: beaten.result.model.version, CHAMPION: champion}

    dull = replace(first.result.model, calibrator=Calibrator(CalibratorKind.PLATT, (0.0, 0.0)))
    crown(home, dull)
    better = train_sign_ups()
    assert better.result.promoted
    # The dull model says one half to everybody.
    assert f"against {np.log(2):.5f} of version old" in better.result.promotion
    assert champion_version(home, "signup") == better.result.model.version
    assert aliases(better) == dict.fromkeys((CHALLENGER, CHAMPION), better.result.model.version)


def test_the_same_model_again_takes_no_crown(train_sign_ups: "Train") -> None:
    first, again = train_sign_ups(), train_sign_ups()
    assert (first.result.promoted, again.result.promoted) == (True, False)
    assert champion_version(first.home, "signup") == first.result.model.version


def test_a_champion_of_another_table_is_replaced_whatever_its_figures(train_sign_ups: "Train") -> None:
    first = train_sign_ups()
    more = Feature("form_errors_ever", count("form_error", per="visitor"), Friction.NONE, "{:error|errors} ever")
    changed = signup(features=(*signup().features, more))
    second = train_sign_ups(journey=changed)
    assert second.result.promoted
    assert f"version {first.result.model.version} was trained on another feature table" in second.result.promotion
    assert champion_version(first.home, "signup") == second.result.model.version


@pytest.mark.parametrize("damage", ["missing folder", "missing file", "unreadable file"])
def test_a_champion_that_cannot_be_read_is_replaced(damage: str, train_sign_ups: "Train") -> None:
    first = train_sign_ups()
    folder = first.home / "models" / "signup" / first.result.model.version
    match damage:
        case "missing folder":
            folder.rename(folder.with_name("elsewhere"))
        case "missing file":
            (folder / "calibrator.json").unlink()
        case _:
            (folder / "model.txt").write_text("no model")
    second = train_sign_ups()
    assert second.result.promoted
    assert f"version {first.result.model.version} can no longer serve" in second.result.promotion
    assert champion_version(first.home, "signup") == second.result.model.version


def test_a_log_in_parts_trains_the_same_model(train_sign_ups: "Train", sign_up_log: Path, tmp_path: Path) -> None:
    log = pq.read_table(sign_up_log)
    parts = tmp_path / "parts"
    parts.mkdir()
    for place in range(3):
        some = pa.array(np.arange(place, log.num_rows, 3))
        pq.write_table(log.take(some), parts / f"{place}.parquet")
    whole, split = train_sign_ups(), train_sign_ups(parts)
    assert split.result.evaluation == whole.result.evaluation
    assert split.result.model.card["data"]["digest"] != whole.result.model.card["data"]["digest"]
