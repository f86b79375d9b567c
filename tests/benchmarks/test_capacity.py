"""What measures costs: threads and bytes are counted, the page is written from them, and the simulation is weighed."""

import json
import os
import socket
import threading
import time
from pathlib import Path

import msgspec
import pytest
from made_costs import COSTS

from benchmarks.capacity import traffic
from benchmarks.capacity.check import Check, Checked
from benchmarks.capacity.page import parts_of_check, parts_of_costs, write_figures
from benchmarks.capacity.picture import draw_check
from benchmarks.capacity.report import Measured, report
from benchmarks.capacity.wire import counted
from benchmarks.processes import cpu_seconds, thread_seconds
from capacity.costs import BATCH, EVENT, read_costs
from journeys.load import load_journey

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
CHECK = Check(
    [Checked("event", 110.0, 100.0, (9.0, 30.0), (10.0, 20.0))],
    [Checked("40%", 50.0, 50.0, (10.0, 20.0), (10.0, 40.0))],
)


def test_the_page_says_what_follows_from_the_costs_that_ship() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, content in parts_of_costs(read_costs()).items():
        assert f"<!-- {name} -->\n\n{content}\n\n<!-- /{name} -->" in text, (
            f"run python -m benchmarks.capacity --pages: {name} is of other costs"
        )


def test_figures_are_put_between_their_marks_and_nothing_else_is_touched(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a -->\n\nold\n\n<!-- /a -->\nafter\n<!-- b -->\n\nkept\n\n<!-- /b -->\n")
    write_figures(page, {"a": "new \\1"})
    expected = "before\n<!-- a -->\n\nnew \\1\n\n<!-- /a -->\nafter\n<!-- b -->\n\nkept\n\n<!-- /b -->\n"
    assert page.read_text() == expected
    with pytest.raises(ValueError, match="has no part <!-- c -->"):
        write_figures(page, {"c": "lost"})


def test_errors_of_the_simulation_are_shares_of_what_was_measured() -> None:
    assert CHECK.fastest[0].errors == pytest.approx((0.1, -0.1, 0.5))
    said = parts_of_check(CHECK)["check"]
    assert "| one event, as fast as it goes | 110 (100) | 9.0 (10.0) ms | 30.0 (20.0) ms | +10%, -10%, +50% |" in said
    # Means of 10 and 0, of 10 and 0, of 50 and 50.
    assert "5%, 5%, 50% |" in said


def test_a_report_has_a_million_events_and_a_thousand_decisions() -> None:
    figures = {one.what: one.value for one in report(Measured(COSTS, CHECK)).figures}
    [events] = [value for what, value in figures.items() if what.startswith("a million events, one a request: proc")]
    # 2 ms of a worker, .1 ms of Redis, 2 ms of PostgreSQL and 10 ms of the turn, a million times.
    assert events == "2e+03, 100, 2e+03, 1e+04"
    [decisions] = [value for what, value in figures.items() if what.startswith("a thousand decisions: proc")]
    assert decisions == "3, 0, 0, 5"


def test_the_picture_of_a_check_is_drawn(tmp_path: Path) -> None:
    draw_check(CHECK, tmp_path / "check.png")
    assert (tmp_path / "check.png").stat().st_size > 5_000


def test_every_byte_that_passes_is_counted_both_ways() -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def echo() -> None:
        connection, _ = server.accept()
        with connection:
            while content := connection.recv(4_096):
                connection.sendall(content)

    threading.Thread(target=echo, daemon=True).start()
    with server, counted(server.getsockname()[1]) as wire:
        with socket.create_connection(("127.0.0.1", wire.port)) as client:
            client.sendall(b"x" * 1_000)
            got = b""
            while len(got) < 1_000:
                got += client.recv(4_096)
        assert wire.bytes == 2_000


def test_processor_time_is_counted_by_thread() -> None:
    own = threading.get_native_id()
    before, started = thread_seconds(os.getpid())[own], time.thread_time()
    while time.thread_time() - started < 0.2:
        pass
    assert thread_seconds(os.getpid())[own] - before == pytest.approx(0.2, abs=0.05)
    assert cpu_seconds(os.getpid()) > 0.1


def test_what_is_sent_are_new_events_of_the_journey(tmp_path: Path) -> None:
    journey = load_journey("ecommerce")
    path = tmp_path / "bodies"
    many = traffic.write_bodies(journey, path)
    bodies = msgspec.msgpack.decode(path.read_bytes(), type=dict[str, list[bytes]])
    assert {kind: len(found) for kind, found in bodies.items()} == many
    one, batch = json.loads(bodies[EVENT][0]), json.loads(bodies[BATCH][0])["batch"]
    assert len(batch) == 100
    for event in (one, *batch):
        assert event["event"] in journey.events
        assert event["event"] not in journey.ends.all_names
        # With an id of its own it would be a duplicate when it is sent again.
        assert "messageId" not in event
    asked = {event["anonymousId"] for body in bodies[traffic.FILL] for event in json.loads(body)["batch"]}
    assert asked == {json.loads(body)["visitor_id"] for body in bodies["score"]}
