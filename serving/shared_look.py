"""One look on behalf of all who wait for one."""

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary


class SharedLook:
    """Looks for what others have done, in a thread; whoever asks is answered by a look that began after that.

    Who asks while a look goes on waits for the next one, together with all who ask meanwhile. So under load there are
    as many looks as one after the other can be, however many ask. Those of another event loop look by themselves.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._lines: WeakKeyDictionary[asyncio.AbstractEventLoop, _Line] = WeakKeyDictionary()

    async def __call__(self) -> None:
        """Return once all is known that had been done when this was called; raises what the look raises."""
        line = self._lines.setdefault(asyncio.get_running_loop(), _Line(self._look))
        await asyncio.shield(line.next_look())


class _Line:
    """The looks of one event loop, one after the other."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._going_on: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    def next_look(self) -> "asyncio.Task[None]":
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._going_on))
        return self._next

    async def _after(self, earlier: "asyncio.Task[None] | None") -> None:
        if earlier is not None:
            await asyncio.wait([earlier])
        # From here on it is too late to be answered by this one.
        self._going_on, self._next = self._next, None
        try:
            await asyncio.to_thread(self._look)
        finally:
            # A task keeps its loop, which would never be forgotten.
            self._going_on = None
