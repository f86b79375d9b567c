"""Which kind of device somebody uses: mobile, tablet or desktop, as far as it is told."""

import re

_TABLET = re.compile(r"ipad|tablet|kindle|silk|android(?!.*mobi)", re.IGNORECASE)
_MOBILE = re.compile(r"mobi|iphone|ipod|android|windows phone", re.IGNORECASE)
_DEVICE_TYPES = {"ios": "mobile", "android": "mobile", "phone": "mobile", "web": "desktop"}


def device_of_type(said: str) -> str:
    """Return what a client calls the device, in our words where we have one."""
    return _DEVICE_TYPES.get(said.lower(), said.lower())


def device_of_agent(agent: str) -> str:
    """Return the device of a browser by its ``User-Agent``."""
    if _TABLET.search(agent):
        return "tablet"
    return "mobile" if _MOBILE.search(agent) else "desktop"
