"""What a load says of the time that answers took to be as before."""

from benchmarks.replica_load import Answer, Seen


def seen(milliseconds: list[float]) -> Seen:
    """Ten requests in each half second from 0 on, all of which took as long."""
    return Seen(
        [
            Answer(0.5 * place + 0.05 * n, took / 1_000, "/", 200)
            for place, took in enumerate(milliseconds)
            for n in range(10)
        ]
    )


def test_a_fault_that_nobody_notices_is_over_at_once() -> None:
    assert seen([40, 60, 50, 50, 110, 100, 90, 60, 60]).recovery_seconds(2.0, 4.5, 2.0) == 0.0


def test_answers_are_as_before_where_they_stay_so_for_a_second_and_a_half() -> None:
    # Twice the highest before is 120 ms: slow, as before for one second only, slow again, and then as before.
    after = [900, 900, 100, 100, 500, 100, 100, 100, 100]
    assert seen([40, 60, 50, 50, *after]).recovery_seconds(2.0, 6.5, 2.0) == 2.5


def test_what_does_not_come_back_is_not_said_to() -> None:
    assert seen([40, 60, 50, 50] + [900] * 8).recovery_seconds(2.0, 6.0, 2.0) == float("inf")


def test_up_to_fifty_milliseconds_nobody_waits() -> None:
    assert seen([5, 5, 5, 5] + [49] * 6).recovery_seconds(2.0, 5.0, 2.0) == 0.0
