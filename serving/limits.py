"""How fast somebody may go: token buckets, one for each key or address, in bounded memory."""

from collections import OrderedDict

from features.events import US_PER_SECOND

_MOST_BUCKETS = 20_000


class Limits:
    """Token buckets by name; of more than some thousands the one that was used least recently is forgotten.

    A bucket is one number, the moment at which it will be full again (the "virtual scheduling" form of ITU-T I.371's
    generic cell rate algorithm), so that an unused one needs no refilling.
    """

    def __init__(self, most_buckets: int = _MOST_BUCKETS) -> None:
        self._full_at_us: OrderedDict[str, float] = OrderedDict()
        self._most_buckets = most_buckets

    def take(self, name: str, per_second: float, at_once: float, now_us: int) -> int:
        """Take a token and return 0, or, where none is left, take none and return the microseconds until there is.

        A bucket holds ``at_once`` tokens, 1 or more, and gets ``per_second`` of them a second.
        """
        wait_us = self.wait_us(name, per_second, at_once, now_us)
        if wait_us:
            return wait_us
        self._full_at_us[name] = max(self._full_at_us.get(name, 0.0), now_us) + US_PER_SECOND / per_second
        self._full_at_us.move_to_end(name)
        if len(self._full_at_us) > self._most_buckets:
            self._full_at_us.popitem(last=False)
        return 0

    def wait_us(self, name: str, per_second: float, at_once: float, now_us: int) -> int:
        """Return the microseconds until there is a token, 0 where there is one; takes none."""
        filling_us = self._full_at_us.get(name, 0.0) - now_us
        token_us = US_PER_SECOND / per_second
        # Rounded, so that neither a sum of fractions nor a clock that was set back keeps somebody out for long.
        return max(0, round(min(filling_us, at_once * token_us) + token_us - at_once * token_us))
