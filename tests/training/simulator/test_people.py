"""Who visits: how many, in which order, from where, and what is planted."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from small_world import SMALL, WORLDS, close_to

from training.simulator.people import (
    DAY_SECONDS,
    MOST_VISITS,
    OTHER_DEVICE,
    Visits,
    blocker_prior,
    draw_visits,
)
from training.simulator.simulate import CHUNK_SESSIONS, draw
from training.simulator.world import World

START_US = 1_772_409_600_000_000
DAY_US = 86_400_000_000


def visits_of(world: World = SMALL, sessions: int = 20_000, days: float = 28.0, seed: int = 1) -> Visits:
    return draw_visits(
        world,
        sessions,
        start_us=START_US,
        days=days,
        change_us=START_US + round(days / 2) * DAY_US,
        first_person=1_000,
        rng=np.random.default_rng(seed),
    )


@pytest.fixture(scope="module")
def visits() -> Visits:
    return visits_of()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.sampled_from((0.5, 1.0, 28.0)), st.integers(0, 2**32))
def test_exactly_so_many_sessions_are_drawn_within_the_days(sessions: int, days: float, seed: int) -> None:
    drawn = visits_of(sessions=sessions, days=days, seed=seed)
    assert drawn.session_count == sessions
    fields = (drawn.person, drawn.started_us, drawn.device, drawn.source, drawn.country, drawn.campaign)
    assert {len(field) for field in (*fields, drawn.blocker_prior, *drawn.setting)} == {sessions}
    assert drawn.started_us.min() >= START_US
    assert drawn.started_us.max() < START_US + days * DAY_US


def test_sessions_stand_together_by_visitor_in_order_of_time(visits: Visits) -> None:
    assert (np.diff(visits.visitor) >= 0).all()
    same = visits.visitor[1:] == visits.visitor[:-1]
    assert same.sum() > 1_000
    assert (np.diff(visits.started_us)[same] > 0).all()


def test_a_person_comes_back_after_hours_and_as_often_as_declared() -> None:
    # A log so long that hardly anybody's next visit falls behind its end.
    drawn = visits_of(days=3_000.0)
    per_person = np.unique(drawn.person, return_counts=True)[1]
    assert per_person.max() <= MOST_VISITS
    for visit in range(1, 5):
        had = per_person >= visit
        assert close_to(per_person[had] > visit, SMALL.calendar.returns), visit
    order = np.lexsort((drawn.started_us, drawn.person))
    same = np.diff(drawn.person[order]) == 0
    assert np.diff(drawn.started_us[order])[same].min() >= SMALL.calendar.least_absence_seconds * 1e6


def test_another_device_is_another_visitor_of_the_same_person(visits: Visits) -> None:
    order = np.lexsort((visits.started_us, visits.person))
    first = np.ones(visits.session_count, np.bool_)
    first[1:] = np.diff(visits.person[order]) != 0
    moved = visits.visitor[order] % 2 == 1
    assert not moved[first].any()
    assert close_to(moved[~first], OTHER_DEVICE)
    # Each visitor id has one device, and a person's two ids have two.
    devices: dict[int, set[int]] = {}
    for visitor, device in zip(visits.visitor.tolist(), visits.device.tolist(), strict=True):
        devices.setdefault(visitor, set()).add(device)
    assert all(len(seen) == 1 for seen in devices.values())
    both = [visitor for visitor in devices if visitor % 2 == 1 and visitor - 1 in devices]
    assert len(both) > 100
    assert all(devices[visitor] != devices[visitor - 1] for visitor in both)


def test_a_person_keeps_intent_kind_and_country_but_not_the_blocker(visits: Visits) -> None:
    keys, first = np.unique(visits.person, return_index=True)
    at = np.searchsorted(keys, visits.person)
    for field in (visits.setting.intent, visits.setting.kind, visits.country):
        np.testing.assert_array_equal(field, field[first][at])
    assert (visits.setting.blocker != visits.setting.blocker[first][at]).any()
    assert abs(visits.setting.intent[first].mean()) < 4.5 / np.sqrt(len(first))
    assert abs(visits.setting.intent[first].std() - 1) < 4.5 / np.sqrt(2 * len(first))


def test_traits_come_in_their_declared_shares(visits: Visits) -> None:
    people = np.unique(visits.person, return_index=True)[1]
    unmoved = visits.visitor % 2 == 0
    for index, trait in enumerate(SMALL.sources):
        assert close_to(visits.source == index, trait.share)
    for index, kind in enumerate(SMALL.kinds):
        assert close_to(visits.setting.kind[people] == index, kind.share)
    for index, (_name, share) in enumerate(SMALL.countries):
        assert close_to(visits.country[people] == index, share)
    own = np.unique(visits.person[unmoved], return_index=True)[1]
    for index, trait in enumerate(SMALL.devices):
        assert close_to(visits.device[unmoved][own] == index, trait.share)


def test_hours_come_in_their_declared_weights() -> None:
    # First visits alone; later ones come whenever the person is back.
    drawn = visits_of(days=3_000.0)
    order = np.lexsort((drawn.started_us, drawn.person))
    first = order[np.unique(drawn.person[order], return_index=True)[1]]
    hour = (drawn.started_us[first] - START_US) // 3_600_000_000 % 24
    for number, weight in enumerate(np.array(SMALL.calendar.hours) / sum(SMALL.calendar.hours)):
        assert close_to(hour == number, weight), number


def test_the_context_adds_up_its_traits_and_counts_the_visits_of_the_id(visits: Visits) -> None:
    seen = np.zeros(visits.session_count, np.int64)
    seen[1:] = np.diff(visits.visitor) == 0
    device, source = visits.device, visits.source
    advance = np.array(
        [SMALL.devices[d].advance + SMALL.sources[s].advance for d, s in zip(device, source, strict=True)]
    )
    np.testing.assert_allclose(visits.setting.advance, advance + 0.4 * seen, atol=1e-12)
    np.testing.assert_allclose(visits.setting.leave, np.where(device == 1, 0.3, 0.0), atol=1e-12)


def test_who_comes_from_a_campaign_starts_with_its_touchpoints(visits: Visits) -> None:
    page, opened, clicked = (SMALL.names.index(name) for name in ("page", "email_open", "email_click"))
    expected = np.where(visits.source[:, None] == 1, [opened, clicked, page], [page, -1, -1])
    np.testing.assert_array_equal(visits.setting.openings, expected)


def test_the_policy_changes_for_those_who_start_after_it(visits: Visits) -> None:
    np.testing.assert_array_equal(visits.setting.changed, visits.started_us >= START_US + 14 * DAY_US)
    assert 0.3 < visits.setting.changed.mean() < 0.7


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_the_blocker_prior_is_a_distribution_for_every_context(world: World) -> None:
    device, source = (grid.ravel() for grid in np.indices((len(world.devices), len(world.sources))))
    prior = blocker_prior(world, device, source)
    assert prior.shape == (len(device), 1 + len(world.obstacles))
    assert (prior > 0).all()
    np.testing.assert_allclose(prior.sum(axis=1), 1.0, atol=1e-12)


def test_a_trait_multiplies_the_odds_of_its_blocker_against_none() -> None:
    device, source = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    prior = blocker_prior(SMALL, device, source)
    # None .5, price .3, payment .2; small devices double the price, e-mail multiplies the payment by 1.5.
    odds = (prior / prior[:, :1]).tolist()
    assert odds[0] == pytest.approx([1, 0.6, 0.4])
    assert odds[1] == pytest.approx([1, 1.2, 0.4])
    assert odds[2] == pytest.approx([1, 0.6, 0.6])
    assert odds[3] == pytest.approx([1, 1.2, 0.6])


def test_blockers_are_drawn_from_the_prior_that_is_handed_on(visits: Visits) -> None:
    for blocker in range(visits.blocker_prior.shape[1]):
        assert close_to(visits.setting.blocker == blocker, visits.blocker_prior[:, blocker]), blocker


def test_chunks_share_no_person_and_number_on() -> None:
    chunks = list(draw(SMALL, sessions=CHUNK_SESSIONS + 500, seed=3))
    assert [(chunk.first_session, chunk.visits.session_count) for chunk in chunks] == [
        (0, CHUNK_SESSIONS),
        (CHUNK_SESSIONS, 500),
    ]
    assert chunks[0].visits.person.max() < chunks[1].visits.person.min()
    assert chunks[0].visits.visitor.max() < chunks[1].visits.visitor.min()
    starts = [chunk.visits.started_us for chunk in chunks]
    assert max(part.max() for part in starts) - min(part.min() for part in starts) <= 28 * DAY_SECONDS * 1e6
