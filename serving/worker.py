"""One process that serves: checks what it needs, loads the model, and answers on a socket that is given to it.

``python -m serving.worker LISTENING CHANNEL`` is how :mod:`serving.supervise` starts one of several: the numbers of the
socket that all listen on, and of one to the supervisor, which hears that the worker is ready and goes on living.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType

import uvicorn

from serving.configuration import Configuration
from serving.connections import uvicorn_options
from serving.drain import drain, is_draining
from serving.environment import ConfigurationError
from serving.errors import StartError
from serving.export_spans import check_traces
from serving.follow_ups import check_follow_ups
from serving.keyed import require_keys
from serving.logs import write_logs
from serving.redis_visitors import check_redis_address
from serving.start import check_database, find_source, load_model

BEAT_SECONDS = 1.0
"""How often a worker says that its loop turns."""
_BACKLOG = 2_048
_STOP_SECONDS = 10
"""How long a worker that stops waits for the requests that it is answering."""


def check_start(configuration: Configuration, host: str) -> None:
    """Raise :class:`StartError` with one sentence where the service could not start at ``host``."""
    check_follow_ups(configuration)
    if configuration.traces_url:
        check_traces(configuration.traces_url)
    if configuration.redis_url:
        try:
            check_redis_address(configuration.redis_url)
        except ConfigurationError as error:
            raise StartError(str(error)) from None
    load_model(find_source(configuration))
    check_database(configuration)
    require_keys(configuration, host)


def serve_on(
    listening: socket.socket,
    configuration: Configuration,
    ready: Callable[[], None],
    beat: Callable[[], None] | None = None,
) -> None:
    """Serve until a signal ends it; ``ready`` is called once requests are answered, ``beat`` every second from then on.

    Raises :class:`StartError` where the service did not start.
    """
    from serving.service import APP, Dropoff

    write_logs(configuration.logs)

    async def beat_on() -> None:
        while beat is not None:
            beat()
            await asyncio.sleep(BEAT_SECONDS)

    class Server(uvicorn.Server):
        beating: asyncio.Task[None] | None = None
        loop: asyncio.AbstractEventLoop | None = None

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                self.loop = asyncio.get_running_loop()
                ready()
                self.beating = asyncio.create_task(beat_on())

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if sig == signal.SIGTERM and configuration.drain_seconds and self.loop and not is_draining(APP):
                drain(APP)
                stop = partial(super().handle_exit, sig, frame)
                self.loop.call_soon_threadsafe(self.loop.call_later, configuration.drain_seconds, stop)
                return
            super().handle_exit(sig, frame)

    options = uvicorn_options(configuration)
    if isinstance(listening, SharedListener):
        # asyncio takes as many connections at once as its queue is long: one worker would get them all.
        options["backlog"] = 1
    app = Dropoff.to_asgi(is_main=True)
    server = Server(uvicorn.Config(app, timeout_graceful_shutdown=_STOP_SECONDS, **options))
    server.run(sockets=[listening])
    if not server.started:
        raise StartError("the service did not start: the lines above say why")


class SharedListener(socket.socket):
    """A socket that several processes accept from."""

    def listen(self, _backlog: int = 0, /) -> None:
        """Listen with the queue of all workers: asyncio would give it the length of its own.

        Nobody listens before the first worker answers: a proxy would send requests that wait until then.
        """
        super().listen(_BACKLOG)


def main() -> None:
    """Serve as one of several workers until the supervisor says so, or is no more."""
    # Of an existing socket Python finds the protocol out, by which asyncio knows to send small answers at once.
    listening = SharedListener(fileno=int(sys.argv[1]))
    channel = socket.socket(fileno=int(sys.argv[2]))
    threading.Thread(target=_follow, args=(channel,), daemon=True).start()

    def tell(what: dict[str, str]) -> None:
        # A supervisor that is stopped reads nothing; nobody waits for it.
        with suppress(OSError):
            channel.send(json.dumps(what).encode() + b"\n", socket.MSG_DONTWAIT)

    try:
        configuration = Configuration.from_environment()
        check_start(configuration, listening.getsockname()[0])
        serve_on(listening, configuration, lambda: tell({"ready": ""}), lambda: tell({"beat": ""}))
    except (StartError, ValueError) as error:
        tell({"error": str(error)})
        sys.exit(1)
    except KeyboardInterrupt:
        # The terminal tells every process of the group; the supervisor answers for all.
        pass


def _follow(channel: socket.socket) -> None:
    with suppress(OSError):
        channel.recv(1)
    # The supervisor has ended, however that was: nobody would restart or stop this worker.
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
