"""Figures follow events: made in a process of its own, put in place at once, and never of somebody who was erased."""

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from insights.current import current_building, current_facts, facts_home
from serving.refresh import RefreshFailed, is_due, keep_fresh, make_anew
from serving.runtime import Runtime

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("refresh")]

Client = OpenClient = Any  # as the fixtures of this folder make them


@pytest.fixture
def runtime(
    open_client: OpenClient, model_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Client, Runtime]:
    """A service whose home has the model too, and whose settings the environment says, as for the other process."""
    shutil.copytree(model_home / "models", tmp_path / "models")
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path))
    monkeypatch.setenv("DROPOFF_JOURNEY", "ecommerce")
    client, opened = open_client(insights_refresh=0.1)
    return client, opened


def track(client: Client, number: int, event: str = "page_view") -> None:
    call = {"type": "track", "messageId": f"m{number}", "anonymousId": f"v{number}", "event": event}
    assert client.post("/v1/track", call).status_code == 200


def test_figures_are_made_of_what_was_received_and_are_due_again_with_the_next_event(
    runtime: tuple[Client, Runtime], tmp_path: Path
) -> None:
    client, opened = runtime
    assert not is_due(opened)
    for number in range(3):
        track(client, number)
    assert is_due(opened)
    facts = client.run(make_anew(opened))
    assert (facts.sessions, facts.events, facts.model_version) == (3, 3, "7")
    assert current_facts(tmp_path, "ecommerce") == facts
    assert not is_due(opened)
    # Neither the exported log nor anything else of the making is left.
    assert {path.name for path in facts_home(tmp_path, "ecommerce").iterdir()} == {"current.json", facts.folder.name}
    track(client, 9)
    assert is_due(opened)


def test_what_was_made_while_somebody_was_erased_is_thrown_away(
    runtime: tuple[Client, Runtime], tmp_path: Path
) -> None:
    client, opened = runtime
    track(client, 1)
    track(client, 2)

    async def erase_meanwhile() -> Any:
        making = asyncio.create_task(make_anew(opened))
        await asyncio.sleep(0.5)
        # Whichever process erased somebody, the audit has it.
        await opened.commit(
            lambda connection: opened.records.audit_erasure(connection, "v1", {"events": 1}, actor="ann", now_us=0)
        )
        return await making

    assert client.run(erase_meanwhile()) is None
    assert current_building(tmp_path, "ecommerce") is None


def test_figures_that_an_erasure_took_away_come_again_without_the_pause(
    runtime: tuple[Client, Runtime], tmp_path: Path
) -> None:
    client, opened = runtime
    track(client, 1)

    async def until_there() -> float:
        began = time.monotonic()
        while current_building(tmp_path, "ecommerce") is None:
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    async def erase_and_wait() -> tuple[float, float]:
        keeping = asyncio.create_task(keep_fresh(opened))
        first = await until_there()
        await asyncio.sleep(0.5)
        shutil.rmtree(facts_home(tmp_path, "ecommerce"))
        again = await until_there()
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        return first, again

    first, again = client.run(asyncio.wait_for(erase_and_wait(), 240))
    # The pause would be ten times the making.
    assert again < 5 * first


def test_a_making_that_fails_says_why_and_the_next_one_comes(
    runtime: tuple[Client, Runtime], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client, opened = runtime
    track(client, 1)
    pointer = tmp_path / "models" / "ecommerce" / "champion"
    version = pointer.read_text()
    pointer.unlink()
    with pytest.raises(RefreshFailed, match="no model is registered for the journey 'ecommerce'"):
        client.run(make_anew(opened))

    async def until_made() -> None:
        keeping = asyncio.create_task(keep_fresh(opened))
        while "no model is registered" not in caplog.text:
            await asyncio.sleep(0.1)
        pointer.write_text(version)
        while current_building(tmp_path, "ecommerce") is None:
            await asyncio.sleep(0.1)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    client.run(asyncio.wait_for(until_made(), 240))
    # Said once, not at every try.
    assert caplog.text.count("no model is registered") == 1
