"""Start the service from the command line: on this machine, or, once there are keys, for others too."""

import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

from serving.configuration import Configuration, ConfigurationError
from serving.start import StartError, check_database, find_source, load_model, require_keys

__all__ = ["StartError", "serve"]

_LOCAL = "127.0.0.1"


def serve(
    journey: str,
    *,
    host: str = _LOCAL,
    port: int = 3000,
    workers: int = 1,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve a journey's champion at ``host`` until interrupted; ``ready`` is called with the address.

    Settings come from the environment (``serving.configuration``). Raises :class:`StartError` with one sentence
    where the service cannot start.
    """
    if workers != 1:
        raise StartError(
            f"the service runs with one worker, not {workers}: a session lives in the memory of one process, and "
            "another worker would answer without having seen its events; start it with --workers 1"
        )
    _configure(journey)
    configuration = _configuration()
    load_model(find_source(configuration))
    check_database(configuration)
    require_keys(configuration, host)
    listening = _listen(host, port)
    try:
        _run(configuration, listening, ready)
    finally:
        listening.close()


def _configure(journey: str) -> None:
    """Put into the environment what the service reads from it, so that it does not depend on the folder."""
    is_path = journey.endswith(".py") or "/" in journey
    os.environ["DROPOFF_JOURNEY"] = str(Path(journey).expanduser().resolve()) if is_path else journey
    os.environ["DROPOFF_HOME"] = str(_configuration().home.resolve())


def _configuration() -> Configuration:
    try:
        return Configuration.from_environment(os.environ)
    except ConfigurationError as error:
        raise StartError(str(error)) from error


def _listen(host: str, port: int) -> socket.socket:
    # asyncio sends small answers at once (TCP_NODELAY) only where a socket names its protocol; otherwise each would
    # wait some forty milliseconds for the client's acknowledgement of the headers.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise StartError(f"cannot listen on {host}:{port} ({error}): choose another --port") from error
    return listening


def _run(configuration: Configuration, listening: socket.socket, ready: Callable[[str], None] | None) -> None:
    import uvicorn

    from serving.connections import uvicorn_options
    from serving.service import Dropoff

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for name in ("bentoml", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    host, port = listening.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started and ready is not None:
                ready(address)

    server = Server(uvicorn.Config(Dropoff.to_asgi(is_main=True), **uvicorn_options(configuration)))
    server.run(sockets=[listening])
    if not server.started:
        raise StartError("the service did not start: the lines above say why")
