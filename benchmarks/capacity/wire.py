"""A connection through which everything passes, and is counted."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CHUNK_BYTES = 65_536


class CountedWire:
    """Listens on a free port of this machine and hands on to another; ``bytes`` went through it, both ways."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.bytes = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._connected: set[asyncio.Task[object]] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Hand on nothing more, and close what is open."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connect, sock=self._listening)
        await self._over.wait()
        server.close()
        for writer in self._open:
            writer.close()
        # Those that hand on see the end of what they read.
        for writer in [*self._open]:
            with suppress(ConnectionError):
                await writer.wait_closed()
        await asyncio.gather(*self._connected, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._to)
        task = asyncio.current_task()
        assert task is not None
        self._connected.add(task)
        self._open |= {writer, other_writer}
        await asyncio.gather(self._hand_on(reader, other_writer), self._hand_on(other_reader, writer))
        self._open -= {writer, other_writer}
        self._connected.discard(task)

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(_CHUNK_BYTES):
                self.bytes += len(chunk)
                writer.write(chunk)
                await writer.drain()
            writer.close()


@contextmanager
def counted(port: int) -> Iterator[CountedWire]:
    """Count what goes to a port and comes back until the end of the block."""
    wire = CountedWire(port)
    try:
        yield wire
    finally:
        wire.stop()
