"""Funnels by hand: a few events each, and the counts that the definitions give."""

import pytest
from small_funnels import counts, groups, rows_of, run, run_rows

US = 1e-6


class TestOrdered:
    def test_other_events_may_lie_between_the_steps(self) -> None:
        assert counts("a,b,c", [("v", "a", 0), ("v", "x", 1), ("v", "b", 2), ("v", "c", 3)]) == [1, 1, 1]

    def test_a_step_before_the_one_that_it_follows_does_not_count(self) -> None:
        assert counts("a,b", [("v", "b", 0), ("v", "a", 1)]) == [1, 0]

    def test_a_person_counts_once(self) -> None:
        assert counts("a,b", [("v", "a", 0), ("v", "b", 1), ("v", "a", 2), ("v", "b", 3)]) == [1, 1]

    def test_one_event_takes_one_step(self) -> None:
        assert counts("a,a", [("v", "a", 0), ("w", "a", 0), ("w", "a", 1)]) == [2, 1]

    def test_a_person_who_only_does_later_steps_is_not_in_the_funnel(self) -> None:
        assert counts("a,b", [("v", "b", 0), ("w", "a", 0)]) == [1, 0]

    def test_the_window_holds_its_last_microsecond_and_not_the_next(self) -> None:
        inside = [("v", "a", 0), ("v", "b", 60)]
        outside = [("v", "a", 0), ("v", "b", 60 + US)]
        assert counts("a,b", inside, window="1m") == [1, 1]
        assert counts("a,b", outside, window="1m") == [1, 0]

    def test_the_window_runs_from_the_first_step_to_the_last(self) -> None:
        events = [("v", "a", 0), ("v", "b", 40), ("v", "c", 60 + US)]
        assert counts("a,b,c", events, window="1m") == [1, 1, 0]

    def test_the_window_of_a_step_holds_its_last_microsecond_and_not_the_next(self) -> None:
        inside = [("v", "a", 0), ("v", "b", 60), ("v", "c", 120)]
        outside = [("v", "a", 0), ("v", "b", 60), ("v", "c", 120 + US)]
        assert counts("a,b,c", inside, step_window="1m") == [1, 1, 1]
        assert counts("a,b,c", outside, step_window="1m") == [1, 1, 0]

    def test_a_later_event_takes_a_step_where_an_earlier_one_is_too_far_from_the_next(self) -> None:
        # From the first b it is 14 s to c, from the second 6 s.
        events = [("v", "a", 0), ("v", "b", 1), ("v", "b", 9), ("v", "c", 15)]
        result = run("a,b,c", events, step_window="10s")
        assert [step.count for step in result.steps] == [1, 1, 1]
        assert result.steps[1].time is not None
        assert result.steps[1].time.median == 9.0

    def test_both_windows_hold_at_once(self) -> None:
        # The later b is needed for c, and with c the whole takes 21 s.
        events = [("v", "a", 0), ("v", "b", 1), ("v", "b", 9), ("v", "c", 18), ("v", "c", 21)]
        assert counts("a,b,c", events, step_window="10s", window="18s") == [1, 1, 1]
        assert counts("a,b,c", events, step_window="10s", window="17s") == [1, 1, 0]


class TestReentry:
    def test_the_attempt_that_gets_furthest_counts(self) -> None:
        events = [("v", "a", 0), ("v", "b", 10), ("v", "a", 1_000), ("v", "b", 1_001), ("v", "c", 1_002)]
        assert counts("a,b,c", events, window="1m") == [1, 1, 1]

    def test_of_equal_attempts_the_earliest_counts(self) -> None:
        result = run("a,b", [("v", "a", 0), ("v", "b", 30), ("v", "a", 100), ("v", "b", 101)], window="1m")
        assert result.time is not None
        assert result.time.median == 30.0

    def test_a_second_entry_does_not_end_the_first(self) -> None:
        result = run("a,b", [("v", "a", 0), ("v", "a", 5), ("v", "b", 30)], window="1m")
        assert result.time is not None
        assert result.time.median == 30.0

    def test_a_second_entry_within_the_window_saves_a_late_conversion(self) -> None:
        assert counts("a,b", [("v", "a", 0), ("v", "a", 50), ("v", "b", 70)], window="1m") == [1, 1]


