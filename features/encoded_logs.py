"""Encoded logs put together, and parts taken of them."""

from collections.abc import Callable

import numpy as np

from features.events import EncodedLog
from features.person_histories import join_histories
from features.table import CONTEXT_COLUMNS


def concatenate(logs: list[EncodedLog], column_count: int) -> EncodedLog:
    """Return several batches as one log, without details."""
    empty = np.array([], object)
    offsets = np.cumsum([0, *(log.event_count for log in logs)])
    starts = [log.starts[:-1] + offset for log, offset in zip(logs, offsets, strict=False)]
    return EncodedLog(
        session_ids=np.concatenate([empty, *(log.session_ids for log in logs)]),
        visitor_ids=np.concatenate([empty, *(log.visitor_ids for log in logs)]),
        user_ids=np.concatenate([empty, *(log.user_ids for log in logs)]),
        starts=np.concatenate([*starts, offsets[-1:]]).astype(np.int64),
        at_us=np.concatenate([np.array([], np.int64), *(log.at_us for log in logs)]),
        codes=np.concatenate([np.array([], np.int32), *(log.codes for log in logs)]),
        values=np.concatenate([np.empty((0, column_count)), *(log.values for log in logs)]),
        event_ids=np.concatenate([empty, *(log.event_ids for log in logs)]),
        context={column: np.concatenate([empty, *(log.context[column] for log in logs)]) for column in CONTEXT_COLUMNS},
        person_ids=np.concatenate([empty, *(log.persons for log in logs)]),
        histories=join_histories(
            [
                log.histories.shift(before)
                for log, before in zip(logs, np.cumsum([0, *(log.session_count for log in logs)]), strict=False)
                if log.histories is not None
            ]
        ),
    )


def keep_persons(log: EncodedLog, keeps: Callable[[str], bool]) -> EncodedLog:
    """Return the sessions of the persons that ``keeps`` keeps, by the id of one of their visitors, without details."""
    chosen = np.array([keeps(person_id) for person_id in log.persons], np.bool_)
    lengths = np.diff(log.starts)
    events = np.repeat(chosen, lengths)
    return EncodedLog(
        session_ids=log.session_ids[chosen],
        visitor_ids=log.visitor_ids[chosen],
        user_ids=log.user_ids[chosen],
        starts=np.concatenate(([0], np.cumsum(lengths[chosen]))),
        at_us=log.at_us[events],
        codes=log.codes[events],
        values=log.values[events],
        event_ids=log.event_ids[events],
        context={name: column[chosen] for name, column in log.context.items()},
        person_ids=log.persons[chosen],
        histories=None if log.histories is None else log.histories.keep(chosen),
    )
