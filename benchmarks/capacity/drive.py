"""A load in a process of its own: requests one after the other, as fast as they are answered, or at random moments.

    python -m benchmarks.capacity.drive < DRIVE.json

``DRIVE.json`` is a :class:`Drive`; a :class:`Driven` comes out. A latency counts from the moment that the request was
due, so that a stall is charged to every request that it held up.
"""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.service import ROOT

QUANTILES = 101
_WAITING_SECONDS = 30.0
# The event loop's timer is late by up to a millisecond or two, which is not the service's doing.
_TIMER_SECONDS = 0.002

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Drive(msgspec.Struct, frozen=True):
    """What to send: ``bodies`` is a file of each kind's bodies, ``addresses`` says where they go.

    With a ``rate`` requests come at random moments, so many a second, of the kinds in the ratio of ``weights``;
    without, each connection sends as soon as it is answered.
    """

    port: int
    bodies: str
    addresses: Mapping[str, str]
    weights: Mapping[str, float]
    connections: int
    seconds: float
    rate: float = 0.0
    first: int = 0
    seed: int = 1
    core: int | None = None


class Kind(msgspec.Struct, frozen=True):
    """What became of the requests of one kind: latencies in ms as quantiles 0, .01 ... 1, and bytes both ways."""

    requests: int
    failures: int
    quantiles_ms: tuple[float, ...]
    mean_ms: float
    request_bytes: float
    answer_bytes: float


class Driven(msgspec.Struct, frozen=True):
    """What a load saw, over how long, and the processor time that it took itself."""

    kinds: Mapping[str, Kind]
    seconds: float
    processor_seconds: float

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return sum(kind.requests for kind in self.kinds.values()) / self.seconds


def drive(given: Drive) -> Driven:
    """Send a load from a process of its own, and return what it saw."""
    command = [sys.executable, "-m", "benchmarks.capacity.drive"]
    done = subprocess.run(command, cwd=ROOT, input=msgspec.json.encode(given), check=True, capture_output=True)
    return msgspec.json.decode(done.stdout, type=Driven)


async def _send(given: Drive) -> Driven:
    bodies = msgspec.msgpack.decode(Path(given.bodies).read_bytes(), type=dict[str, list[bytes]])
    source = random.Random(given.seed)
    connections = [
        await asyncio.open_connection("127.0.0.1", given.port, limit=2**22) for _ in range(given.connections)
    ]
    saw: dict[str, list[tuple[float, bool, int, int]]] = {name: [] for name in given.weights}
    placed = dict.fromkeys(given.weights, given.first)
    names, weights = list(given.weights), list(given.weights.values())

    def next_request() -> tuple[str, bytes]:
        [name] = source.choices(names, weights)
        body = bodies[name][placed[name] % len(bodies[name])]
        placed[name] += 1
        head = f"POST {given.addresses[name]} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        return name, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, due: float) -> None:
        name, request = next_request()
        writer.write(request)
        answered = await reader.readuntil(b"\r\n\r\n")
        length = int(answered.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        took = time.perf_counter() - due
        saw[name].append((1e3 * took, answered[9:12] != b"200", len(request), len(answered) + length))

    spent, start = time.process_time(), time.perf_counter()
    if given.rate:
        await _at_random_moments(given, source, connections, ask)
    else:

        async def go_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while (now := time.perf_counter()) < start + given.seconds:
                await ask(reader, writer, now)

        await asyncio.gather(*(go_on(*connection) for connection in connections))
    elapsed, spent = time.perf_counter() - start, time.process_time() - spent
    for _, writer in connections:
        writer.close()
    return Driven({name: _kind(found) for name, found in saw.items() if found}, elapsed, spent)


async def _at_random_moments(
    given: Drive, source: random.Random, connections: Sequence[_Connection], ask: Callable[..., Awaitable[None]]
) -> None:
    free: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
    for connection in connections:
        free.put_nowait(connection)
    due = time.perf_counter()
    until = due + given.seconds
    tasks: set[asyncio.Task[None]] = set()

    async def one(moment: float) -> None:
        connection = await free.get()
        await ask(*connection, moment)
        free.put_nowait(connection)

    while (due := due + source.expovariate(given.rate)) < until:
        if (early := due - time.perf_counter() - _TIMER_SECONDS) > 0:
            await asyncio.sleep(early)
        while time.perf_counter() < due:
            await asyncio.sleep(0)
        task = asyncio.create_task(one(due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.wait_for(asyncio.gather(*tasks), _WAITING_SECONDS)


def _kind(found: list[tuple[float, bool, int, int]]) -> Kind:
    took = np.array([one[0] for one in found])
    quantiles = np.quantile(took, np.linspace(0, 1, QUANTILES))
    return Kind(
        requests=len(found),
        failures=sum(one[1] for one in found),
        quantiles_ms=tuple(float(one) for one in quantiles),
        mean_ms=float(took.mean()),
        request_bytes=float(np.mean([one[2] for one in found])),
        answer_bytes=float(np.mean([one[3] for one in found])),
    )


def main() -> None:
    """Read what to send, send it, and say what was seen."""
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=Drive)
    if given.core is not None:
        os.sched_setaffinity(0, [given.core])
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(_send(given))))


if __name__ == "__main__":
    main()
