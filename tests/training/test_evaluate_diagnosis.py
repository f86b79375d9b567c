"""The diagnosis of a small simulated shop against its planted blockers, and of a log with a truth of one's own."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from decisions.diagnosis import NOTHING, diagnose
from decisions.risk import RiskModel
from journeys.journey import Journey
from training.diagnosed import diagnose_rows
from training.diagnosis_picture import draw_diagnosis
from training.diagnosis_tables import diagnosis_notes, diagnosis_tables
from training.evaluate_diagnosis import evaluate_diagnosis
from training.truth import TruthError, read_truth

if TYPE_CHECKING:
    from conftest import Trained

pytestmark = [
    pytest.mark.xdist_group("training"),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]

PLANTED = {"payment", "information", "shipping", "trust"}
FIGURES = {
    "n",
    "top1",
    "top1_forced",
    "top1_all",
    "macro_auc",
    "majority",
    "plain_shap_top1",
    "z_count_top1",
    "intervals",
}


COUNTS = {
    "sessions_measured",
    "truth_rows_repeated",
    "truth_sessions_not_in_log",
    "log_sessions_without_truth",
    "sessions_still_open",
    "caused_exits_that_did_not_leave",
}


def evaluate(journey: Journey, log: Path, model: RiskModel, truth: Path, refits: int = 2) -> Any:
    known = read_truth(truth, journey.frictions, journey.name)
    return evaluate_diagnosis(journey, log, model, known, refits=refits, resamples=20)


@pytest.fixture(scope="module")
def truth(trained: "Trained") -> Path:
    return trained.log.parent / "truth.parquet"


@pytest.fixture(scope="module")
def block(trained: "Trained", truth: Path) -> Any:
    return evaluate(trained.journey, trained.log, trained.result.model, truth)


@pytest.fixture(scope="module")
def whole(trained: "Trained", truth: Path) -> Any:
    """The same of every session, as if the model had been trained elsewhere."""
    model = trained.result.model
    return evaluate(trained.journey, trained.log, replace(model, card={}), truth, refits=0)


def test_all_that_is_promised_is_measured_and_can_be_written(block: Any) -> None:
    assert set(block["planted"]) == PLANTED
    for moment in ("session_end", "decision_point"):
        assert set(block[moment]) >= FIGURES
        assert set(block[moment]["by_blocker"]) == PLANTED
        assert len(block["abstention"][moment]) == 10
        assert block["abstention"][moment][-1]["accuracy"] == pytest.approx(block[moment]["top1_forced"])
    assert block["stability"]["refits"] == 2
    assert set(block) >= {"false_blame_at_80", "false_blame_at_80_all", "deletion", "duplicated_feature"}
    assert json.loads(json.dumps(block, allow_nan=False)) == block


def test_the_guide_names_every_figure(block: Any) -> None:
    text = (Path(__file__).parents[2] / "docs" / "diagnosis.md").read_text(encoding="utf-8")
    names = {*block, *block["session_end"], *block["decision_point"], *block["stability"], *block["deletion"]} - COUNTS
    assert {name for name in names if f"`{name}`" not in text and not name.startswith("false_blame_at_80_")} == set()


def test_the_sessions_are_those_that_a_planted_blocker_ended(trained: "Trained", truth: Path, whole: Any) -> None:
    ended = duckdb.sql(
        f"""
        WITH event AS (SELECT DISTINCT ON (event_id) * FROM '{trained.log}/*.parquet' ORDER BY event_id, received_at),
        session AS (
            SELECT session_id, max(occurred_at) AS latest, bool_or(name IN (
                'add_to_cart', 'view_cart', 'begin_checkout', 'edit_field', 'submit_address', 'view_payment',
                'choose_payment_method', 'submit_payment')) AS got_there
            FROM event GROUP BY ALL
        )
        SELECT lower(blocker) AS blocker, got_there, count(*) AS n FROM session JOIN '{truth}' USING (session_id)
        WHERE caused_exit AND latest + INTERVAL {int(trained.journey.session_timeout_seconds)} SECOND
            <= (SELECT max(occurred_at) FROM event)
        GROUP BY ALL
        """
    ).fetchall()
    counts = {friction: sum(n for name, _, n in ended if name == friction) for friction in PLANTED}
    end, decision = whole["session_end"], whole["decision_point"]
    assert {name: part["n"] for name, part in end["by_blocker"].items()} == counts
    assert end["majority"] == pytest.approx(max(counts.values()) / sum(counts.values()))
    assert decision["n"] == sum(n for _, got_there, n in ended if got_there)
    assert decision["never_reached"] == sum(n for _, got_there, n in ended if not got_there)
    assert whole["sessions"] == "all"


def test_of_the_log_of_its_training_only_later_sessions_are_measured(block: Any, whole: Any) -> None:
    assert (block["sessions"], whole["sessions"]) == ("held out", "all")
    assert block["sessions_measured"] == pytest.approx(whole["sessions_measured"] / 4, rel=0.05)


def test_the_diagnosis_beats_its_rivals_where_there_are_sessions_enough(whole: Any) -> None:
    end, decision = whole["session_end"], whole["decision_point"]
    assert end["top1_forced"] > end["majority"]
    assert end["macro_auc"] > 0.65
    # Four standard deviations of a share of so many sessions.
    for moment in (end, decision):
        assert moment["top1_forced"] > moment["plain_shap_top1"] - 4 * 0.5 / moment["n"] ** 0.5
    assert whole["false_blame_at_80"] < 0.8


def test_what_is_learnt_from_shuffled_labels_names_nothing_above_chance(block: Any) -> None:
    shuffled = block["shuffled_labels"]
    noise = 3 * (shuffled["majority"] * (1 - shuffled["majority"]) / shuffled["n"]) ** 0.5
    assert shuffled["top1"] <= shuffled["majority"] + noise


def test_the_product_is_asked_row_by_row_what_it_would_say(trained: "Trained") -> None:
    model = trained.result.model
    rows = np.random.default_rng(1).permutation(np.unique(_rows(trained), axis=0))[:200]
    found = diagnose_rows(model, rows)
    contributions = model.explain(rows).contributions
    for place, row in enumerate(rows):
        said = diagnose(model.table, model.blockers, row, row, contributions[place])
        named = NOTHING if said.abstained else model.table.frictions.index(said.blockers[0].friction)
        assert found.named[place] == named
    assert (found.named == NOTHING).any()
    assert (found.named != NOTHING).any()


def _rows(trained: "Trained") -> np.ndarray:
    from features.build import build
    from features.plan import compile_plan
    from features.read_log import read_log
    from training.cutoffs import after_every_event

    plan = compile_plan(trained.journey.table)
    with read_log(trained.log, plan, timeout_seconds=1_800.0) as read:
        log = read.whole()
    return build(plan, log, after_every_event(log, np.diff(log.starts)))


# A truth of one's own


def test_sessions_without_a_partner_and_contradictions_are_counted(
    trained: "Trained", truth: Path, tmp_path: Path
) -> None:
    rows = pq.read_table(truth).select(["session_id", "blocker", "caused_exit", "converted"]).to_pylist()
    stays = [row for row in rows if row["converted"]][:3]
    lines = [row for row in rows if row["caused_exit"]][:400] + [
        row for row in rows if not (row["blocker"] or row["converted"])
    ][:100]
    lines += [{"session_id": "elsewhere", "blocker": None, "caused_exit": False}] * 2
    lines += [{**row, "blocker": "trust", "caused_exit": True} for row in stays]
    own = tmp_path / "own.csv"
    own.write_text(
        "caused_exit,session_id,blocker\n"
        + "".join(f"{int(row['caused_exit'])},{row['session_id']},{row['blocker'] or ''}\n" for row in lines)
    )
    found = evaluate(trained.journey, trained.log, replace(trained.result.model, card={}), own, refits=0)
    assert (found["truth_rows_repeated"], found["truth_sessions_not_in_log"]) == (1, 1)
    assert found["caused_exits_that_did_not_leave"] == len(stays)
    assert found["log_sessions_without_truth"] == 3_000 - len(lines) + 2
    notes = list(diagnosis_notes(found))
    assert "Sessions of the truth that are not in the log: 1." in notes
    assert any("right after the event that first enters the stage 'cart'" in note for note in notes)
    assert found["stability"]["agreement"] is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("elsewhere,trust,1", "knows no session of the log: it has for example 'elsewhere', the log 's0"),
        ("s000000001,,0", "names no blocker that ended a session that can be measured; it needs at least one"),
    ],
    ids=["another log", "no blocker"],
)
def test_a_truth_that_says_nothing_about_the_log_is_refused(
    line: str, said: str, trained: "Trained", tmp_path: Path
) -> None:
    path = tmp_path / "truth.csv"
    path.write_text(f"session_id,blocker,caused_exit\n{line}\n")
    with pytest.raises(TruthError, match=said):
        evaluate(trained.journey, trained.log, trained.result.model, path)


# What people see


def test_the_tables_and_the_picture_show_every_share(block: Any, tmp_path: Path) -> None:
    tables = {table.title: table for table in diagnosis_tables(block)}
    [main] = [table for title, table in tables.items() if title.startswith("Blockers against the truth")]
    cells = {str(row[0]): str(row[1]) for row in main.rows}
    low, high = block["session_end"]["intervals"]["top1"]
    assert cells["strongest planted friction, an abstention is wrong"] == (
        f"{block['session_end']['top1']:.3f} ({low:.3f}-{high:.3f})"
    )
    checks = {str(row[0]): str(row[1]) for row in tables["Checks"].rows}
    assert checks["first friction changed by an irrelevant event"] == (
        f"{block['stability']['irrelevant_event']['changes']:.3f}"
    )
    draw_diagnosis(block, tmp_path / "diagnosis.png", "A shop")
    with Image.open(tmp_path / "diagnosis.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    assert pixels.shape == (1080, 1440)
    # Each of the four panels holds something.
    for part in (pixels[:540, :720], pixels[:540, 720:], pixels[540:, :720], pixels[540:, 720:]):
        assert (part < 200).mean() > 0.01


def test_a_journey_of_two_stages_and_a_short_log_are_measured_as_far_as_they_go(block: Any, tmp_path: Path) -> None:
    nobody = {"n": 0, "n_visitors": 0, "never_reached": 9, "definition": "this journey has fewer than three stages"}
    nobody |= dict.fromkeys(("top1", "top1_forced", "top1_all", "majority", "plain_shap_top1", "z_count_top1", "named"))
    short = {
        **block,
        "decision_point": {**nobody, "right_where_named": None, "macro_auc": None},
        "abstention": {**block["abstention"], "decision_point": []},
        "stability": None,
        "deletion": None,
        "note": "nothing could be learnt anew from this log: too short",
    }
    assert [table.title for table in diagnosis_tables(short)][-1] == "Checks"
    assert "nothing could be learnt anew from this log: too short." in list(diagnosis_notes(short))
    draw_diagnosis(short, tmp_path / "short.png", "A short log")
    assert (tmp_path / "short.png").stat().st_size > 10_000
