"""What is said of a database that fails: at once, and then once a minute, however many requests meet it."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from storage.failures import explain, kind_of

_LOG = logging.getLogger("dropoff.serving")
_AGAIN_SECONDS = 60.0


@dataclass(slots=True)
class Outages:
    """When each kind of failure was last told of, and how many requests have met it since; ``clock`` is monotonic."""

    clock: Callable[[], float] = time.monotonic
    _told: dict[str, tuple[float, int]] = field(default_factory=dict)

    def tell(self, route: str, error: Exception) -> None:
        """Say that a route was answered with 503, unless that was said of the same failure within a minute."""
        kind, now = kind_of(error), self.clock()
        last, more = self._told.get(kind, (None, 0))
        if last is not None and now - last < _AGAIN_SECONDS:
            self._told[kind] = (last, more + 1)
            return
        others = f" ({more:,} more requests since this was last said)" if more else ""
        _LOG.error("%s cannot reach the database: %s%s", route, explain(error), others)
        self._told[kind] = (now, 0)