class TestStrict:
    def test_nothing_may_lie_between(self) -> None:
        assert counts("a,b,c", [("v", "a", 0), ("v", "b", 1), ("v", "c", 2)], order="strict") == [1, 1, 1]
        assert counts("a,b,c", [("v", "a", 0), ("v", "b", 1), ("v", "x", 2), ("v", "c", 3)], order="strict") == [
            1,
            1,
            0,
        ]

    def test_a_repeated_first_step_enters_anew(self) -> None:
        result = run("a,b", [("v", "a", 0), ("v", "a", 5), ("v", "b", 6)], order="strict")
        assert [step.count for step in result.steps] == [1, 1]
        assert result.time is not None
        assert result.time.median == 1.0

    def test_a_repeated_later_step_lies_between(self) -> None:
        assert counts("a,b,c", [("v", "a", 0), ("v", "b", 1), ("v", "b", 2), ("v", "c", 3)], order="strict") == [
            1,
            1,
            0,
        ]

    def test_another_persons_event_does_not_lie_between(self) -> None:
        events = [("v", "a", 0), ("w", "x", 1), ("v", "b", 2), ("w", "a", 3)]
        assert counts("a,b", events, order="strict") == [2, 1]

    def test_an_optional_step_may_lie_between(self) -> None:
        with_it = [("v", "a", 0), ("v", "o", 1), ("v", "b", 2)]
        without = [("w", "a", 0), ("w", "b", 1)]
        twice = [("z", "a", 0), ("z", "o", 1), ("z", "o", 2), ("z", "b", 3)]
        assert counts("a,o,b", [*with_it, *without, *twice], order="strict", optional="o") == [3, 2, 2]

    def test_both_windows_hold(self) -> None:
        events = [("v", "a", 0), ("v", "b", 60), ("v", "c", 120)]
        assert counts("a,b,c", events, order="strict", window="2m", step_window="1m") == [1, 1, 1]
        assert counts("a,b,c", events, order="strict", window="119s") == [1, 1, 0]
        assert counts("a,b,c", events, order="strict", step_window="59s") == [1, 0, 0]


class TestUnordered:
    def test_steps_count_in_any_order(self) -> None:
        assert counts("a,b,c", [("v", "c", 0), ("v", "a", 1), ("v", "b", 2)], order="unordered") == [1, 1, 1]

    def test_a_step_counts_with_all_steps_above_it(self) -> None:
        events = [("v", "a", 0), ("v", "c", 1), ("w", "b", 0), ("w", "c", 1)]
        assert counts("a,b,c", events, order="unordered") == [1, 0, 0]

    def test_the_window_runs_from_the_first_event_to_the_last(self) -> None:
        assert counts("a,b", [("v", "b", 0), ("v", "a", 60)], order="unordered", window="1m") == [1, 1]
        assert counts("a,b", [("v", "b", 0), ("v", "a", 60 + US)], order="unordered", window="1m") == [1, 0]

    def test_each_step_needs_an_event_of_its_own(self) -> None:
        assert counts("a,a", [("v", "a", 0), ("w", "a", 0), ("w", "a", 9)], order="unordered") == [2, 1]
        # The desktop view is needed by the second step, so that the first has to take the other.
        shared = [("v", "a", 0, {"device": "desktop"}), ("v", "a", 1, {"device": "mobile"})]
        assert counts("a,a[device=desktop]", shared, order="unordered") == [1, 1]
        assert counts("a,a[device=desktop],a", shared, order="unordered") == [1, 1, 0]

    def test_time_is_from_the_first_event_to_the_last(self) -> None:
        result = run("a,b,c", [("v", "c", 0), ("v", "a", 10), ("v", "b", 25)], order="unordered")
        assert result.time is not None
        assert result.time.median == 25.0

    def test_an_optional_step_counts_anywhere_in_the_window(self) -> None:
        events = [("v", "b", 0), ("v", "a", 10), ("v", "o", 60), ("w", "a", 0), ("w", "b", 1), ("w", "o", 60 + US)]
        assert counts("a,o,b", events, order="unordered", window="1m", optional="o") == [2, 1, 2]


