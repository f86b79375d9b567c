"""What is said of a database that fails, and how often."""

import logging
import sqlite3
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from conftest import OpenClient
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from serving.outages import Outages


def failure(said: str, code: str) -> OperationalError:
    error = sqlite3.OperationalError(said)
    error.sqlite_errorname = code
    return OperationalError("SELECT 1", {}, error)


def test_a_failure_is_said_at_once_and_then_once_a_minute_with_how_many_met_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    outages = Outages(lambda: now)
    for second in range(121):
        now = float(second)
        outages.tell("/v1/track", failure(f"locked by {second}", "SQLITE_BUSY"))
    said = [record.getMessage() for record in caplog.records]
    assert ["(" in one for one in said] == [False, True, True]
    assert all("locked by" in one and "(59 more requests" in one for one in said[1:])


def test_another_failure_is_said_at_once(caplog: pytest.LogCaptureFixture) -> None:
    outages = Outages(lambda: 0.0)
    for code in ("SQLITE_BUSY", "SQLITE_FULL", "SQLITE_BUSY"):
        outages.tell("/v1/track", failure("no", code))
    assert len(caplog.records) == 2


def test_many_requests_without_a_database_write_one_line(
    open_client: OpenClient, caplog: pytest.LogCaptureFixture
) -> None:
    client, runtime = open_client()
    with runtime.engine.begin() as connection:
        connection.execute(text("ALTER TABLE events RENAME TO elsewhere"))
    call = {"event": "page_view", "anonymousId": "v"}
    answers = [client.post("/v1/track", call | {"messageId": str(number)}).status_code for number in range(20)]
    assert answers == [503] * 20
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert ["\n" in record.getMessage() for record in errors] == [False]
