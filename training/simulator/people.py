"""Who visits, when, from where, and what is planted: everything about sessions before they start."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.events import US_PER_SECOND, FloatArray, IntArray
from training.simulator.rules import shares
from training.simulator.walk import Setting
from training.simulator.world import Calendar, Trait, World

DAY_SECONDS = 86_400.0
OTHER_DEVICE = 0.12
"""Probability that a later visit comes from another device, under another visitor id."""
MOST_VISITS = 8


@dataclass(frozen=True)
class Visits:
    """S sessions, ordered by visitor and time."""

    visitor: IntArray
    """(S,) a number for each visitor id."""
    person: IntArray
    """(S,) the same person on another device has another visitor id."""
    started_us: IntArray
    device: IntArray
    source: IntArray
    country: IntArray
    """(S,) indices into the world's devices, sources and countries."""
    campaign: IntArray
    blocker_prior: FloatArray
    """(S, B) with "none" first."""
    setting: Setting

    @property
    def session_count(self) -> int:
        """Number of sessions."""
        return len(self.visitor)


def draw_visits(
    world: World,
    sessions: int,
    *,
    start_us: int,
    days: float,
    change_us: int,
    first_person: int,
    rng: np.random.Generator,
) -> Visits:
    """Return exactly so many sessions of as many people as that takes; the policy changes at ``change_us``."""
    person, visit, at_us = _arrivals(world.calendar, sessions, start_us, days, rng)
    people = int(person.max()) + 1
    own_device = rng.choice(len(world.devices), people, p=_shares(world.devices))
    moved = (visit > 0) & (rng.random(sessions) < OTHER_DEVICE)
    device = np.where(moved, (own_device[person] + 1) % len(world.devices), own_device[person])
    order = np.lexsort((at_us, moved, person))
    person, visit, at_us, device, moved = person[order], visit[order], at_us[order], device[order], moved[order]
    visitor = (person + first_person) * 2 + moved
    kind = rng.choice(len(world.kinds), people, p=[kind.share for kind in world.kinds])[person]
    source = rng.choice(len(world.sources), sessions, p=_shares(world.sources))
    intent = rng.standard_normal(people)[person]
    country = rng.choice(len(world.countries), people, p=[share for _name, share in world.countries])[person]
    # How often a visitor id has been seen is visible; whose it is, is not.
    seen = np.arange(sessions) - np.searchsorted(visitor, visitor)
    traits = (
        (world.devices, device),
        (world.sources, source),
        (world.visits, np.minimum(seen, len(world.visits) - 1)),
    )
    prior = blocker_prior(world, device, source)
    blocker = (rng.random(sessions)[:, None] > np.cumsum(prior, axis=1)).sum(axis=1)
    return Visits(
        visitor=visitor,
        person=person + first_person,
        started_us=at_us,
        device=device,
        source=source,
        country=country,
        campaign=rng.integers(0, 4, sessions),
        blocker_prior=prior,
        setting=Setting(
            intent=intent,
            kind=kind.astype(np.int64),
            blocker=np.minimum(blocker, prior.shape[1] - 1).astype(np.int64),
            changed=(at_us >= change_us).astype(np.int64),
            leave=_added([(np.array([trait.leave for trait in chosen]), index) for chosen, index in traits]),
            advance=_added([(np.array([trait.advance for trait in chosen]), index) for chosen, index in traits]),
            openings=_openings(world, source),
        ),
    )


def blocker_prior(world: World, device: IntArray, source: IntArray) -> FloatArray:
    """Return the probability of each blocker (S, B) from what is visible; "none" first."""
    base = np.array([1.0 - sum(o.share for o in world.obstacles), *(o.share for o in world.obstacles)])

    def factors(traits: tuple[Trait, ...]) -> FloatArray:
        return np.array([[1.0, *(trait.blockers.get(o.friction, 1.0) for o in world.obstacles)] for trait in traits])

    return shares(base * factors(world.devices)[device] * factors(world.sources)[source])


def _arrivals(
    calendar: Calendar, sessions: int, start_us: int, days: float, rng: np.random.Generator
) -> tuple[IntArray, IntArray, IntArray]:
    """Return person, visit and start of each session, ordered by person; visits after the log's end do not happen."""
    hours = shares(np.array(calendar.hours))
    people: list[IntArray] = []
    visits: list[IntArray] = []
    starts: list[FloatArray] = []
    found, next_person = 0, 0
    while found < sessions:
        batch = sessions - found + 64
        first = np.floor(rng.random(batch) * days) * DAY_SECONDS + rng.choice(24, batch, p=hours) * 3_600.0
        at = first + rng.random(batch) * 3_600.0
        alive = np.arange(batch)
        parts = []
        for visit in range(MOST_VISITS):
            inside = at[alive] < days * DAY_SECONDS
            alive = alive[inside]
            parts.append((alive, np.full(len(alive), visit), at[alive].copy()))
            alive = alive[rng.random(len(alive)) < calendar.returns]
            longer = np.exp(rng.normal(np.log(calendar.absence_seconds), 1.0, len(alive)))
            at[alive] += calendar.least_absence_seconds + longer
        people.append(np.concatenate([part[0] for part in parts]) + next_person)
        visits.append(np.concatenate([part[1] for part in parts]))
        starts.append(np.concatenate([part[2] for part in parts]))
        found += len(people[-1])
        next_person += batch
    of_person, of_visit, at = np.concatenate(people), np.concatenate(visits), np.concatenate(starts)
    order = np.lexsort((of_visit, of_person))[:sessions]
    at_us = start_us + np.round(at[order] * 1e3).astype(np.int64) * (US_PER_SECOND // 1000)
    return of_person[order], of_visit[order], at_us


def _openings(world: World, source: IntArray) -> IntArray:
    codes = {name: code for code, name in enumerate(world.names)}
    first = world.places[0].entry[0]
    openings = np.full((len(world.sources), 1 + max(map(len, world.touchpoints.values()), default=0)), -1, np.int64)
    for index, trait in enumerate(world.sources):
        names = (*world.touchpoints.get(trait.name, ()), first)
        openings[index, : len(names)] = [codes[name] for name in names]
    chosen: IntArray = openings[source]
    return chosen


def _added(parts: list[tuple[FloatArray, NDArray[np.int64]]]) -> FloatArray:
    total: FloatArray = np.sum([values[index] for values, index in parts], axis=0)
    return total


def _shares(traits: tuple[Trait, ...]) -> list[float]:
    return [trait.share for trait in traits]