class TestExclusion:
    @pytest.mark.parametrize("order", ["ordered", "unordered"])
    def test_an_excluded_event_between_the_steps_removes_the_person_wholly(self, order: str) -> None:
        result = run("a,b", [("v", "a", 0), ("v", "x", 1), ("v", "b", 2), ("w", "a", 0)], exclude="x", order=order)
        assert [step.count for step in result.steps] == [1, 0]
        assert result.excluded == 1

    def test_before_the_entry_and_after_the_last_step_it_does_not_matter(self) -> None:
        assert counts("a,b", [("v", "x", 0), ("v", "a", 1), ("v", "b", 2), ("v", "x", 3)], exclude="x") == [1, 1]

    def test_a_person_who_got_stuck_is_removed_up_to_the_end_of_the_window(self) -> None:
        inside = [("v", "a", 0), ("v", "x", 60), ("w", "b", 0)]
        outside = [("v", "a", 0), ("v", "x", 60 + US), ("w", "b", 0)]
        assert counts("a,b", inside, exclude="x", window="1m") == [0, 0]
        assert counts("a,b", outside, exclude="x", window="1m") == [1, 0]

    def test_a_person_who_got_stuck_is_removed_up_to_the_end_of_the_steps_window(self) -> None:
        events = [("v", "a", 0), ("v", "b", 30), ("v", "x", 90)]
        assert counts("a,b,c", [*events, ("w", "c", 0)], exclude="x", step_window="1m") == [0, 0, 0]
        later = [*events[:2], ("v", "x", 90 + US), ("w", "c", 0)]
        assert counts("a,b,c", later, exclude="x", step_window="1m") == [1, 1, 0]

    def test_an_excluded_event_in_an_attempt_that_does_not_count_does_not_matter(self) -> None:
        stuck, through = [("v", "a", 0), ("v", "x", 1)], [("v", "a", 100), ("v", "b", 101)]
        assert counts("a,b", [*stuck, *through], exclude="x", window="1m") == [1, 1]

    def test_a_clean_attempt_that_gets_no_further_does_not_save_the_person(self) -> None:
        events = [("v", "a", 0), ("v", "x", 1), ("v", "b", 2), ("v", "a", 100), ("v", "b", 101)]
        assert run("a,b", events, exclude="x", window="1m").excluded == 1

    @pytest.mark.parametrize("order", ["ordered", "strict", "unordered"])
    @pytest.mark.parametrize("step", ["a", "b", "c"])
    def test_an_excluded_event_that_takes_a_step_removes_the_person_too(self, order: str, step: str) -> None:
        events = [("v", name, at, {"device": "tv" if name == step else "mobile"}) for at, name in enumerate("abc")]
        clean = [("w", name, at, {"device": "mobile"}) for at, name in enumerate("abc")]
        result = run("a,b,c", [*events, *clean], exclude=f"{step}[device=tv]", order=order)
        assert ([one.count for one in result.steps], result.excluded) == ([1, 1, 1], 1)

    def test_a_strict_attempt_ends_with_the_event_that_breaks_it(self) -> None:
        events = [("v", "a", 0), ("v", "x", 1), ("w", "a", 0), ("w", "y", 1), ("w", "x", 2), ("w", "b", 3)]
        result = run("a,b", events, exclude="x", order="strict")
        assert [step.count for step in result.steps] == [1, 0]
        assert result.excluded == 1


class TestOptional:
    def test_an_optional_step_changes_nobody_elses_count(self) -> None:
        events = [("v", "a", 0), ("v", "o", 1), ("v", "b", 2), ("w", "a", 0), ("w", "b", 1)]
        assert counts("a,o,b", events, optional="o") == [2, 1, 2]

    def test_it_counts_only_between_its_neighbours(self) -> None:
        before = [("v", "o", 0), ("v", "a", 1), ("v", "b", 2)]
        after = [("w", "a", 0), ("w", "b", 1), ("w", "o", 2)]
        assert counts("a,o,b", [*before, *after], optional="o") == [2, 0, 2]

    def test_of_a_person_who_stops_there_it_counts_within_the_windows(self) -> None:
        assert counts("a,o,b", [("v", "a", 0), ("v", "o", 60), ("w", "b", 0)], optional="o", window="1m") == [1, 1, 0]
        late = [("v", "a", 0), ("v", "o", 60 + US), ("w", "b", 0)]
        assert counts("a,o,b", late, optional="o", window="1m") == [1, 0, 0]
        assert counts("a,o,b", late, optional="o", step_window="1m") == [1, 0, 0]

    def test_two_of_them_count_in_their_order(self) -> None:
        events = [("v", "a", 0), ("v", "p", 1), ("v", "o", 2), ("v", "b", 3)]
        assert counts("a,o,p,b", events, optional="o,p") == [1, 1, 0, 1]

    def test_the_step_after_is_measured_against_the_required_one_before(self) -> None:
        events = [("v", "a", 0), ("v", "o", 1), ("v", "b", 2), ("w", "a", 0), ("w", "b", 4), ("z", "a", 0)]
        last = run("a,o,b", events, optional="o").steps[2]
        assert last.step_conversion is not None
        assert last.step_conversion.value == 2 / 3
        assert last.dropped == 1
        assert last.time is not None
        assert last.time.median == 3.0


