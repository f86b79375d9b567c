"""Stopping without losing a request: say that no more should come, answer those that do, and only then stop."""

from starlette.applications import Starlette
from starlette.types import Message, Send


def drain(app: Starlette) -> None:
    """Let ``/readyz`` say that the process is about to stop, and every answer end its connection."""
    app.state.draining = True


def is_draining(app: Starlette) -> bool:
    """Whether the process is about to stop."""
    return bool(getattr(app.state, "draining", False))


def parting(send: Send) -> Send:
    """Return a ``send`` that ends the connection after the answer.

    A proxy keeps connections open and may use one at the very moment at which it is closed here; it then cannot know
    whether its request was read.
    """

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await send(message)

    return sending
