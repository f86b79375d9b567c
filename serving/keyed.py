"""Whether there are keys, without which a service answers this machine only."""

from serving.clients import is_loopback
from serving.configuration import Configuration
from serving.errors import StartError
from storage.database import DatabaseError, open_database
from storage.key_store import KeyStore


def has_keys(configuration: Configuration) -> bool:
    """Whether there have ever been keys, so that everybody needs one; raises :class:`StartError`."""
    try:
        engine = open_database(configuration.address, configuration.durability)
    except DatabaseError as error:
        raise StartError(str(error)) from error
    try:
        return bool(KeyStore(engine).all_keys())
    finally:
        engine.dispose()


def require_keys(configuration: Configuration, host: str) -> None:
    """Raise :class:`StartError` where other machines could ask and there are no keys."""
    if host != "localhost" and not is_loopback(host) and not has_keys(configuration):
        raise StartError(
            f"there are no keys yet, and at {host} others could send and ask whatever they like: make one with "
            "`dropoff keys new --permission admin --name NAME`, or leave --host out"
        )
