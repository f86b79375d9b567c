"""Start the service from the command line: on this machine, or, once there are keys, for others too."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

from serving.configuration import Configuration
from serving.environment import ConfigurationError
from serving.errors import StartError
from serving.logs import write_logs
from serving.supervise import supervise

__all__ = ["StartError", "serve"]

_LOCAL = "127.0.0.1"


def serve(
    journey: str,
    *,
    host: str = _LOCAL,
    port: int = 3000,
    workers: int | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve a journey's champion at ``host`` until interrupted; ``ready`` is called with the address.

    By default there are as many workers as ``DROPOFF_WORKERS`` says. Settings come from the environment
    (``serving.configuration``). Raises :class:`StartError` with one sentence where the service cannot start.
    """
    _configure(journey)
    configuration = _configuration()
    count = configuration.workers if workers is None else workers
    write_logs(configuration.logs)
    if count == 1:
        # Libraries that a supervisor has no need of.
        from serving.worker import check_start, serve_on

        check_start(configuration, host)
    listening = _listen(host, port)
    name, number = listening.getsockname()[:2]
    address = f"http://{f'[{name}]' if ':' in name else name}:{number}"

    def answering() -> None:
        if ready is not None:
            ready(address)

    try:
        if count == 1:
            serve_on(listening, configuration, answering)
        else:
            supervise(listening, count, answering, configuration.drain_seconds)
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
