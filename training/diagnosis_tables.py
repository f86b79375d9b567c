"""The tables of a measured diagnosis, as a terminal shows them."""

from collections.abc import Iterator, Mapping
from typing import Any

from journeys.tables import FittedTable

_WAYS = {
    "top1": "strongest planted friction, an abstention is wrong",
    "top1_forced": "the same, never abstaining",
    "top1_all": "the answer among all frictions",
    "majority": "rival: always the commonest blocker",
    "plain_shap_top1": "rival: plain SHAP by friction",
    "z_count_top1": "rival: z-scored traces by friction",
    "named": "something is named",
    "right_where_named": "right where something is named",
    "macro_auc": "mean AUC, one friction against the others",
}
_NOTES = {
    "truth_rows_repeated": "Rows of the truth that repeat others",
    "truth_sessions_not_in_log": "Sessions of the truth that are not in the log",
    "log_sessions_without_truth": "Sessions of the log that have no truth",
    "sessions_still_open": "Sessions that have no known end, or no event before it",
    "caused_exits_that_did_not_leave": "Sessions that a blocker ended, but that went on as the log tells; left out",
}


def diagnosis_tables(figures: Mapping[str, Any]) -> Iterator[FittedTable]:
    """Yield the tables of the block that ``training.evaluate_diagnosis`` returns."""
    end, decision = figures["session_end"], figures["decision_point"]
    yield FittedTable(
        f"Blockers against the truth: {figures['sessions_measured']:,} sessions ({figures['sessions']})",
        ("Share", "Session end", "Decision point"),
        [
            ("sessions that a blocker ended", f"{end['n']:,}", f"{decision['n']:,}"),
            *((words, _with_interval(end, name), _with_interval(decision, name)) for name, words in _WAYS.items()),
        ],
        numbers=("Session end", "Decision point"),
        whole=("Session end", "Decision point"),
    )
    yield FittedTable(
        "By true blocker, at the session's end",
        ("Blocker", "Sessions", "Named first", "Forced", "Answers"),
        [
            (
                name,
                f"{block['n']:,}",
                _share(block["top1"]),
                _share(block["top1_forced"]),
                ", ".join(f"{answer} {count:,}" for answer, count in block["answers"].items()),
            )
            for name, block in end["by_blocker"].items()
        ],
        numbers=("Sessions", "Named first", "Forced"),
    )
    yield FittedTable(
        "When only the surest answers are given",
        ("Coverage", "Session end", "Decision point"),
        [
            (f"{early['coverage']:.0%}", _share(early["accuracy"]), _share(late["accuracy"] if late else None))
            for early, late in _side_by_side(figures["abstention"])
        ],
        numbers=("Coverage", "Session end", "Decision point"),
    )
    yield FittedTable("Checks", ("Check", "Measured"), list(_checks(figures)), numbers=("Measured",))


def diagnosis_notes(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each kind of session that could not be measured, and what the decision point is."""
    for name, words in _NOTES.items():
        if figures[name]:
            yield f"{words}: {figures[name]:,}."
    decision = figures["decision_point"]
    yield (
        f"The decision point is {decision['definition']}; "
        f"{decision['never_reached']:,} sessions that a blocker ended never get there."
    )
    if "note" in figures:
        yield f"{figures['note']}."


def _checks(figures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield (
        "false blame at 80 % recall, abandoned sessions without a blocker",
        _with_interval(figures, "false_blame_at_80"),
    )
    yield "the same, all sessions without a blocker", _share(figures["false_blame_at_80_all"])
    yield "a blocker is named where none is planted (abandoned)", _share(figures["named_without_blocker"])
    for moment, words in (("session_end", "session end"), ("decision_point", "decision point")):
        calibration = figures["confidence"][moment]
        if calibration is not None:
            yield f"calibration error of the confidence, {words}", _share(calibration["ece"])
    stability, deletion = figures["stability"], figures["deletion"]
    if stability is not None:
        yield f"same first friction in {stability['refits']} refits on resampled people", _share(stability["agreement"])
        yield "first friction changed by an irrelevant event", _share(stability["irrelevant_event"]["changes"])
        yield "log-odds of risk less without the named traces", _share(deletion["named_drop"])
        yield "the same for random groups of as many features", _share(deletion["random_drop"])
        yield "sessions in which the named group lowers it more", _share(deletion["share_larger"])
        duplicated = figures["duplicated_feature"]
        yield "change of a friction's sum by a duplicated feature: mean", _share(duplicated["mean"])
        yield "the same: largest", _share(duplicated["max"])
        yield "share right when learnt from shuffled labels", _share(figures["shuffled_labels"]["top1"])


def _side_by_side(curves: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    late = {point["coverage"]: point for point in curves["decision_point"]}
    for early in curves["session_end"]:
        yield early, late.get(early["coverage"])


def _with_interval(block: Mapping[str, Any], name: str) -> str:
    interval = block.get("intervals", {}).get(name)
    spread = f" ({interval[0]:.3f}-{interval[1]:.3f})" if interval is not None else ""
    return f"{_share(block.get(name))}{spread}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
