"""Which kind of device somebody uses: mobile, tablet or desktop, as far as it is told."""

import re
from functools import lru_cache

_TABLET = re.compile(r"ipad|tablet|kindle|silk|android(?!.*mobi)", re.IGNORECASE)
_MOBILE = re.compile(r"mobi|iphone|ipod|android|windows phone", re.IGNORECASE)
_LONGEST_REMEMBERED = 512
_DEVICE_TYPES = {"ios": "mobile", "android": "mobile", "phone": "mobile", "web": "desktop"}


def device_of_type(said: str) -> str:
    """Return what a client calls the device, in our words where we have one."""
    return _DEVICE_TYPES.get(said.lower(), said.lower())


def device_of_agent(agent: str) -> str:
    """Return the device of a browser by its ``User-Agent``."""
    return _remembered(agent) if len(agent) <= _LONGEST_REMEMBERED else _read(agent)


def _read(agent: str) -> str:
    if _TABLET.search(agent):
        return "tablet"
    return "mobile" if _MOBILE.search(agent) else "desktop"


# A few hundred browsers send most of the events.
_remembered = lru_cache(maxsize=4_096)(_read)
