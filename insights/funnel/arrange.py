"""Events to people: equal persons brought together, each person's events in the order of time, silences cut."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from features.events import CodeArray, IntArray
from insights.funnel.kernel import BitArray

_FEW = 48
_compiled = numba.njit(cache=True, nogil=True)


@dataclass(frozen=True, slots=True)
class Arranged:
    """Events by person and time. ``person`` (N,) ascends; ``starts`` (P + 1,) are where each person's begin.

    ``values`` has no elements where nothing is broken down.
    """

    person: NDArray[np.uint64]
    starts: IntArray
    at_us: IntArray
    bits: BitArray
    values: CodeArray


def arrange(person: NDArray[np.uint64], at_us: IntArray, bits: BitArray, values: CodeArray) -> Arranged:
    """Return the events by person and time; those of one moment stand in any order."""
    order = np.argsort(person)
    # One array after the other: at most one of them is there twice.
    person = person[order]
    at_us, bits = at_us[order], bits[order]
    if len(values):
        values = values[order]
    del order
    starts = _starts(person[1:] != person[:-1], len(person))
    _sort_within(starts, at_us, bits, values)
    return Arranged(person, starts, at_us, bits, values)


def find_ties(arranged: Arranged) -> IntArray:
    """Return the places of events that share person and moment with another that differs from them."""
    tied = np.zeros(len(arranged.at_us), np.bool_)
    _mark_ties(arranged.starts, arranged.at_us, arranged.bits, arranged.values, tied)
    return np.flatnonzero(tied)


def cut_silences(arranged: Arranged, unnamed_bit: int, timeout_us: int) -> IntArray:
    """Return starts that also begin anew after a silence, among events that have the bit for no session id."""
    opens = arranged.person[1:] != arranged.person[:-1]
    unnamed = (arranged.bits[1:] >> unnamed_bit).astype(np.bool_)
    opens |= unnamed & (np.diff(arranged.at_us) > timeout_us)
    return _starts(opens, len(arranged.person))


def part_by_value(
    starts: IntArray, at_us: IntArray, bits: BitArray, values: CodeArray
) -> tuple[IntArray, IntArray, BitArray, CodeArray]:
    """Return starts, at_us, bits and values where each person's events are parted by value, as if each were one."""
    owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((values, owner))
    opens = (owner[1:] != owner[:-1]) | (values[order][1:] != values[order][:-1])
    return _starts(opens, len(owner)), at_us[order], bits[order], values[order]


def _starts(opens: NDArray[np.bool_], count: int) -> IntArray:
    return np.concatenate(([0], np.flatnonzero(opens) + 1, [count])).astype(np.int64)


@_compiled
def _sort_within(starts: IntArray, at_us: IntArray, bits: BitArray, values: CodeArray) -> None:
    has_values = len(values) > 0
    for person in range(len(starts) - 1):
        low, high = starts[person], starts[person + 1]
        if high - low > _FEW:
            order = np.argsort(at_us[low:high], kind="mergesort")
            at_us[low:high] = at_us[low:high][order]
            bits[low:high] = bits[low:high][order]
            if has_values:
                values[low:high] = values[low:high][order]
            continue
        for place in range(low + 1, high):
            moment, bit = at_us[place], bits[place]
            value = values[place] if has_values else np.int32(0)
            hole = place
            while hole > low and at_us[hole - 1] > moment:
                at_us[hole] = at_us[hole - 1]
                bits[hole] = bits[hole - 1]
                if has_values:
                    values[hole] = values[hole - 1]
                hole -= 1
            at_us[hole] = moment
            bits[hole] = bit
            if has_values:
                values[hole] = value


@_compiled
def _mark_ties(starts: IntArray, at_us: IntArray, bits: BitArray, values: CodeArray, tied: NDArray[np.bool_]) -> None:
    has_values = len(values) > 0
    for person in range(len(starts) - 1):
        begin = starts[person]
        while begin < starts[person + 1]:
            end, differs = begin + 1, False
            while end < starts[person + 1] and at_us[end] == at_us[begin]:
                differs = differs or bits[end] != bits[begin] or (has_values and values[end] != values[begin])
                end += 1
            if differs:
                tied[begin:end] = True
            begin = end
