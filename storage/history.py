"""The history of a pointer to a version: one JSON line a promotion, beside it, appended and never rewritten.

Where replicas share a registry, the file is made to agree with theirs.
"""

import fcntl
import getpass
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

ASIDE = ".aside"
"""What the name of something has behind it that a home had before it joined those who share."""


class Action(StrEnum):
    """What made a version the one that is pointed to."""

    TRAIN = "train"
    RECALIBRATE = "recalibrate"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Promotion:
    """One change of the pointer: when (ISO 8601, UTC), by which account, by which command, and why."""

    at: str
    by: str
    action: Action
    version: str
    previous: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class History:
    """The promotions, the oldest first, and the numbers of the lines that cannot be read, counted from 1."""

    promotions: tuple[Promotion, ...] = ()
    damaged: tuple[int, ...] = ()


def account() -> str:
    """Return who is at work: the account's name, or its number where it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def iso_moment(moment: datetime) -> str:
    """Return a moment as histories have it, ISO 8601 in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@contextmanager
def appending(folder: Path, name: str) -> Iterator[int]:
    """Yield the open history of that name in a folder, locked against other processes until the block ends."""
    descriptor = os.open(folder / name, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def append(
    descriptor: int, version: str, previous: str | None, action: Action, reason: str, now: datetime | None = None
) -> Promotion:
    """Write a promotion to the open history, and return it when it is on the disk."""
    promotion = Promotion(iso_moment(now or datetime.now(UTC)), account(), action, version, previous, reason)
    line = _line(promotion)
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        # What was torn by a crash stays a line of its own.
        line = b"\n" + line
    _write(descriptor, line)
    return promotion


def mirror(descriptor: int, path: Path, promotions: Sequence[Promotion]) -> None:
    """Let the open history at ``path`` hold exactly these promotions; what it held else goes into a file beside it."""
    wanted, held = b"".join(map(_line, promotions)), path.read_bytes()
    if not wanted.startswith(held):
        with path.with_name(f"{path.name}{ASIDE}").open("ab") as aside:
            aside.write(held)
        os.ftruncate(descriptor, 0)
        held = b""
    if wanted != held:
        _write(descriptor, wanted[len(held) :])


def read_history(folder: Path, name: str) -> History:
    """Return the history of that name in a folder; it is empty before the first promotion."""
    path = folder / name
    if not path.is_file():
        return History()
    promotions, damaged = list[Promotion](), list[int]()
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if line.strip():
            promotion = _parsed(line)
            if promotion is None:
                damaged.append(number)
            else:
                promotions.append(promotion)
    return History(tuple(promotions), tuple(damaged))


def former_version(promotions: Sequence[Promotion], pointed: str) -> str | None:
    """Return which version was pointed to before ``pointed`` was, or None.

    A rollback undoes the promotion before it, so a second one goes further back. Where a line was lost, the next one
    still says what it replaced. None too where nothing was pointed to before.
    """
    reigned: list[str] = []
    for promotion in promotions:
        if promotion.previous is not None:
            _back_to(reigned, promotion.previous)
        if promotion.action is Action.ROLLBACK:
            del reigned[-1:]
            _back_to(reigned, promotion.version)
        elif reigned[-1:] != [promotion.version]:
            reigned.append(promotion.version)
    _back_to(reigned, pointed)
    return (reigned[-2] or None) if len(reigned) > 1 else None


def _back_to(reigned: list[str], version: str) -> None:
    """Leave ``version`` as the latest, and forget those after it."""
    while version in reigned and reigned[-1] != version:
        reigned.pop()
    if version not in reigned:
        reigned.append(version)


def _line(promotion: Promotion) -> bytes:
    return json.dumps(asdict(promotion), ensure_ascii=True).encode() + b"\n"


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
    os.fsync(descriptor)


def _parsed(line: bytes) -> Promotion | None:
    try:
        content = json.loads(line)
        texts = {field.name: content[field.name] for field in fields(Promotion)}
        texts["action"] = Action(texts["action"])
        promotion = Promotion(**texts)
    except (ValueError, KeyError, TypeError):
        return None
    named = (promotion.at, promotion.by, promotion.version, promotion.reason)
    known = promotion.previous is None or isinstance(promotion.previous, str)
    return promotion if known and all(isinstance(text, str) for text in named) else None
