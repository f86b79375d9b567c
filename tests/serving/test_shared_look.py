"""One look for many: never an older one than who asked, and never more than are needed."""

import asyncio
import gc
import threading
import weakref

import pytest

from serving.shared_look import SharedLook


def test_who_asks_while_a_look_goes_on_waits_for_the_next_one_and_all_of_them_for_the_same() -> None:
    done, seen = 0, list[int]()
    entered, release = threading.Event(), threading.Event()

    def look() -> None:
        seen.append(done)
        entered.set()
        release.wait(5)

    async def ask() -> None:
        nonlocal done
        shared = SharedLook(look)
        first = [asyncio.ensure_future(shared()) for _ in range(3)]
        while not entered.is_set():
            await asyncio.sleep(0.001)
        done = 1
        later = [asyncio.ensure_future(shared()) for _ in range(5)]
        await asyncio.sleep(0.02)
        assert not any(one.done() for one in (*first, *later))
        release.set()
        await asyncio.gather(*first, *later)
        await shared()

    asyncio.run(ask())
    # Three asked for the first, five for the second, one for the third.
    assert seen == [0, 1, 1]


def test_a_look_that_fails_fails_for_those_who_wait_for_it_and_for_nobody_after() -> None:
    outcomes = iter((OSError("away"), None))

    def look() -> None:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    async def ask() -> None:
        shared = SharedLook(look)
        both = await asyncio.gather(shared(), shared(), return_exceptions=True)
        assert [type(one) for one in both] == [OSError, OSError]
        await shared()

    asyncio.run(ask())


def test_one_who_gives_up_takes_the_look_from_nobody() -> None:
    entered, release = threading.Event(), threading.Event()

    def look() -> None:
        entered.set()
        release.wait(5)

    async def ask() -> None:
        shared = SharedLook(look)
        given_up, patient = asyncio.ensure_future(shared()), asyncio.ensure_future(shared())
        while not entered.is_set():
            await asyncio.sleep(0.001)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        release.set()
        await patient

    asyncio.run(ask())


def test_another_loop_waits_for_nobody_in_the_first() -> None:
    entered, release, looks = threading.Event(), threading.Event(), list[int]()

    def look() -> None:
        looks.append(len(looks))
        if len(looks) == 1:
            entered.set()
            release.wait(5)

    shared = SharedLook(look)
    first = threading.Thread(target=lambda: asyncio.run(shared()))
    first.start()
    assert entered.wait(5)
    asyncio.run(shared())
    asyncio.run(shared())
    assert first.is_alive()
    release.set()
    first.join(5)
    assert looks == [0, 1, 2]


def test_a_loop_that_has_ended_is_forgotten() -> None:
    shared = SharedLook(lambda: None)

    async def ask() -> "weakref.ref[asyncio.AbstractEventLoop]":
        await shared()
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(ask())
    gc.collect()
    assert loop() is None
