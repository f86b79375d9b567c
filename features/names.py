"""Names of events and properties as a journey means them: declared as they are, by another spelling, or by an alias."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

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


EVERY_EVENT = ""
"""In the place of an event's name: whatever the event."""


class PropertyNames:
    """Where clients put the properties that a journey declares.

    ``aliases`` maps an event, or :data:`EVERY_EVENT`, to declared properties and the places where others keep them, of
    which the first with a value counts: a name, or a path through objects and lists (``"items.0.item_id"``). What is
    said of one event goes before what is said of all.
    """

    def __init__(self, aliases: Mapping[str, Mapping[str, tuple[str, ...]]] | None = None) -> None:
        given = aliases or {}
        for_all = _paths(given.get(EVERY_EVENT, {}))
        self._of_all = for_all
        self._of = {event: (*_paths(own), *for_all) for event, own in given.items() if event != EVERY_EVENT}
        self._tops = frozenset(
            path[0] for found in (for_all, *self._of.values()) for _, paths in found for path in paths
        )

    def fill(self, event: str, properties: dict[str, Any]) -> None:
        """Add to an event's properties the declared ones that it has under another name."""
        if self._tops.isdisjoint(properties):
            return
        for declared, paths in self._of.get(event, self._of_all):
            if properties.get(declared) is not None:
                continue
            value = next((found for path in paths if (found := _at(properties, path)) is not None), None)
            if value is not None:
                properties[declared] = value


_Paths = tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]


def _paths(aliases: Mapping[str, tuple[str, ...]]) -> _Paths:
    return tuple((declared, tuple(tuple(place.split(".")) for place in places)) for declared, places in aliases.items())


def _at(properties: Mapping[str, Any], path: tuple[str, ...]) -> object:
    """Return the text, number or truth at a path; None where there is none."""
    value: object = properties
    for step in path:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return None if isinstance(value, Mapping | list) else value
