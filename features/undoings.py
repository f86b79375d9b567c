"""What people have undone about who is who, carried along in the Parquet file of an exported log.

Everything else about it is in the events themselves; an undoing is nobody's event.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from features.identity import Link

_KEY = b"dropoff.identity.undoings"


def pack_undoings(links: Sequence[Link]) -> dict[bytes, bytes]:
    """Return rows that no event made as the metadata of a Parquet file."""
    return {_KEY: msgspec.json.encode(links)} if links else {}


def find_undoings(files: Sequence[Path]) -> list[Link]:
    """Return the rows that no event made, of all files of a Parquet log; the oldest first."""
    found: list[Link] = []
    for file in files:
        with file.open("rb") as content:
            packed = (pq.read_schema(content).metadata or {}).get(_KEY)
        found += msgspec.json.decode(packed, type=list[Link]) if packed else []
    return sorted(found, key=lambda link: link.received_us)
