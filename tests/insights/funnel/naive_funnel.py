"""The definitions of docs/insights/funnels.md, written down as naively as they can be, for one person."""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise, permutations
from typing import NamedTuple


class Person(NamedTuple):
    """Events in the total order: microseconds, and the set of steps (and excluded events, as -1) that each takes."""

    at: Sequence[int]
    takes: Sequence[frozenset[int]]


class Rules(NamedTuple):
    optional: Sequence[bool]
    window: int
    step_window: int
    begins: int
    ends: int


def best_attempt(order: str, person: Person, rules: Rules) -> tuple[list[int], bool] | None:
    """Return the event of each step (-1 for none) and whether the person is excluded; None for who never entered."""
    found = {"ordered": _ordered, "strict": _strict, "unordered": _unordered}[order](person, rules)
    return None if found is None else (found, _is_excluded(order, person, rules, found))


def _required(rules: Rules) -> list[int]:
    return [step for step, is_optional in enumerate(rules.optional) if not is_optional]


def _chains(person: Person, rules: Rules, depth: int) -> Iterator[tuple[int, ...]]:
    """Every way through the first required steps, the earliest entry first and then the earliest events."""
    required = _required(rules)
    for chain in combinations(range(len(person.at)), depth):
        times = [person.at[place] for place in chain]
        if (
            all(step in person.takes[place] for step, place in zip(required, chain, strict=False))
            and times[-1] - times[0] <= rules.window
            and all(later - earlier <= rules.step_window for earlier, later in pairwise(times))
            and rules.begins <= times[0] < rules.ends
        ):
            yield chain


def _ordered(person: Person, rules: Rules) -> list[int] | None:
    required = _required(rules)
    for depth in range(len(required), 0, -1):
        chain = next(_chains(person, rules, depth), None)
        if chain is None:
            continue
        chosen = [-1] * len(rules.optional)
        for step, place in zip(required, chain, strict=False):
            chosen[step] = place
        before = chain[0]
        for step in range(1, len(chosen)):
            if rules.optional[step]:
                following = next(
                    later for later in [*range(step, len(chosen)), None] if later is None or not rules.optional[later]
                )
                until = len(person.at) if following is None or chosen[following] < 0 else chosen[following]
                fits = [
                    place
                    for place in range(before + 1, until)
                    if step in person.takes[place]
                    and person.at[place] - person.at[chain[0]] <= rules.window
                    and person.at[place] - person.at[before] <= rules.step_window
                ]
                chosen[step] = fits[0] if fits else -1
            elif chosen[step] < 0:
                break
            before = max(before, chosen[step])
        return chosen
    return None


def _strict(person: Person, rules: Rules) -> list[int] | None:
    best: list[int] | None = None
    for entry in range(len(person.at)):
        if 0 in person.takes[entry] and rules.begins <= person.at[entry] < rules.ends:
            chosen = [-1] * len(rules.optional)
            for step, place in _run(person, rules, entry, entry, 0):
                chosen[step] = place
            if best is None or _depth(chosen, rules) > _depth(best, rules):
                best = chosen
    return best


def _run(person: Person, rules: Rules, entry: int, place: int, step: int) -> list[tuple[int, int]]:
    after = place + 1
    ways: list[list[tuple[int, int]]] = []
    if (
        after < len(person.at)
        and person.at[after] - person.at[entry] <= rules.window
        and person.at[after] - person.at[place] <= rules.step_window
    ):
        for later in range(step + 1, len(rules.optional)):
            if later in person.takes[after]:
                ways.append(_run(person, rules, entry, after, later))
            if not rules.optional[later]:
                break
    furthest = max(ways, key=lambda way: sum(not rules.optional[taken] for taken, _ in way), default=[])
    return [(step, place), *furthest]


def _unordered(person: Person, rules: Rules) -> list[int] | None:
    required = _required(rules)
    for depth in range(len(required), 0, -1):
        for anchor, begins in enumerate(person.at):
            if not rules.begins <= begins < rules.ends or not person.takes[anchor] & set(required[:depth]):
                continue
            inside = [place for place in range(anchor, len(person.at)) if person.at[place] - begins <= rules.window]
            for events in permutations(inside, depth):
                if all(step in person.takes[place] for step, place in zip(required, events, strict=False)):
                    chosen = [-1] * len(rules.optional)
                    for step, place in zip(required, events, strict=False):
                        chosen[step] = place
                    return _with_optional_unordered(person, rules, chosen)
    return None


def _with_optional_unordered(person: Person, rules: Rules, chosen: list[int]) -> list[int]:
    first = min(place for place in chosen if place >= 0)
    for step, is_optional in enumerate(rules.optional):
        for place in range(first, len(person.at)) if is_optional else ():
            inside = person.at[place] - person.at[first] <= rules.window
            if inside and step in person.takes[place] and place not in chosen:
                chosen[step] = place
                break
    return chosen


def _depth(chosen: Sequence[int], rules: Rules) -> int:
    return sum(chosen[step] >= 0 for step in _required(rules))


def _is_excluded(order: str, person: Person, rules: Rules, chosen: Sequence[int]) -> bool:
    first, last = min(place for place in chosen if place >= 0), max(chosen)
    if _depth(chosen, rules) == len(_required(rules)):
        within = range(first, last + 1)
    elif order == "strict":
        within = range(first, min(last + 2, len(person.at)))
    else:
        within = range(first, len(person.at))
    return any(
        -1 in person.takes[place]
        and person.at[place] - person.at[first] <= rules.window
        and (order == "unordered" or place <= last or person.at[place] - person.at[last] <= rules.step_window)
        for place in within
    )
