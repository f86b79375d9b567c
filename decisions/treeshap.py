"""Exact SHAP values of a boosted model at about the price of a prediction.

The path-dependent Shapley values of one leaf (Lundberg et al. 2020, "From local explanations to global
understanding", algorithm 2) depend on a row only through *which features of the leaf's path it satisfies*: splits on
one feature along a path merge into one yes or no. So every leaf has a small table, by that bit mask, of what it adds
to each of its features, computed once:

    phi_i = v (o_i - z_i) * sum over S of |S|! (d - |S| - 1)! / d! * prod of o_j over S * prod of z_j outside S

with ``v`` the leaf's value, ``d`` the number of features on its path, ``o_j`` whether the row satisfies feature ``j``
and ``z_j`` the share of training rows that do. Explaining a row is then: decide every split, form the masks, add up.
"""

import math
from dataclasses import dataclass

import lightgbm
import numba
import numpy as np

from decisions.forest import Forest
from decisions.trees import UnsupportedModel, decide, read_trees
from features.events import FloatArray, IntArray

MAX_TABLE_NUMBERS = 16_000_000
"""Largest size of all leaves' tables, in float64 (128 MB); deeper models keep LightGBM's own ``pred_contrib``."""


@dataclass(frozen=True)
class TreeExplainer:
    """The tables of one model; build it with :meth:`of`."""

    feature_count: int
    base: float
    forest: Forest
    path_starts: IntArray
    path_steps: IntArray
    place_starts: IntArray
    place_features: IntArray
    table_starts: IntArray
    tables: FloatArray

    @classmethod
    def of(cls, booster: lightgbm.Booster) -> "TreeExplainer":
        """Return the explainer of a model with one output. Raises :class:`UnsupportedModel`."""
        trees = read_trees(booster)
        leaves = trees.leaves
        base = sum(leaf.value * math.prod(leaf.shares) for leaf in leaves)
        sizes = [2 ** len(leaf.features) * len(leaf.features) for leaf in leaves]
        if sum(sizes) > MAX_TABLE_NUMBERS:
            raise UnsupportedModel(f"the tables would hold {sum(sizes):,} numbers; use shallower trees")
        place_starts = np.cumsum([0, *(len(leaf.features) for leaf in leaves)])
        table_starts = np.cumsum([0, *sizes])
        tables = np.zeros(int(table_starts[-1]))
        leaf_values = np.array([leaf.value for leaf in leaves], np.float64)
        shares = np.array([share for leaf in leaves for share in leaf.shares], np.float64)
        _fill_tables(place_starts, shares, leaf_values, table_starts, tables)
        return cls(
            feature_count=trees.feature_count,
            base=base,
            forest=Forest.of_trees([trees]),
            path_starts=np.cumsum([0, *(len(leaf.path) for leaf in leaves)]),
            path_steps=np.array(
                [(split << 1 | left) << 6 | place for leaf in leaves for split, left, place in leaf.path], np.int64
            ),
            place_starts=place_starts,
            place_features=np.array([feature for leaf in leaves for feature in leaf.features], np.int64),
            table_starts=table_starts,
            tables=tables,
        )

    def margins(self, rows: FloatArray) -> FloatArray:
        """Return the margins (R,) of rows (R, F): the booster's own to the last bit, without the price of a call."""
        margins: FloatArray = self.forest.margins(rows)[0]
        return margins

    def explain(self, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the margins (R,) and contributions (R, F) of rows (R, F); with ``base`` they add up."""
        margins = np.zeros(len(rows))
        contributions = np.zeros((len(rows), self.feature_count))
        _explain(
            np.ascontiguousarray(rows, np.float64),
            self.forest.split_features,
            self.forest.split_kinds,
            self.forest.split_default_left,
            self.forest.thresholds,
            self.forest.category_starts,
            self.forest.category_words,
            self.path_starts,
            self.path_steps,
            self.place_starts,
            self.place_features,
            self.table_starts,
            self.tables,
            self.forest.leaf_values,
            margins,
            contributions,
        )
        return margins, contributions


@numba.njit(cache=True)
def _fill_tables(
    place_starts: IntArray, shares: FloatArray, values: FloatArray, table_starts: IntArray, tables: FloatArray
) -> None:
    for leaf in range(values.shape[0]):
        first = place_starts[leaf]
        size = place_starts[leaf + 1] - first
        # Weight of a coalition of k among size players: k! (size - k - 1)! / size!
        weights = np.ones(max(size, 1))
        for players in range(size):
            weight = 1.0 / size
            for taken in range(players):
                weight *= (taken + 1.0) / (size - 1.0 - taken)
            weights[players] = weight
        symmetric = np.zeros(size + 1)
        for mask in range(1 << size):
            for player in range(size):
                outside = 1.0
                satisfied = 0
                symmetric[:] = 0.0
                symmetric[0] = 1.0
                for other in range(size):
                    if other == player:
                        continue
                    share = shares[first + other]
                    if mask >> other & 1:
                        # Elementary symmetric polynomials of the shares of the satisfied players, one by one.
                        satisfied += 1
                        for order in range(satisfied, 0, -1):
                            symmetric[order] += symmetric[order - 1] * share
                    else:
                        outside *= share
                total = 0.0
                for left_out in range(satisfied + 1):
                    total += weights[satisfied - left_out] * symmetric[left_out]
                mine = 1.0 if mask >> player & 1 else 0.0
                phi = values[leaf] * (mine - shares[first + player]) * outside * total
                tables[table_starts[leaf] + mask * size + player] = phi


@numba.njit(cache=True)
def _explain(
    rows: FloatArray,
    split_features: IntArray,
    split_kinds: IntArray,
    split_default_left: IntArray,
    thresholds: FloatArray,
    category_starts: IntArray,
    category_words: IntArray,
    path_starts: IntArray,
    path_steps: IntArray,
    place_starts: IntArray,
    place_features: IntArray,
    table_starts: IntArray,
    tables: FloatArray,
    leaf_values: FloatArray,
    margins: FloatArray,
    contributions: FloatArray,
) -> None:
    goes_left = np.zeros(split_features.shape[0], np.int64)
    for row in range(rows.shape[0]):
        for split in range(split_features.shape[0]):
            value = rows[row, split_features[split]]
            left = decide(value, split, split_kinds, split_default_left, thresholds, category_starts, category_words)
            goes_left[split] = left
        margin = 0.0
        for leaf in range(leaf_values.shape[0]):
            place = place_starts[leaf]
            size = place_starts[leaf + 1] - place
            failed = 0
            for step in range(path_starts[leaf], path_starts[leaf + 1]):
                code = path_steps[step]
                failed |= (goes_left[code >> 7] ^ (code >> 6 & 1)) << (code & 63)
            mask = ((1 << size) - 1) ^ failed
            if failed == 0:
                margin += leaf_values[leaf]
            table = table_starts[leaf] + mask * size
            for player in range(size):
                contributions[row, place_features[place + player]] += tables[table + player]
        margins[row] = margin
