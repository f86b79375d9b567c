"""Walks as a log with the flaws of real ones: duplicates, late and unordered rows, ties, sign-ins in the middle."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.events import IntArray
from training.simulator.people import Visits
from training.simulator.properties import Column, Drawn, Words, json_text
from training.simulator.walk import Walks
from training.simulator.world import World

DUPLICATES = 0.01
LATE = 0.01


def to_events(world: World, visits: Visits, walks: Walks, first_session: int, rng: np.random.Generator) -> pa.Table:
    """Return the log in the canonical columns, in the order in which the rows were received."""
    session = np.repeat(np.arange(visits.session_count), np.diff(walks.starts))
    place = np.arange(len(session)) - walks.starts[session]
    since = np.cumsum(walks.gap_us)
    occurred = visits.started_us[session] + since - since[walks.starts[session]]
    late = rng.random(len(session)) < LATE
    delay = 150_000 + (1.5e6 * rng.random(len(session))).astype(np.int64)
    delay += np.where(late, 1e6 * np.exp(rng.normal(np.log(900.0), 1.2, len(session))), 0).astype(np.int64)
    session_ids = numbered("s", first_session + np.arange(visits.session_count), 9).take(pa.array(session))
    stamp = pa.timestamp("us", tz="UTC")
    table = pa.table(
        {
            "event_id": pc.binary_join_element_wise(session_ids, numbered("", place, 3), pa.scalar("-")),
            "session_id": session_ids,
            "visitor_id": numbered("v", visits.visitor, 9).take(pa.array(session)),
            "user_id": _users(world, visits, walks, session),
            "name": pa.array(world.names).take(pa.array(walks.code)),
            "occurred_at": pa.array(occurred).cast(stamp),
            "received_at": pa.array(occurred + delay).cast(stamp),
            "channel": pa.array([world.channels.get(name, world.channel) for name in world.names]).take(
                pa.array(walks.code)
            ),
            "device": pa.array([trait.name for trait in world.devices]).take(pa.array(visits.device[session])),
            "source": pa.array([trait.name for trait in world.sources]).take(pa.array(visits.source[session])),
            "campaign": _campaigns(world, visits).take(pa.array(session)),
            "properties": _properties(world, visits, walks, session),
        }
    )
    again = np.flatnonzero(rng.random(len(session)) < DUPLICATES)
    copies = table.take(pa.array(again))
    later = pa.array((occurred + delay)[again] + (60e6 * rng.random(len(again))).astype(np.int64)).cast(stamp)
    copies = copies.set_column(copies.schema.get_field_index("received_at"), "received_at", later)
    table = pa.concat_tables([table, copies])
    return table.take(pc.sort_indices(table["received_at"]))


def to_truth(world: World, visits: Visits, walks: Walks, p_convert: np.ndarray, first_session: int) -> pa.Table:
    """Return a row for each session: what was planted, what came of it, and its true probability at the start."""
    setting = visits.setting
    frictions = pa.array([None, *(obstacle.friction.name for obstacle in world.obstacles)], pa.string())
    last = walks.starts[1:] - 1
    return pa.table(
        {
            "session_id": numbered("s", first_session + np.arange(visits.session_count), 9),
            "visitor_id": numbered("v", visits.visitor, 9),
            "person": visits.person,
            "started_at": pa.array(visits.started_us).cast(pa.timestamp("us", tz="UTC")),
            "blocker": frictions.take(pa.array(setting.blocker)),
            "caused_exit": walks.caused_exit == 1,
            "p_convert": p_convert,
            "converted": walks.converted == 1,
            "intent": setting.intent,
            "kind": pa.array([kind.name for kind in world.kinds]).take(pa.array(setting.kind)),
            "after_policy_change": setting.changed == 1,
            "intervention": pa.array([None, *(remedy.name for remedy in world.remedies)]).take(
                pa.array(walks.remedy[last].astype(np.int64))
            ),
            "events": np.diff(walks.starts),
        }
    )


def _users(world: World, visits: Visits, walks: Walks, session: IntArray) -> pa.Array:
    """Who has signed in is known from then on, on that device."""
    if world.sign_in not in world.names:
        return pa.nulls(len(session), pa.string())
    entered = np.cumsum(walks.code == world.names.index(world.sign_in))
    first = np.searchsorted(visits.visitor, visits.visitor)
    start = walks.starts[first[session]]
    before = np.where(start > 0, entered[start - 1], 0)
    known = entered > before
    return pc.if_else(pa.array(known), numbered("u", visits.person, 8).take(pa.array(session)), None)


def _campaigns(world: World, visits: Visits) -> pa.Array:
    paid = np.array([trait.name in world.touchpoints for trait in world.sources])[visits.source]
    names = [f"{trait.name}-{number}" for trait in world.sources for number in range(4)]
    return pc.if_else(pa.array(paid), pa.array(names).take(pa.array(visits.source * 4 + visits.campaign)), None)


def _properties(world: World, visits: Visits, walks: Walks, session: IntArray) -> pa.Array:
    order = np.argsort(walks.code, kind="stable")
    bounds = np.searchsorted(walks.code[order], np.arange(len(world.names) + 1))
    countries = tuple(name for name, _share in world.countries)
    parts = []
    for code, name in enumerate(world.names):
        rows = order[bounds[code] : bounds[code + 1]]
        of_session = session[rows]
        drawn = Drawn(
            mark=walks.mark[rows].astype(np.int64),
            noise=walks.noise[rows],
            product=walks.product[rows].astype(np.int64),
            price=walks.price[rows],
            basket=walks.basket[rows],
            items=walks.items[rows],
            device=visits.device[of_session],
            campaign=visits.campaign[of_session],
            remedy=walks.remedy[rows].astype(np.int64),
            propensity=walks.propensity[rows],
        )
        columns: dict[str, Column] = {"country": Words(visits.country[of_session], countries)}
        columns |= {key: value(drawn) for key, value in world.properties.get(name, {}).items()}
        parts.append(json_text(columns, len(rows)))
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_arrays(parts).take(pa.array(back))


def numbered(prefix: str, numbers: IntArray, width: int) -> pa.Array:
    """Return ids: a prefix and the numbers, filled with zeros to so many digits."""
    digits = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, "0")
    return pc.binary_join_element_wise(pa.scalar(prefix), digits, pa.scalar("")) if prefix else digits
