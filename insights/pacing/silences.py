"""What a model says while people are silent: real rows of a sample of sessions, read at ever longer silences."""

import numpy as np
import pyarrow as pa

from decisions.assignment import uniform
from decisions.risk import RiskModel
from features.build import build, silent_after
from features.events import Cutoffs
from features.plan import TREATMENT_CODE
from insights.session_rows import SessionBatch
from journeys.ends import label_leaving, silence_seconds
from journeys.journey import Journey

Grid = tuple[float, ...]
"""Silences (s) after an action, ascending from 0."""

SAMPLED = 3_000
"""A session's actions are read with the probability of so many among all visitors, and a higher one at late stages."""
_PERIODS = (0.0, 1 / 12, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0)
_SCHEMA = pa.schema(
    [
        ("session", pa.int64()),
        ("place", pa.int32()),
        ("stage_index", pa.int16()),
        ("tick", pa.int16()),
        ("leaving_soon", pa.float32()),
        ("left_soon", pa.float32()),
    ]
)


def silence_grid(journey: Journey) -> Grid:
    """Return the silences at which a journey is looked at: from 5 s to 20 minutes where a shop foresees a minute."""
    periods = (journey.leaving_soon_within_seconds * period for period in _PERIODS)
    return tuple(silence for silence in periods if silence < journey.session_timeout_seconds)


def silence_rows(
    batch: SessionBatch, model: RiskModel | None, log_visitors: int, log_end_us: int, sampled: int = SAMPLED
) -> pa.Table:
    """Return a row for each action before the end of sampled sessions, and each silence of the grid it lasted.

    ``tick`` is the silence's place on the grid; ``leaving_soon`` the model's probability, null without a model that
    tells it; ``left_soon`` 1 or 0 as it came, null where nobody can know yet. A session's actions at stage ``k`` are
    read ``2**k`` times as probably as those at the first, so that late stages are seen. How it went on plays no part,
    so the actions at a stage stand for all there.
    """
    log, usable = batch.log, batch.ends.usable
    session = np.repeat(np.arange(log.session_count), usable)
    after = np.arange(len(session)) - np.repeat(np.cumsum(usable) - usable, usable) + 1
    actions = Cutoffs(session, after, log.at_us[log.starts[session] + after - 1])
    event = log.starts[session] + after - 1
    drawn = np.array([uniform("silences", one) for one in log.session_ids], np.float64)
    chance = sampled / log_visitors * 2.0 ** np.maximum(batch.stage_after[event], 0)
    # What was shown to somebody is nothing that they did.
    actions = actions.take((drawn[session] < chance) & (log.codes[event] != TREATMENT_CODE))
    hazard = model.hazard if model else None
    parts = [_SCHEMA.empty_table()]
    for tick, seconds in enumerate(silence_grid(batch.journey)):
        cutoffs = silent_after(log, actions, seconds, log_end_us) if seconds else actions
        if not len(cutoffs):
            break
        left = label_leaving(
            batch.ends, cutoffs, batch.journey.leaving_soon_within_seconds, silence_seconds(batch.journey), log_end_us
        )
        soon = np.full(len(cutoffs), np.nan)
        if model and hazard:
            rows = build(batch.plan, log, cutoffs)
            soon = hazard.predict(model.vocabulary.apply(rows), np.full(len(cutoffs), seconds))
        stage = batch.stage_after[log.starts[cutoffs.session] + cutoffs.after - 1]
        parts.append(
            pa.table(
                {
                    "session": pa.array(batch.keys[cutoffs.session]),
                    "place": pa.array((cutoffs.after - 1).astype(np.int32)),
                    "stage_index": pa.array(stage.astype(np.int16)),
                    "tick": pa.array(np.full(len(cutoffs), tick, np.int16)),
                    "leaving_soon": pa.array(soon.astype(np.float32), from_pandas=True),
                    "left_soon": pa.array(left.astype(np.float32), from_pandas=True),
                },
                schema=_SCHEMA,
            )
        )
    return pa.concat_tables(parts)
