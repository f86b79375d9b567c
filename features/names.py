"""Names of events as a journey means them: declared as they are, by another spelling, or by an alias."""

import re
from collections.abc import Iterable, Mapping

_SNAKE = re.compile(r"[^0-9a-z]+")


def snake(name: str) -> str:
    """Return a name as journeys spell theirs: ``Order Completed`` is ``order_completed``."""
    return _SNAKE.sub("_", name.lower()).strip("_")


class EventNames:
    """Which declared event a sent name means.

    ``aliases`` maps names as a client sends them to declared ones; they go before the other spelling.
    """

    def __init__(self, declared: Iterable[str], aliases: Mapping[str, str] | None = None) -> None:
        self._declared = frozenset(declared)
        self._aliases = dict(aliases or {})

    def find(self, sent: str) -> str | None:
        """Return the declared name that ``sent`` means, or None for an unknown one."""
        if sent in self._declared:
            return sent
        meant = self._aliases.get(sent)
        if meant is not None:
            return meant
        spelt = snake(sent)
        return spelt if spelt in self._declared else self._aliases.get(spelt)

    def kept(self, sent: str) -> str:
        """Return the name under which an event is kept: unknown ones stay as they were sent."""
        return self.find(sent) or sent
