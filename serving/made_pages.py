"""Pages that were made a moment ago, kept for the downloads on them and for the next reader."""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence

from insights.facts import Facts
from insights.pages.make import MadePage, make_page
from insights.pages.site import Entry
from insights.sessions import LiveSessions
from journeys.journey import Journey
from storage.records import Records

_MOST_PAGES = 60
_KEEP_SECONDS = 600.0
_Key = tuple[str, str, tuple[tuple[str, str], ...]]


class MadePages:
    """The latest pages by address, for as long as the facts and the records they were made of are the current ones.

    For any thread. Pages whose address chooses more than filters are made each time: they may tell of live sessions.
    """

    def __init__(self) -> None:
        self._pages: OrderedDict[_Key, tuple[float, Records, MadePage]] = OrderedDict()
        self._folder = ""
        self._lock = threading.Lock()

    def make(
        self,
        entry: Entry,
        journey: Journey,
        facts: Facts,
        records: Records,
        query: Sequence[tuple[str, str]],
        live: LiveSessions,
    ) -> MadePage:
        """Return a page, made now or before; raises ``FilterError`` for what its address does not know."""
        key = (entry.slug, str(facts.folder), tuple(query))
        with self._lock:
            if key[1] != self._folder:
                # Newer facts, or others after somebody was erased: what was made of the former is not kept.
                self._folder = key[1]
                self._pages.clear()
            kept = self._pages.get(key)
        if kept is not None and kept[1] == records and time.monotonic() - kept[0] < _KEEP_SECONDS:
            return kept[2]
        made = make_page(entry, journey, facts, records, query, live)
        if not any(value for _, value in made.view.query):
            with self._lock:
                if key[1] == self._folder:
                    self._pages[key] = (time.monotonic(), records, made)
                    self._pages.move_to_end(key)
                while len(self._pages) > _MOST_PAGES:
                    self._pages.popitem(last=False)
        return made
