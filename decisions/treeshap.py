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
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import lightgbm
import numba
import numpy as np

from features.events import FloatArray, IntArray

MAX_TABLE_NUMBERS = 16_000_000
"""Largest size of all leaves' tables, in float64 (128 MB); deeper models keep LightGBM's own ``pred_contrib``."""

MISSING_NONE, MISSING_ZERO, MISSING_NAN, CATEGORICAL = 0, 1, 2, 3
_MISSING = {"None": MISSING_NONE, "Zero": MISSING_ZERO, "NaN": MISSING_NAN}
# LightGBM's kZeroThreshold.
ZERO_THRESHOLD = 1e-35
# JSON has no infinity: LightGBM writes this for a split of all that is known from what is missing.
INFINITE_THRESHOLD = 1e300


class UnsupportedModel(ValueError):
    """The model has something these tables do not cover; use ``pred_contrib``."""


@dataclass(frozen=True, slots=True)
class _Split:
    feature: int
    kind: int
    default_left: bool
    threshold: float
    categories: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Leaf:
    value: float
    path: tuple[tuple[int, bool, int], ...]
    """(split, goes left, place among the leaf's features) from the root."""
    features: tuple[int, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class TreeExplainer:
    """The tables of one model; build it with :meth:`of`."""

    feature_count: int
    base: float
    split_features: IntArray
    split_kinds: IntArray
    split_default_left: IntArray
    thresholds: FloatArray
    category_starts: IntArray
    category_words: IntArray
    path_starts: IntArray
    path_steps: IntArray
    place_starts: IntArray
    place_features: IntArray
    table_starts: IntArray
    tables: FloatArray
    leaf_values: FloatArray

    @classmethod
    def of(cls, booster: lightgbm.Booster) -> "TreeExplainer":
        """Return the explainer of a model with one output. Raises :class:`UnsupportedModel`."""
        model = booster.dump_model()
        if model["num_tree_per_iteration"] != 1 or model.get("average_output"):
            raise UnsupportedModel("only boosted models with one output have tables")
        if "is_linear=1" in booster.model_to_string(num_iteration=1):
            raise UnsupportedModel("linear trees have no tables")
        splits: list[_Split] = []
        leaves: list[_Leaf] = []
        base = 0.0
        for tree in model["tree_info"]:
            found = list(_leaves(tree["tree_structure"], splits))
            base += sum(leaf.value * math.prod(leaf.shares) for leaf in found)
            leaves += found
        sizes = [2 ** len(leaf.features) * len(leaf.features) for leaf in leaves]
        if sum(sizes) > MAX_TABLE_NUMBERS:
            raise UnsupportedModel(f"the tables would hold {sum(sizes):,} numbers; use shallower trees")
        words = [_words(split.categories) for split in splits]
        place_starts = np.cumsum([0, *(len(leaf.features) for leaf in leaves)])
        table_starts = np.cumsum([0, *sizes])
        tables = np.zeros(int(table_starts[-1]))
        leaf_values = np.array([leaf.value for leaf in leaves], np.float64)
        shares = np.array([share for leaf in leaves for share in leaf.shares], np.float64)
        _fill_tables(place_starts, shares, leaf_values, table_starts, tables)
        return cls(
            feature_count=int(model["max_feature_idx"]) + 1,
            base=base,
            split_features=np.array([split.feature for split in splits], np.int64),
            split_kinds=np.array([split.kind for split in splits], np.int64),
            split_default_left=np.array([split.default_left for split in splits], np.int64),
            thresholds=np.array([split.threshold for split in splits], np.float64),
            category_starts=np.cumsum([0, *(len(word) for word in words)]),
            category_words=np.array([word for group in words for word in group], np.int64),
            path_starts=np.cumsum([0, *(len(leaf.path) for leaf in leaves)]),
            path_steps=np.array(
                [(split << 1 | left) << 6 | place for leaf in leaves for split, left, place in leaf.path], np.int64
            ),
            place_starts=place_starts,
            place_features=np.array([feature for leaf in leaves for feature in leaf.features], np.int64),
            table_starts=table_starts,
            tables=tables,
            leaf_values=leaf_values,
        )

    def explain(self, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the margins (R,) and contributions (R, F) of rows (R, F); with ``base`` they add up."""
        margins = np.zeros(len(rows))
        contributions = np.zeros((len(rows), self.feature_count))
        _explain(
            np.ascontiguousarray(rows, np.float64),
            self.split_features,
            self.split_kinds,
            self.split_default_left,
            self.thresholds,
            self.category_starts,
            self.category_words,
            self.path_starts,
            self.path_steps,
            self.place_starts,
            self.place_features,
            self.table_starts,
            self.tables,
            self.leaf_values,
            margins,
            contributions,
        )
        return margins, contributions


def _leaves(root: dict[str, Any], splits: list[_Split]) -> Iterator[_Leaf]:
    """Yield the leaves of a tree, and append its splits."""
    pending: list[tuple[dict[str, Any], tuple[tuple[int, bool], ...], tuple[float, ...]]] = [(root, (), ())]
    while pending:
        node, path, ratios = pending.pop()
        if "leaf_value" in node and "split_feature" not in node:
            yield _leaf(float(node["leaf_value"]), path, ratios, splits)
            continue
        place = len(splits)
        splits.append(_split(node))
        for child, left in ((node["left_child"], True), (node["right_child"], False)):
            ratio = _count(child) / _count(node)
            pending.append((child, (*path, (place, left)), (*ratios, ratio)))


def _leaf(value: float, path: tuple[tuple[int, bool], ...], ratios: tuple[float, ...], splits: list[_Split]) -> _Leaf:
    shares: dict[int, float] = {}
    for (split, _), ratio in zip(path, ratios, strict=True):
        feature = splits[split].feature
        shares[feature] = shares.get(feature, 1.0) * ratio
    features = tuple(shares)
    steps = tuple((split, left, features.index(splits[split].feature)) for split, left in path)
    return _Leaf(value, steps, features, tuple(shares.values()))


def _split(node: dict[str, Any]) -> _Split:
    feature = int(node["split_feature"])
    if node["decision_type"] == "==":
        categories = tuple(int(category) for category in str(node["threshold"]).split("||"))
        return _Split(feature, CATEGORICAL, False, math.nan, categories)
    if node["decision_type"] != "<=":
        raise UnsupportedModel(f"a split decides by {node['decision_type']!r}")
    threshold = float(node["threshold"])
    threshold = math.inf if threshold >= INFINITE_THRESHOLD else threshold
    return _Split(feature, _MISSING[node["missing_type"]], bool(node["default_left"]), threshold, ())


def _count(node: dict[str, Any]) -> int:
    return int(node["internal_count"] if "internal_count" in node else node["leaf_count"])


def _words(categories: tuple[int, ...]) -> list[int]:
    words = [0] * (max(categories, default=-1) // 32 + 1)
    for category in categories:
        words[category // 32] |= 1 << (category % 32)
    return words


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
            kind = split_kinds[split]
            if kind == CATEGORICAL:
                left = 0
                if value >= 0.0:
                    category = int(value)
                    word = category_starts[split] + category // 32
                    if word < category_starts[split + 1]:
                        left = category_words[word] >> (category % 32) & 1
            else:
                missing = math.isnan(value)
                if missing and kind != MISSING_NAN:
                    value = 0.0
                if (kind == MISSING_NAN and missing) or (kind == MISSING_ZERO and abs(value) <= ZERO_THRESHOLD):
                    left = split_default_left[split]
                else:
                    left = 1 if value <= thresholds[split] else 0
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
