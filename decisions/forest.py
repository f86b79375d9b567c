"""Boosted models side by side as flat arrays, walked together in compiled code."""

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm
import numba
import numpy as np

from decisions.logged import BoolArray
from decisions.trees import Trees, bit_words, decide, read_trees
from features.events import FloatArray, IntArray


@dataclass(frozen=True)
class Forest:
    """The trees of M models that see the same features; build it with :meth:`of`."""

    model_starts: IntArray
    """(M + 1,) places in ``roots`` at which each model's trees begin."""
    roots: IntArray
    """(trees,) where each begins: a split, or a leaf as its complement."""
    children: IntArray
    """(splits, 2) where right and left lead to, in the same way."""
    split_features: IntArray
    split_kinds: IntArray
    split_default_left: IntArray
    thresholds: FloatArray
    category_starts: IntArray
    category_words: IntArray
    leaf_values: FloatArray

    @classmethod
    def of(cls, boosters: Sequence[lightgbm.Booster]) -> "Forest":
        """Return the trees of models with one output each. Raises ``decisions.trees.UnsupportedModel``."""
        return cls.of_trees([read_trees(booster) for booster in boosters])

    @classmethod
    def of_trees(cls, models: Sequence[Trees]) -> "Forest":
        """Return the trees of models that were read before."""
        splits = [split for model in models for split in model.splits]
        first_split = np.cumsum([0, *(len(model.splits) for model in models)]).tolist()
        first_leaf = np.cumsum([0, *(len(model.leaves) for model in models)]).tolist()
        words = [bit_words(split.categories) for split in splits]
        places = list(zip(models, first_split[:-1], first_leaf[:-1], strict=True))
        return cls(
            model_starts=np.cumsum([0, *(len(model.roots) for model in models)]),
            roots=np.array([_moved(root, *to) for model, *to in places for root in model.roots], np.int64),
            children=np.array(
                [[_moved(child, *to) for child in pair] for model, *to in places for pair in model.children], np.int64
            ).reshape(-1, 2),
            split_features=np.array([split.feature for split in splits], np.int64),
            split_kinds=np.array([split.kind for split in splits], np.int64),
            split_default_left=np.array([split.default_left for split in splits], np.int64),
            thresholds=np.array([split.threshold for split in splits], np.float64),
            category_starts=np.cumsum([0, *(len(word) for word in words)]),
            category_words=np.array([word for group in words for word in group], np.int64),
            leaf_values=np.array([leaf.value for model in models for leaf in model.leaves], np.float64),
        )

    def margins(self, rows: FloatArray, alike: int = 1, varying: Sequence[int] = ()) -> FloatArray:
        """Return the margins (M, R) of rows (R, F): each booster's own to the last bit, without the price of a call.

        Where so many rows at a time are ``alike`` but for the columns ``varying``, they go through a tree together and
        part only at its splits on those.
        """
        apart = np.zeros(rows.shape[1], np.bool_)
        apart[list(varying)] = True
        margins = np.zeros((len(self.model_starts) - 1, len(rows)))
        _walk(
            np.ascontiguousarray(rows, np.float64),
            alike,
            apart,
            self.model_starts,
            self.roots,
            self.children,
            self.split_features,
            self.split_kinds,
            self.split_default_left,
            self.thresholds,
            self.category_starts,
            self.category_words,
            self.leaf_values,
            margins,
        )
        return margins


def _moved(place: int, first_split: int, first_leaf: int) -> int:
    return place + first_split if place >= 0 else place - first_leaf


@numba.njit(cache=True)
def _walk(
    rows: FloatArray,
    alike: int,
    apart: BoolArray,
    model_starts: IntArray,
    roots: IntArray,
    children: IntArray,
    split_features: IntArray,
    split_kinds: IntArray,
    split_default_left: IntArray,
    thresholds: FloatArray,
    category_starts: IntArray,
    category_words: IntArray,
    leaf_values: FloatArray,
    margins: FloatArray,
) -> None:
    """Add the margins (M, R) of rows (R, F): the leaves' values, in the order of each model's trees."""
    order = np.arange(alike)
    # Groups that wait for their turn have no row in common, so that there are never more of them than rows.
    waiting = np.empty((alike, 3), np.int64)
    for first in range(0, rows.shape[0], alike):
        for model in range(margins.shape[0]):
            for tree in range(model_starts[model], model_starts[model + 1]):
                waiting[0] = roots[tree], 0, alike
                count = 1
                while count > 0:
                    count -= 1
                    node, begin, end = waiting[count]
                    while node >= 0:
                        feature = split_features[node]
                        # Of rows that do not part here, the first one speaks for all.
                        asked = end if apart[feature] else begin + 1
                        middle = begin
                        for place in range(begin, asked):
                            row = order[place]
                            if decide(
                                rows[first + row, feature],
                                node,
                                split_kinds,
                                split_default_left,
                                thresholds,
                                category_starts,
                                category_words,
                            ):
                                order[place] = order[middle]
                                order[middle] = row
                                middle += 1
                        right, left = children[node]
                        if middle == begin:
                            node = right
                        elif middle == asked:
                            node = left
                        else:
                            waiting[count] = right, middle, end
                            count += 1
                            node, end = left, middle
                    for place in range(begin, end):
                        margins[model, first + order[place]] += leaf_values[~node]
