"""What the address of a page tells of how somebody came: source, medium, campaign and the id of the click.

The parameters are those of Google Analytics (``utm_*``) and the ids that advertisers put into the links of their ads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

_LONGEST_QUERY, _LONGEST_CACHED, _LONGEST_WORD = 8_192, 512, 200

CLICK_IDS: Mapping[str, tuple[str, str | None]] = {
    "gclid": ("google", "cpc"),
    "wbraid": ("google", "cpc"),
    "gbraid": ("google", "cpc"),
    "dclid": ("google", "cpm"),
    "msclkid": ("bing", "cpc"),
    "yclid": ("yandex", "cpc"),
    # These are put into links that nobody paid for, too: they say nothing about the medium.
    "fbclid": ("facebook", None),
    "igshid": ("instagram", None),
    "ttclid": ("tiktok", None),
    "twclid": ("twitter", None),
    "li_fat_id": ("linkedin", None),
    "ScCid": ("snapchat", None),
    "epik": ("pinterest", None),
    "rdt_cid": ("reddit", None),
    "irclickid": ("impact", "affiliate"),
    "click_id": ("", None),
}
"""Parameters that carry a click's id, the surest first, with the source and medium that they stand for."""


@dataclass(frozen=True, slots=True)
class Landing:
    """How somebody came to a page; None for what its address does not tell."""

    source: str | None = None
    medium: str | None = None
    campaign: str | None = None
    click_id: str | None = None


NOWHERE = Landing()
"""Of an address without such parameters."""


def read_landing(address: str | None) -> Landing:
    """Return what an address, or only the part from its question mark on, tells."""
    if not address or "=" not in address:
        return NOWHERE
    # Most events of a visit come from the same few addresses.
    return (_cached if len(address) <= _LONGEST_CACHED else _read)(address)


def path_of(address: str | None) -> str | None:
    """Return the path of an address, None where it has none."""
    try:
        return urlsplit(address).path or None if address else None
    except ValueError:
        # A host in brackets that is no address.
        return None


def _read(address: str) -> Landing:
    query = address.partition("#")[0][:_LONGEST_QUERY].rpartition("?")[2]
    said = {name: _word(value) for name, value in reversed(parse_qsl(query, errors="replace"))}
    click = next((name for name in CLICK_IDS if said.get(name)), None)
    source, medium = CLICK_IDS[click] if click else ("", None)
    return Landing(
        source=said.get("utm_source") or source or None,
        medium=said.get("utm_medium") or medium,
        campaign=said.get("utm_campaign") or None,
        click_id=said[click] if click else None,
    )


_cached = lru_cache(maxsize=2_048)(_read)


def _word(value: str) -> str:
    # No database keeps NUL, which an address can spell %00.
    return value.replace("\x00", "").strip()[:_LONGEST_WORD]
