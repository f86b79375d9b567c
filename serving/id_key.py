"""The key that ids of people are hashed with: one for all processes that ever write into a journey's database."""

import hashlib
import hmac

from serving.errors import StartError
from serving.runtime import Runtime
from storage.database import writing
from storage.leases import Leases

_ABOUT = b"dropoff: the key of ids"


def require_same_key(runtime: Runtime) -> None:
    """Raise :class:`StartError` where the database was begun with another key; keeps a fingerprint of the first one.

    With two keys one person has two ids: known to nobody as one, nudged twice, and erased by halves.
    """
    fingerprint = hmac.new(runtime.privacy.key, _ABOUT, hashlib.sha256).hexdigest()[:16]
    name = f"ids:{runtime.journey.name}"
    with writing(runtime.engine) as connection:
        begun_with = Leases(runtime.engine).claim(connection, name, fingerprint)
    if begun_with != fingerprint:
        raise StartError(
            "the database was begun with another key for hashing ids: give every replica the same DROPOFF_ID_SECRET, "
            "or the file secrets/ids of the home that began it; where that key is lost, delete the row of "
            f"{name!r} from the table leases, and people whose ids are hashed begin anew"
        )