class TestPeople:
    def test_a_session_is_followed_by_its_id(self) -> None:
        one, other = {"session_id": "s1"}, {"session_id": "s2"}
        events = [("v", "a", 0, one), ("v", "b", 1, other), ("v", "a", 2, other), ("v", "b", 3, other)]
        assert counts("a,b", events, count_by="session") == [2, 1]
        assert counts("a,b", events) == [1, 1]

    def test_without_ids_a_silence_of_exactly_the_timeout_stays_one_session(self) -> None:
        stays, cut = [("v", "a", 0), ("v", "b", 1_800)], [("w", "a", 0), ("w", "b", 1_800 + US)]
        assert counts("a,b", [*stays, *cut], count_by="session", session_timeout="30m") == [2, 1]

    def test_an_event_that_takes_no_step_keeps_a_session_alive(self) -> None:
        events = [("v", "a", 0), ("v", "scroll", 1_200), ("v", "b", 2_400)]
        assert counts("a,b", events, count_by="session") == [1, 1]

    def test_events_with_and_without_a_session_id_are_kept_apart(self) -> None:
        events = [("v", "a", 0), ("v", "b", 1, {"session_id": "s1"}), ("v", "b", 2)]
        result = run("a,b", events, count_by="session")
        assert [step.count for step in result.steps] == [1, 1]
        assert result.time is not None
        assert result.time.median == 2.0

    def test_a_user_is_followed_over_devices(self) -> None:
        known = {"user_id": "u"}
        assert counts("a,b", [("v1", "a", 0, known), ("v2", "b", 1, known)], count_by="user") == [1, 1]
        assert counts("a,b", [("v1", "a", 0, known), ("v2", "b", 1, known)]) == [1, 0]

    def test_what_a_visitor_did_before_signing_in_belongs_to_the_user(self) -> None:
        events = [("v1", "a", 0), ("v1", "log_in", 1, {"user_id": "u"}), ("v2", "b", 2, {"user_id": "u"})]
        assert counts("a,b", events, count_by="user") == [1, 1]

    def test_a_visitor_who_never_signs_in_counts_as_a_user(self) -> None:
        assert counts("a,b", [("v1", "a", 0), ("v2", "a", 0, {"user_id": "v1"}), ("v1", "b", 1)], count_by="user") == [
            2,
            1,
        ]


class TestBreakdown:
    EVENTS = (
        ("v", "a", 0, {"device": "mobile"}),
        ("v", "b", 1, {"device": "desktop"}),
        ("w", "a", 0, {"device": "mobile"}),
        ("w", "b", 1, {"device": "mobile"}),
        ("z", "a", 0),
    )

    def test_the_first_value_of_a_person_counts_for_all_steps(self) -> None:
        assert groups(run("a,b", self.EVENTS, by="device")) == {"mobile": [2, 2], None: [1, 0]}

    def test_the_first_value_may_be_older_than_the_attempt(self) -> None:
        events = [("v", "a", 0, {"source": "ads"}), ("v", "a", 100, {"source": "mail"}), ("v", "b", 101)]
        assert groups(run("a,b", events, by="source", window="1m")) == {"ads": [1, 1]}
        assert groups(run("a,b", events, by="source", window="1m", attribution="last")) == {"mail": [1, 1]}

    def test_the_last_value_is_the_last_one_of_the_attempt(self) -> None:
        after = [("v", "a", 9, {"device": "tv"})]
        found = groups(run("a,b", [*self.EVENTS, *after], by="device", attribution="last"))
        assert found == {"desktop": [1, 1], "mobile": [1, 1], None: [1, 0]}

    def test_each_step_can_have_its_own_value(self) -> None:
        found = groups(run("a,b", self.EVENTS, by="device", attribution="step"))
        assert found == {"mobile": [2, 1], "desktop": [0, 1], None: [1, 0]}

    def test_the_value_at_one_step_leaves_out_who_never_got_there(self) -> None:
        found = groups(run("a,b", self.EVENTS, by="device", attribution="step", attribution_step="b"))
        assert found == {"desktop": [1, 1], "mobile": [1, 1]}

    def test_all_events_must_have_the_value(self) -> None:
        found = groups(run("a,b", self.EVENTS, by="device", attribution="all"))
        assert found == {"mobile": [2, 1], None: [1, 0]}

    def test_with_all_events_a_person_can_be_in_two_groups(self) -> None:
        events = [("v", name, at, {"source": source}) for at, (source, name) in enumerate(["xa", "ya", "xb", "yb"])]
        assert groups(run("a,b", events, by="source", attribution="all")) == {"x": [1, 1], "y": [1, 1]}

    def test_a_property_parts_as_a_column_does(self) -> None:
        events = [("v", "a", 0, {"properties": '{"country":"DE"}'}), ("w", "a", 0, {"properties": '{"country":7}'})]
        assert groups(run("a", events, by="country")) == {"DE": [1], "7": [1]}

    def test_a_column_of_the_logs_own_parts_too(self) -> None:
        events = [("v", "a", 0, {"shop": "north"}), ("w", "a", 0, {"shop": "south"})]
        assert groups(run("a", events, by="shop")) == {"north": [1], "south": [1]}


