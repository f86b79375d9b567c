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
        for_all = _places(given.get(EVERY_EVENT, {}))
        self._of_all = for_all
        self._of = {event: (*_places(own), *for_all) for event, own in given.items() if event != EVERY_EVENT}
        self._names = frozenset(
            name for found in (for_all, *self._of.values()) for _, places in found for name, _ in places
        )

    def fill(self, event: str, properties: dict[str, Any]) -> None:
        """Add to an event's properties the declared ones that it has under another name."""
        if self._names.isdisjoint(properties):
            return
        # Every event that is received comes by here: what most of them do not have is found out first.
        for declared, places in self._of.get(event, self._of_all):
            if properties.get(declared) is not None:
                continue
            for name, path in places:
                value = properties.get(name)
                if value is not None and (value := _at(value, path)) is not None:
                    properties[declared] = value
                    break


_Places = tuple[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], ...]


def _places(aliases: Mapping[str, tuple[str, ...]]) -> _Places:
    """Return each declared property with its places: the name of a property, and the path within its value."""
    return tuple(
        (declared, tuple((name, tuple(path)) for name, *path in (place.split(".") for place in places)))
        for declared, places in aliases.items()
    )


def _at(value: object, path: tuple[str, ...]) -> object:
    """Return the text, number or truth at a path; None where there is none."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return None if isinstance(value, dict | list) else value
