"""Secrets that an installation makes for itself: files under ``DROPOFF_HOME/secrets`` that only their owner reads."""

import os
import secrets
import tempfile
from pathlib import Path

SECRETS = "secrets"
"""The folder of the home that they lie in."""
_BYTES = 32


class SecretUnreadable(OSError):
    """A secret's file is there and cannot be used; the text says which and what to do."""


def local_secret(home: Path, name: str) -> bytes:
    """Return the secret of that name, made at its first use; every process of an installation gets the same.

    Raises :class:`SecretUnreadable` for one that others may read, or that is too short.
    """
    path = home / SECRETS / name
    if not path.exists():
        _make(path)
    try:
        mode, content = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise SecretUnreadable(f"{path} cannot be read: {error}") from error
    if mode & 0o077:
        raise SecretUnreadable(f"{path} can be read by others: chmod 600 {path}")
    if len(content) < _BYTES:
        raise SecretUnreadable(f"{path} holds {len(content)} bytes, a secret has {_BYTES}: restore it from a backup")
    return content


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, prepared = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # Of two processes that make it at once, the first one's stays.
        os.link(prepared, path)
    except FileExistsError:
        pass
    finally:
        Path(prepared).unlink()
