"""A table of plain traces, and blockers whose numbers can be worked out by hand."""

import numpy as np

from decisions.blockers import EXPOSURE_TERMS, BlockerModel, Usual
from features.friction import Friction
from features.scan import any_event, count, stage
from features.table import Feature, FeatureTable, Stage

CONTEXT = (
    Feature("stage_index", stage, Friction.NONE, "at stage {:.0f}"),
    Feature("events_seen", count(any_event), Friction.NONE, "{:event|events} so far"),
)
AT_STAGE, EVENTS = 0.0, 4.0


def table_of(*frictions: Friction, less_is_worse: tuple[int, ...] = ()) -> FeatureTable:
    features = tuple(
        Feature(f"f{place}", count("a"), friction, "{:sign|signs}", less_is_worse=place in less_is_worse)
        for place, friction in enumerate(frictions)
    )
    return FeatureTable(("a",), (Stage("one", "a"),), (*CONTEXT, *features))


def row_of(*values: float) -> np.ndarray:
    return np.array([AT_STAGE, EVENTS, *values])


def counting(
    table: FeatureTable,
    usual: float = 1.0,
    *,
    factor: float = 3.0,
    counts: bool = True,
    presence: list[float] | None = None,
    leaving: list[float] | None = None,
) -> BlockerModel:
    """Everything is usual ``usual`` times, and ``factor`` times that where its friction stops the visitor.

    Half of the visitors are stopped, by each friction alike, and leave twice as often.
    """
    traces, frictions = len(table.traces), len(table.frictions)
    coefficients = np.zeros((2, EXPOSURE_TERMS, traces))
    coefficients[:, 0] = usual
    plain = Usual(np.full(traces, counts), coefficients, np.full(traces, 0.01), np.ones(traces))
    shares = presence or [0.5, *[0.5 / frictions] * frictions]
    odds = leaving or [0.1, *[0.2] * frictions]
    return BlockerModel(
        plain,
        np.full(traces, 1.0 if counts else 0.0),
        np.full(traces, np.log(factor) if counts else factor),
        np.ones(traces),
        np.tile(shares, (2, 1)),
        np.tile(odds, (2, 1)),
    )
