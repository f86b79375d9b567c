"""The split goes forward in time, shares nobody, and trains only on what was over when the held-out sessions began."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from made_logs import TIMEOUT, Visit, at, encode, signup

from features.events import EncodedLog
from features.plan import compile_plan
from journeys.ends import SessionEnds, find_ends
from training.split import Split, TooFewSessions, forward_split, persons

JOURNEY = signup()
PLAN = compile_plan(JOURNEY.table)
MUCH_LATER = 1_000_000.0


def read(visits: list[Visit], log_end: float = MUCH_LATER) -> tuple[EncodedLog, SessionEnds]:
    log = encode(JOURNEY, visits)
    return log, find_ends(PLAN, log, JOURNEY, at(log_end))


def split_of(visits: list[Visit], log_end: float = MUCH_LATER, horizon: float | None = None) -> Split:
    return forward_split(*read(visits, log_end), horizon)


def apart(count: int, seconds: float = 100.0) -> list[Visit]:
    """Short sessions of different people, evenly apart; every other one reaches the goal."""
    return [
        Visit(
            [(place * seconds, "page_view"), (place * seconds + 10, "sign_up" if place % 2 else "leave")],
            f"v{place:03}",
        )
        for place in range(count)
    ]


def numbers(chosen: np.ndarray) -> list[int]:
    return np.flatnonzero(chosen).tolist()


def test_the_latest_quarter_is_held_out_and_the_latest_fifth_of_the_rest_tunes() -> None:
    split = split_of(apart(100))
    assert numbers(split.held_out) == list(range(75, 100))
    assert numbers(split.training) == list(range(75))
    assert numbers(split.tuning) == list(range(60, 75))
    assert split.cut_us == at(7_500)


def test_a_session_that_ends_after_the_cut_serves_nothing() -> None:
    visits = apart(100)
    visits[10] = Visit([(1_000, "page_view"), (7_500, "sign_up")], "v010")
    visits[20] = Visit([(2_000, "page_view"), (7_499, "sign_up")], "v020")
    # Silence is known to be an abandonment only when the timeout has passed.
    visits[30] = Visit([(7_500 - TIMEOUT - 1, "page_view")], "v030")
    visits[40] = Visit([(7_500 - TIMEOUT, "page_view")], "v040")
    split = split_of(visits)
    assert split.cut_us == at(7_500)
    assert [bool(split.training[place]) for place in (10, 20, 30, 40)] == [False, True, True, False]
    assert not split.held_out[[10, 40]].any()


def test_a_session_that_ends_after_the_first_tuning_one_began_is_not_fitted_while_tuning() -> None:
    visits = apart(100)
    visits[10] = Visit([(1_000, "page_view"), (6_000, "sign_up")], "v010")
    visits[20] = Visit([(2_000, "page_view"), (5_999, "sign_up")], "v020")
    split = split_of(visits)
    assert numbers(split.tuning)[0] == 60
    assert split.training[[10, 20]].all()
    assert split.fitting[[10, 20]].tolist() == [False, True]


def test_where_silence_ends_sessions_training_has_no_more_goals_for_their_being_known_at_once() -> None:
    # A session every 100 s: by turns the goal after 10 s, or silence, which is known 1,800 s later.
    visits = [
        Visit([(100.0 * place, "page_view"), *([(100.0 * place + 10, "sign_up")] if place % 2 else [])], f"v{place:03}")
        for place in range(400)
    ]
    log, ends = read(visits, log_end=400 * 100 + 2 * TIMEOUT)
    split = forward_split(log, ends)
    starts = log.at_us[log.starts[:-1]]
    for part in (split.training, split.fitting, split.tuning, split.held_out):
        assert abs(ends.outcome[part].mean() - 0.5) < 0.03
    # Training stops a timeout early, in whatever way a session ended.
    assert starts[split.training].max() <= split.cut_us - TIMEOUT * 1_000_000


def test_where_every_end_is_an_event_training_goes_on_to_the_cut() -> None:
    split = split_of(apart(100))
    assert numbers(split.training)[-1] == 74


def test_sessions_that_are_open_or_begin_with_their_end_serve_nothing() -> None:
    visits = apart(100)
    visits[5] = Visit([(500, "sign_up")], "v005")
    visits[99] = Visit([(9_900, "page_view")], "v099")
    split = split_of(visits, log_end=9_990)
    assert not (split.training | split.held_out)[[5, 99]].any()


def test_with_a_horizon_open_sessions_are_held_out_where_the_log_covers_it() -> None:
    visits = apart(100)
    for place in (97, 98, 99):
        visits[place] = Visit([(100.0 * place, "page_view")], f"v{place:03}")
    without, with_horizon = split_of(visits, log_end=9_950), split_of(visits, log_end=9_950, horizon=150)
    assert numbers(without.held_out)[-1] == 96
    assert numbers(with_horizon.held_out)[-1] == 98
    assert not with_horizon.training[97:].any()


def test_one_person_is_never_on_both_sides() -> None:
    visits = apart(100)
    visits[3] = Visit(visits[3].events, "v080")
    visits[4] = Visit(visits[4].events, "v004", user="u1")
    visits[90] = Visit(visits[90].events, "v090", user="u1")
    split = split_of(visits)
    log, _ = read(visits)
    at_of = {name: place for place, name in enumerate(log.session_ids)}
    served = [at_of[f"s{place:04}"] for place in (3, 4, 80, 90)]
    assert split.training[served].tolist() == [False] * 4
    assert split.held_out[served].tolist() == [False, False, True, True]


def test_tuning_and_fitting_share_nobody_and_the_early_session_stays() -> None:
    visits = apart(100)
    visits[2] = Visit(visits[2].events, "v002", user="u")
    visits[70] = Visit(visits[70].events, "v070", user="u")
    split = split_of(visits)
    assert (split.training[70], split.tuning[70], split.training[2]) == (True, False, True)


def test_visitors_are_one_person_when_a_chain_of_users_connects_them() -> None:
    log, _ = read(
        [
            Visit([(0, "page_view")], "a", user="x"),
            Visit([(1, "page_view")], "b", user="x"),
            Visit([(2, "page_view")], "b", user="y"),
            Visit([(3, "page_view")], "c", user="y"),
            Visit([(4, "page_view")], "d"),
            Visit([(5, "page_view")], "x"),  # a visitor whose id is another's user id
            Visit([(6, "page_view")], "e", user="z"),
        ]
    )
    found = dict(zip(log.visitor_ids, persons(log), strict=True))
    assert found["a"] == found["b"] == found["c"]
    assert len({found[name] for name in "adxe"}) == 4


def test_a_log_without_users_has_one_person_a_visitor() -> None:
    log, _ = read([Visit([(place, "page_view")], name) for place, name in enumerate("abca")])
    assert len(set(persons(log).tolist())) == 3


def connected(visits: list[Visit]) -> dict[str, frozenset[str]]:
    """The people, by merging each visit with all that it meets."""
    groups: list[set[tuple[str, str]]] = []
    for visit in visits:
        merged = {("visitor", visit.visitor)} | ({("user", visit.user)} if visit.user else set())
        apart = [group for group in groups if not group & merged]
        groups = [*apart, merged.union(*(group for group in groups if group & merged))]
    return {
        name: frozenset(person for kind, person in group if kind == "visitor")
        for group in groups
        for kind, name in group
        if kind == "visitor"
    }


@st.composite
def populations(draw: st.DrawFn) -> list[Visit]:
    drawn = []
    people = st.integers(0, draw(st.sampled_from([10, 40, 200])))
    users = st.one_of(st.none(), st.none(), st.none(), people.map(lambda number: f"u{number}"))
    for place in range(draw(st.integers(25, 60))):
        start = place * 800 + draw(st.integers(0, 4_000))
        last = draw(st.sampled_from(["sign_up", "leave", "page_view", "page_view"]))
        seconds = draw(st.sampled_from([0, 10, 500, 1_700]))
        drawn.append(
            Visit([(start, "page_view"), (start + seconds, last)], f"v{draw(people)}", draw(users), f"s{place:04}")
        )
    return drawn


@given(populations(), st.integers(18_000, 60_000))
def test_any_split_goes_forward_with_its_outcomes_known_and_parts_people(visits: list[Visit], log_end: int) -> None:
    log, ends = read(visits, log_end)
    try:
        split = forward_split(log, ends)
    except TooFewSessions:
        assume(False)
    starts = log.at_us[log.starts[:-1]]
    assert not (split.training & split.held_out).any()
    assert not (split.tuning & ~split.training).any()
    assert ends.end_us[split.training].max() < split.cut_us <= starts[split.held_out].min()
    assert not np.isnan(ends.outcome[split.training | split.held_out]).any()
    people = connected(visits)

    def of(chosen: np.ndarray) -> set[frozenset[str]]:
        return {people[name] for name in log.visitor_ids[chosen]}

    assert not of(split.training) & of(split.held_out)
    assert not of(split.tuning) & of(split.training & ~split.tuning)
    assert starts[split.tuning].min() >= np.quantile(starts[split.training], 0.8)
    # What tunes meets a fit that knows only what had ended by then, as what is held out does.
    begins = np.quantile(starts[split.training], 0.8, method="higher")
    # Nobody is left out without a reason.
    known = ~np.isnan(ends.outcome)
    silence = bool(((ends.outcome == 1) & (ends.end_us > ends.left_us)).any())
    lasted = int(np.quantile((ends.end_us - starts)[known], 0.95)) if silence else 0

    def over_by(moment_us: int) -> np.ndarray:
        return known & (ends.end_us < moment_us) & (starts <= moment_us - lasted)

    assert (split.fitting == (split.training & ~split.tuning & over_by(begins))).all()
    over = over_by(split.cut_us)
    alone = np.array([people[name] not in of(split.held_out) for name in log.visitor_ids])
    assert (split.training == (over & alone)).all()


@pytest.mark.parametrize(
    ("visits", "said"),
    [
        (apart(19), "only 19 sessions have a known end and an event before it; a log needs at least 20"),
        (apart(30, seconds=0), "no session of other people ends before the held-out ones begin"),
        ([Visit(visit.events, "one") for visit in apart(100)], "or hold more people"),
        (
            [Visit(visit.events, "early" if place < 75 else f"v{place}") for place, visit in enumerate(apart(100))],
            "no training sessions are left to tune on",
        ),
    ],
    ids=["nineteen", "at once", "one visitor", "one visitor before the cut"],
)
def test_too_small_a_log_is_refused_in_one_line(visits: list[Visit], said: str) -> None:
    with pytest.raises(TooFewSessions, match=said) as refusal:
        split_of(visits)
    assert "\n" not in str(refusal.value)


def test_twenty_sessions_are_enough() -> None:
    split = split_of(apart(20))
    assert numbers(split.held_out) == [15, 16, 17, 18, 19]