class TestRows:
    def test_of_one_event_id_the_first_received_counts(self) -> None:
        twice = {"event_id": "same"}
        events = [
            ("v", "a", 0),
            ("v", "x", 5, {**twice, "received_at_us": 20}),
            ("v", "b", 5, {**twice, "received_at_us": 30}),
        ]
        result = run("a,b", [*events, ("w", "b", 0)])
        assert [step.count for step in result.steps] == [1, 0]
        assert result.summary.deduplicated == 1
        swapped = [events[0], (*events[1][:3], {**twice, "received_at_us": 40}), events[2]]
        assert counts("a,b", swapped) == [1, 1]

    def test_of_ids_received_at_once_the_first_in_the_log_counts(self) -> None:
        events = [("v", "a", 0), ("v", "b", 5, {"event_id": "same"}), ("v", "x", 5, {"event_id": "same"})]
        assert counts("a,b", events) == [1, 1]
        assert counts("a,b", [events[0], events[2], events[1], ("w", "b", 0)]) == [1, 0]

    def test_events_of_one_moment_go_by_their_ids(self) -> None:
        first, second = {"event_id": "A"}, {"event_id": "B"}
        assert counts("a,b", [("v", "b", 0, second), ("v", "a", 0, first)]) == [1, 1]
        assert counts("a,b", [("v", "b", 0, first), ("v", "a", 0, second)]) == [1, 0]

    def test_without_ids_events_of_one_moment_go_by_their_rows(self) -> None:
        def without_ids(*names: str) -> list[int]:
            rows = rows_of([*(("v", name, 0) for name in names), ("w", "b", 0)])
            return [step.count for step in run_rows("a,b", rows, ids=False).steps]

        assert without_ids("a", "b") == [1, 1]
        assert without_ids("b", "a") == [1, 0]

    def test_refused_rows_are_counted_and_the_others_used(self) -> None:
        bad = [("", "a", 0), ("v", "a", -1e9), ("v", "a", 1, {"properties": "no json"})]
        result = run("a,b", [*bad, ("v", "a", 2), ("v", "b", 3)])
        assert [step.count for step in result.steps] == [1, 1]
        assert result.summary.reasons == {
            "neither visitor_id nor user_id given": 1,
            "occurred_at is before 2000": 1,
            "the properties are not JSON": 1,
        }
        assert (result.summary.read, result.summary.used) == (5, 2)


class TestPatterns:
    def test_any_of_several_names_takes_the_step(self) -> None:
        assert counts("a|b,c", [("v", "a", 0), ("w", "b", 0), ("w", "c", 1)]) == [2, 1]

    def test_a_condition_reads_properties_and_columns(self) -> None:
        events = [
            ("v", "a", 0, {"properties": '{"plan":"pro"}', "device": "mobile"}),
            ("w", "a", 0, {"properties": '{"plan":"pro"}', "device": "desktop"}),
            ("z", "a", 0, {"properties": '{"plan":"free"}', "device": "mobile"}),
        ]
        assert counts("a[plan=pro]", events) == [2]
        assert counts("a[plan=pro,device=mobile]", events) == [1]
        assert counts("a[plan!=pro]", events) == [1]

    def test_numbers_are_compared_as_numbers(self) -> None:
        events = [(f"v{total}", "a", 0, {"properties": f'{{"total":{total}}}'}) for total in ("9", "10.0", "11")]
        assert counts("a[total>=10]", events) == [2]
        assert counts("a[total=10]", events) == [1]
        assert counts("a[total<10]", events) == [1]
        assert counts("a[total!=10]", [*events, ("none", "a", 0)]) == [3]
