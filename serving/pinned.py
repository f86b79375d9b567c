"""Which pinned packages, with their hashes, some requirements need: a part of ``requirements.lock``.

``python -m serving.pinned pyproject.toml requirements.lock EXTRA ...`` prints those of dropoff itself with some extras.
It needs nothing but Python, so that an image can be made with it.
"""

import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class NotPinned(ValueError):
    """A requirement stands in no line of the lock; the text says which."""


def pinned(lock: str, requirements: Iterable[str]) -> str:
    """Return the lines of a lock that hold some requirements, and whatever these need in turn.

    The lock says of each package by which others it is needed (``# via``). Raises :class:`NotPinned`.
    """
    blocks = _blocks(lock)
    wanted = {_name(one) for one in requirements}
    absent = sorted(wanted - set(blocks))
    if absent:
        raise NotPinned(f"requirements.lock does not pin {', '.join(absent)}: run `make lock`")
    needed_by = {name: _needed_by(block) for name, block in blocks.items()}
    found: set[str] = set()
    while wanted:
        found |= wanted
        wanted = {name for name, others in needed_by.items() if others & wanted} - found
    return "".join(blocks[name] for name in sorted(found))


def requirements_of(pyproject: str, extras: Iterable[str]) -> list[str]:
    """Return what a project requires, with some of its extras, and what it is installed by."""
    told = tomllib.loads(pyproject)
    project = told["project"]
    return [
        *told["build-system"]["requires"],
        *project["dependencies"],
        *(one for extra in extras for one in project["optional-dependencies"][extra]),
    ]


def _blocks(lock: str) -> dict[str, str]:
    """Return the lines of each package by its name; versions for several Pythons stand together."""
    blocks = defaultdict[str, str](str)
    for block in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE):
        if block[:1].isalnum():
            blocks[_name(block)] += block
    return dict(blocks)


def _needed_by(block: str) -> set[str]:
    told = re.findall(r"^    #(?: via)?(?: +(\S+))?", block, flags=re.MULTILINE)
    return {_name(word) for word in told if word}


def _name(requirement: str) -> str:
    found = _NAME.match(requirement.strip())
    if found is None:
        raise NotPinned(f"{requirement!r} is no requirement: write it like numpy>=2.2,<3")
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def main() -> None:
    """Print the part of a lock that dropoff itself needs."""
    project, lock, *extras = sys.argv[1:]
    needed = requirements_of(Path(project).read_text(encoding="utf-8"), extras)
    sys.stdout.write(pinned(Path(lock).read_text(encoding="utf-8"), needed))


if __name__ == "__main__":
    main()
