"""What it costs to ask who somebody is: microseconds a request, on one core.

python -m benchmarks access
"""

import asyncio
import time
from base64 import b64encode
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from benchmarks.report import Figure, Report
from serving.access import Access, Permission
from serving.admission import admit
from serving.guard import Guard
from serving.runtime import Runtime
from storage.key_store import Grant, StoredKey
from storage.key_text import digest_of, new_key

_REPEATS, _CALLS = 7, 5_000
_KEYS = 100
_NOW_US = 1_772_368_200_000_000


def run() -> Report:
    """Measure admission without keys, with one of a hundred keys, and with one that has a limit; and the guard."""
    made = [new_key() for _ in range(_KEYS)]
    limited = Grant("limited", frozenset({"write"}), requests_per_second=1e9)
    grants = [Grant("any", frozenset({"write"})), *[limited] * (_KEYS - 1)]
    keys = [StoredKey(key.key_id, grant, digest_of(key.text), _NOW_US) for key, grant in zip(made, grants, strict=True)]
    closed, opened = Access("ecommerce"), Access("ecommerce")
    closed.renew(keys, frozenset())
    figures = [
        Figure("admission without keys, us", f"{_admission_us(opened, None):.2f}"),
        Figure("admission with a key (Bearer), us", f"{_admission_us(closed, f'Bearer {made[0].text}'):.2f}"),
        Figure("admission with a key (Basic), us", f"{_admission_us(closed, _basic(made[0].text)):.2f}"),
        Figure("admission with a key and a limit, us", f"{_admission_us(closed, f'Bearer {made[1].text}'):.2f}"),
        Figure("the guard before all routes, with its headers, us", f"{_guard_us(closed):.2f}"),
    ]
    return Report("Who may ask: cost a request", "python -m benchmarks access", figures)


def _basic(text: str) -> str:
    return f"Basic {b64encode(f'{text}:'.encode()).decode()}"


def _scope(authorization: str | None) -> Scope:
    named = {"host": "127.0.0.1:3000", "user-agent": "benchmark", "content-type": "application/json", "accept": "*/*"}
    named |= {"content-length": "500", "connection": "keep-alive"}
    named |= {"authorization": authorization} if authorization else {}
    return {
        "type": "http",
        "method": "POST",
        "path": "/v1/track",
        "raw_path": b"/v1/track",
        "query_string": b"",
        "scheme": "http",
        "client": ("127.0.0.1", 5000),
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }


def _admission_us(access: Access, authorization: str | None) -> float:
    runtime = cast("Runtime", SimpleNamespace(access=access, now_us=lambda: _NOW_US))
    scope = _scope(authorization)

    async def once() -> None:
        await admit(runtime, Request(scope), (Permission.WRITE,))

    async def bare() -> None:
        Request(scope)

    return _best_us(once) - _best_us(bare)


def _guard_us(access: Access) -> float:
    served = Starlette()
    served.state.runtime = SimpleNamespace(access=access)
    scope, start = _scope(None), {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}

    async def answering(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(dict(start))

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_: Message) -> None:
        """Send nothing."""

    guarded = Guard(answering, 1_000, served)

    async def once() -> None:
        await guarded(scope, receive, send)

    async def bare() -> None:
        await answering(scope, receive, send)

    return _best_us(once) - _best_us(bare)


def _best_us(once: Callable[[], Any]) -> float:
    async def many() -> float:
        began = time.perf_counter()
        for _ in range(_CALLS):
            await once()
        return (time.perf_counter() - began) / _CALLS * 1e6

    return min(asyncio.run(many()) for _ in range(_REPEATS))
