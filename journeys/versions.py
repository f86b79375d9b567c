"""The versions of a journey: which stages and frictions came and went, and since when each can be measured.

A journey's stages are those of today. Its versions say, the oldest first, what each change added, retired or renamed,
so that figures from before a change are compared only where both sides measured the same thing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise

from features.scan import DeclarationError
from features.table import nearest


@dataclass(frozen=True, slots=True)
class JourneyVersion:
    """A change of the journey, in force from ``since`` on, a day in the journey's time zone.

    ``renamed`` maps a stage's name before to the one after: it is the same stage, and keeps its history. Names of
    frictions are those of ``Friction``.
    """

    since: date
    note: str
    stages_added: tuple[str, ...] = ()
    stages_retired: tuple[str, ...] = ()
    frictions_added: tuple[str, ...] = ()
    frictions_retired: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Life:
    """A stage or friction and the days on which it was part of the journey.

    ``since`` is None for what has been there from the start; ``until`` is the first day without it, None for what is
    still there. ``former_names`` are what it was called before, the oldest first.
    """

    name: str
    since: date | None = None
    until: date | None = None
    former_names: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that it has had, the oldest first."""
        return (*self.former_names, self.name)

    def covers(self, first: date, last: date) -> bool:
        """Whether it was there on every day from the first to the last, both included."""
        return (self.since is None or self.since <= first) and (self.until is None or last < self.until)

    def overlaps(self, first: date, last: date) -> bool:
        """Whether it was there on any day from the first to the last, both included."""
        return (self.since is None or self.since <= last) and (self.until is None or first < self.until)


def stage_lives(stages: Sequence[str], versions: Sequence[JourneyVersion]) -> tuple[Life, ...]:
    """Return when each of today's stages was there, in their order, and then the retired ones, the latest first.

    Raises :class:`DeclarationError` where a version speaks of a stage that was not there.
    """
    return _lives("stage", stages, [(one.since, one.stages_added, one.stages_retired, one.renamed) for one in versions])


def friction_lives(frictions: Sequence[str], versions: Sequence[JourneyVersion]) -> tuple[Life, ...]:
    """Return when each of today's frictions was there, and then the retired ones, the latest first.

    Raises :class:`DeclarationError` where a version speaks of a friction that was not there.
    """
    return _lives(
        "friction", frictions, [(one.since, one.frictions_added, one.frictions_retired, {}) for one in versions]
    )


def check_versions(stages: Sequence[str], frictions: Sequence[str], versions: Sequence[JourneyVersion]) -> None:
    """Raise :class:`DeclarationError` for the first version that does not lead to the journey of today."""
    for version in versions:
        for part in ("stages_added", "stages_retired", "frictions_added", "frictions_retired"):
            if isinstance(getattr(version, part), str):
                raise DeclarationError(f"{part}=... takes names in a tuple: {part}=({getattr(version, part)!r},)")
        if not version.note.strip():
            raise DeclarationError(f"the version of {version.since} has no note; write one line on what changed")
        if not (
            version.stages_added
            or version.stages_retired
            or version.frictions_added
            or version.frictions_retired
            or version.renamed
        ):
            raise DeclarationError(
                f"the version of {version.since} changes nothing; name what it adds, retires or renames, or remove it"
            )
    for before, after in pairwise(versions):
        if after.since <= before.since:
            raise DeclarationError(
                f"the version of {after.since} stands after that of {before.since}; write the oldest first, one a day"
            )
    stage_lives(stages, versions)
    friction_lives(frictions, versions)


_Change = tuple[date, tuple[str, ...], tuple[str, ...], Mapping[str, str]]


def _lives(what: str, today: Sequence[str], changes: Sequence[_Change]) -> tuple[Life, ...]:
    """Walk from today back through the changes; ``open_lives`` are those whose beginning is not found yet."""
    open_lives = {name: Life(name) for name in today}
    finished: dict[str, Life] = {}
    retired: list[Life] = []
    for since, added, gone, renamed in reversed(changes):
        there = set(open_lives)
        for name in (*added, *renamed.values()):
            if name not in open_lives:
                known = " or ".join(repr(one) for one in nearest(name, tuple(there))) if there else "none"
                raise DeclarationError(
                    f"the version of {since} speaks of the {what} {name!r}, which was none after it; "
                    f"did you mean {known}?"
                )
        for name in (*gone, *renamed):
            if name in there:
                raise DeclarationError(
                    f"the version of {since} takes the {what} {name!r} away, which is still there after it; "
                    "add it again in a later version, or leave it out"
                )
        named = (*added, *gone, *renamed, *renamed.values())
        for name in named:
            if named.count(name) > 1:
                raise DeclarationError(f"the version of {since} speaks of the {what} {name!r} twice; keep one of them")
        for name in added:
            _finish(replace(open_lives.pop(name), since=since), finished, retired)
        for former, name in renamed.items():
            life = open_lives.pop(name)
            open_lives[former] = replace(life, former_names=(former, *life.former_names))
        for name in gone:
            open_lives[name] = Life(name, until=since)
    for life in open_lives.values():
        _finish(life, finished, retired)
    retired.sort(key=lambda life: life.until or date.max, reverse=True)
    return (*(finished[name] for name in today), *retired)


def _finish(life: Life, finished: dict[str, Life], retired: list[Life]) -> None:
    if life.until is None:
        finished[life.name] = life
    else:
        retired.append(life)
