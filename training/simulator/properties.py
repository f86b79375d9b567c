"""Properties of simulated events as columns of JSON text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features.events import IntArray

Whole = NDArray[np.signedinteger]
Real = NDArray[np.floating]
"""Numbers of any width: what is drawn is kept as narrow as it may be."""


@dataclass(frozen=True)
class Drawn:
    """What was drawn for M events of one name; each array is (M,)."""

    mark: IntArray
    noise: Real
    """Uniform numbers."""
    product: IntArray
    price: Real
    basket: Real
    items: IntArray
    device: IntArray
    campaign: IntArray
    remedy: IntArray
    propensity: Real


@dataclass(frozen=True)
class Words:
    """Text values as an index into few words."""

    index: IntArray
    words: tuple[str, ...]


Column = NDArray[np.generic] | Words
Property = Callable[[Drawn], Column]


def choice(*words: str) -> Property:
    """Return a property that is one of some words, evenly."""
    # A number close to one is one in the narrow type that it is kept in.
    return lambda drawn: Words(np.minimum((drawn.noise * len(words)).astype(np.int64), len(words) - 1), words)


def by_mark(*values: float) -> Property:
    """Return a property that the telling mark decides."""
    return lambda drawn: np.array(values)[drawn.mark]


def shown_properties(remedies: tuple[str, ...]) -> Mapping[str, Mapping[str, Property]]:
    """Return the properties of the events that record an intervention, by event."""
    which: dict[str, Property] = {"intervention": lambda drawn: Words(drawn.remedy, ("", *remedies))}
    odds: dict[str, Property] = {"propensity": lambda drawn: np.round(drawn.propensity.astype(np.float64), 6)}
    return {
        "intervention_shown": which | odds,
        "intervention_clicked": which,
        "intervention_dismissed": which,
    }


def json_text(columns: Mapping[str, Column], count: int) -> pa.Array:
    """Return ``count`` JSON objects as text; a NaN leaves its property out."""
    pieces: list[pa.Array | pa.Scalar] = []
    for name, column in columns.items():
        piece = pc.binary_join_element_wise(pa.scalar(f',"{name}":'), _texts(column), pa.scalar(""))
        pieces.append(pc.fill_null(piece, ""))
    if not pieces:
        return pa.array(["{}"] * count)
    inner = pc.utf8_ltrim(pc.binary_join_element_wise(*pieces, pa.scalar("")), ",")
    return pc.binary_join_element_wise(pa.scalar("{"), inner, pa.scalar("}"), pa.scalar(""))


def _texts(column: Column) -> pa.Array:
    if isinstance(column, Words):
        return pa.array([f'"{word}"' for word in column.words]).take(pa.array(column.index))
    if column.dtype.kind == "f":
        rounded = np.round(column.astype(np.float64), 4)
        missing = np.isnan(rounded)
        whole = pa.array(rounded, mask=missing)
        return pc.cast(whole, pa.string())
    return pc.cast(pa.array(column), pa.string())
