"""What one process of all does: what is said while nobody can tell whose it is."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text

from serving.duty import Duty, on_duty
from serving.runtime import Runtime

OpenClient = Any  # as the fixture of this folder makes it


async def rest(_duty: Duty) -> None:
    await asyncio.sleep(60)


def test_a_database_that_stays_away_is_told_once_by_each_duty(
    open_client: OpenClient, caplog: pytest.LogCaptureFixture
) -> None:
    client, runtime = open_client(lease_seconds=0.03)

    async def watch(runtime: Runtime) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(on_duty(runtime, "sweep", rest), 0.5)

    with runtime.engine.begin() as connection:
        connection.execute(text("ALTER TABLE leases RENAME TO elsewhere"))
    # A look every hundredth of a second.
    client.run(watch(runtime))
    with runtime.engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO leases"))
    said = [one.getMessage() for one in caplog.records if "cannot be said" in one.getMessage()]
    assert len(said) == 1


@pytest.mark.parametrize("shared", [False, True])
def test_who_answers_as_if_alone_beside_another_process_is_told_so_once(
    open_client: OpenClient, caplog: pytest.LogCaptureFixture, shared: bool
) -> None:
    client, runtime = open_client(lease_seconds=0.3, shared=shared)

    async def beside() -> None:
        with suppress(TimeoutError):
            # Each has a holder's name of its own, as two processes have.
            both = asyncio.gather(on_duty(runtime, "sweep", rest), on_duty(runtime, "sweep", rest))
            await asyncio.wait_for(both, 2.0)

    client.run(beside())
    said = [one for one in caplog.records if "DROPOFF_SHARED=1" in one.getMessage()]
    assert len(said) == (0 if shared else 1)
