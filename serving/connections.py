"""Connections of clients that take their time, on purpose or not: none may hold one for long, and all together so many.

uvicorn ends a connection that is idle between two requests, and h11 refuses a head of more than 64 KiB; neither notices
a client that sends the head, or the body, a byte at a time, or that does not read its answer.
"""

import resource
from contextlib import suppress
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from serving.configuration import Configuration
from serving.errors import ClientError

_LOOK_SECONDS = 1.0
_GRACE_SECONDS = 2.0
_KEEP_ALIVE_SECONDS = 5
_SPARE_FILES = 64
"""Files that the process needs beside its connections."""


class PatientProtocol(H11Protocol):
    """uvicorn's, with an end to its patience; :func:`uvicorn_options` sets the limits."""

    head_seconds: ClassVar[float]
    body_seconds: ClassVar[float]
    most_connections: ClassVar[int]

    _waiting_for: str | None = None
    _since = 0.0
    _unread_since: float | None = None
    _looking: Any = None

    def connection_made(self, transport: Any) -> None:
        """Take a connection, or say that there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            self._refuse(ClientError(503, "too_many_connections", "Too many clients are connected: try again."))
            return
        self._note()
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, and note what is still to come."""
        super().data_received(data)
        self._note()

    def on_response_complete(self) -> None:
        """Note that the next request is to come."""
        super().on_response_complete()
        self._note()

    def _note(self) -> None:
        state = self.conn.their_state
        waiting_for = "head" if state is h11.IDLE else "body" if state is h11.SEND_BODY else None
        if waiting_for != self._waiting_for:
            self._waiting_for = waiting_for
            self._since = self.loop.time()

    def _look_later(self) -> None:
        self._looking = self.loop.call_later(min(_LOOK_SECONDS, self.head_seconds / 2), self._look)

    def _look(self) -> None:
        now = self.loop.time()
        if self._is_unread_for(now) > self.body_seconds:
            self.transport.abort()
            return
        waited = now - self._since
        if self._waiting_for == "head" and waited > self.head_seconds and not self.transport.is_closing():
            self._refuse(ClientError(408, "slow_request", f"No request came within {self.head_seconds:g} s."))
        elif self._waiting_for == "body" and waited > self.body_seconds + _GRACE_SECONDS:
            # The route has answered by now, or nobody waits for this body.
            self.transport.abort()
            return
        self._look_later()

    def _is_unread_for(self, now: float) -> float:
        """Return the seconds for which an answer has lain here that the client does not read."""
        if not self.transport.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        return 0.0 if self._unread_since is None else now - self._unread_since

    def _refuse(self, mistake: ClientError) -> None:
        body = mistake.body()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
        sent = [*headers, *(mistake.headers or {}).items()]
        with suppress(h11.LocalProtocolError):
            self.transport.write(self.conn.send(h11.Response(status_code=mistake.status, headers=sent)) or b"")
            self.transport.write(self.conn.send(h11.Data(data=body)) or b"")
            self.transport.write(self.conn.send(h11.EndOfMessage()) or b"")
        self.transport.close()


def uvicorn_options(configuration: Configuration) -> dict[str, Any]:
    """Return how uvicorn is to treat its clients; raises the limit of open files where they need more."""
    most_connections = _allow_files(configuration.max_connections)
    limits = {
        "head_seconds": configuration.head_seconds,
        "body_seconds": configuration.body_seconds,
        "most_connections": most_connections,
    }
    return {
        "http": type("Protocol", (PatientProtocol,), limits),
        "ws": "none",
        "timeout_keep_alive": _KEEP_ALIVE_SECONDS,
        # The guard believes the proxies that are named, uvicorn would believe any on this machine.
        "proxy_headers": False,
        "server_header": False,
        # Addresses carry keys.
        "access_log": False,
        "log_config": None,
        "lifespan": "on",
    }


def _allow_files(connections: int) -> int:
    """Return how many connections can be open at once, as many as are asked for where the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        return max(1, allowed - _SPARE_FILES)
    return connections
