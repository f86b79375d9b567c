"""A boosted model's trees as LightGBM tells them, split by split and leaf by leaf."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import lightgbm
import numba
import numpy as np

from features.events import FloatArray, IntArray

MISSING_NONE, MISSING_ZERO, MISSING_NAN, CATEGORICAL = 0, 1, 2, 3
_MISSING = {"None": MISSING_NONE, "Zero": MISSING_ZERO, "NaN": MISSING_NAN}
# LightGBM's kZeroThreshold.
ZERO_THRESHOLD = 1e-35
# JSON has no infinity: LightGBM writes this for a split of all that is known from what is missing.
INFINITE_THRESHOLD = 1e300


class UnsupportedModel(ValueError):
    """The model has something these tables do not cover; use ``pred_contrib``."""


@dataclass(frozen=True, slots=True)
class Split:
    """What a split asks; ``categories`` are those that go left where it is one of categories."""

    feature: int
    kind: int
    default_left: bool
    threshold: float
    categories: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf, the way to it, and for each feature on the way the share of training rows that satisfy it."""

    value: float
    path: tuple[tuple[int, bool, int], ...]
    """(split, goes left, place among the leaf's features) from the root."""
    features: tuple[int, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Trees:
    """The trees of a model with one output, in their order."""

    feature_count: int
    splits: tuple[Split, ...]
    leaves: tuple[Leaf, ...]
    roots: tuple[int, ...]
    """Where each tree begins: a split, or a leaf as its complement."""
    children: tuple[tuple[int, int], ...]
    """Where right and left of each split lead to, in the same way."""


def read_trees(booster: lightgbm.Booster) -> Trees:
    """Return the trees of a model with one output. Raises :class:`UnsupportedModel`."""
    model = booster.dump_model()
    if model["num_tree_per_iteration"] != 1 or model.get("average_output"):
        raise UnsupportedModel("only boosted models with one output have tables")
    if "is_linear=1" in booster.model_to_string(num_iteration=1):
        raise UnsupportedModel("linear trees have no tables")
    splits: list[Split] = []
    leaves: list[Leaf] = []
    children: list[list[int]] = []
    roots: list[int] = []
    for tree in model["tree_info"]:
        roots.append(len(splits) if "split_feature" in tree["tree_structure"] else ~len(leaves))
        leaves += list(_read_leaves(tree["tree_structure"], splits, children, len(leaves)))
    return Trees(
        int(model["max_feature_idx"]) + 1,
        tuple(splits),
        tuple(leaves),
        tuple(roots),
        tuple((right, left) for right, left in children),
    )


def _read_leaves(
    root: dict[str, Any], splits: list[Split], children: list[list[int]], leaf_count: int
) -> Iterator[Leaf]:
    """Yield the leaves of a tree, and append its splits and where each leads to."""
    pending: list[tuple[dict[str, Any], tuple[tuple[int, bool], ...], tuple[float, ...]]] = [(root, (), ())]
    while pending:
        node, path, ratios = pending.pop()
        is_leaf = "leaf_value" in node and "split_feature" not in node
        if path:
            parent, left = path[-1]
            children[parent][left] = ~leaf_count if is_leaf else len(splits)
        if is_leaf:
            leaf_count += 1
            yield _leaf(float(node["leaf_value"]), path, ratios, splits)
            continue
        place = len(splits)
        splits.append(_split(node))
        children.append([0, 0])
        for child, left in ((node["left_child"], True), (node["right_child"], False)):
            ratio = _count(child) / _count(node)
            pending.append((child, (*path, (place, left)), (*ratios, ratio)))


def _leaf(value: float, path: tuple[tuple[int, bool], ...], ratios: tuple[float, ...], splits: list[Split]) -> Leaf:
    shares: dict[int, float] = {}
    for (split, _), ratio in zip(path, ratios, strict=True):
        feature = splits[split].feature
        shares[feature] = shares.get(feature, 1.0) * ratio
    features = tuple(shares)
    steps = tuple((split, left, features.index(splits[split].feature)) for split, left in path)
    return Leaf(value, steps, features, tuple(shares.values()))


def _split(node: dict[str, Any]) -> Split:
    feature = int(node["split_feature"])
    if node["decision_type"] == "==":
        categories = tuple(int(category) for category in str(node["threshold"]).split("||"))
        return Split(feature, CATEGORICAL, False, math.nan, categories)
    if node["decision_type"] != "<=":
        raise UnsupportedModel(f"a split decides by {node['decision_type']!r}")
    threshold = float(node["threshold"])
    threshold = math.inf if threshold >= INFINITE_THRESHOLD else threshold
    return Split(feature, _MISSING[node["missing_type"]], bool(node["default_left"]), threshold, ())


def _count(node: dict[str, Any]) -> int:
    return int(node["internal_count"] if "internal_count" in node else node["leaf_count"])


def bit_words(categories: tuple[int, ...]) -> list[int]:
    """Return a set of categories as bits, 32 in a word."""
    words = [0] * (max(categories, default=-1) // 32 + 1)
    for category in categories:
        words[category // 32] |= 1 << (category % 32)
    return words


@numba.njit(inline="always")
def decide(
    value: float,
    split: int,
    split_kinds: IntArray,
    split_default_left: IntArray,
    thresholds: FloatArray,
    category_starts: IntArray,
    category_words: IntArray,
) -> np.int64:
    """Return 1 where a value goes left at a split, as LightGBM decides it, else 0."""
    kind = split_kinds[split]
    if kind == CATEGORICAL:
        if not value >= 0.0:
            return np.int64(0)
        category = int(value)
        word = category_starts[split] + category // 32
        if word >= category_starts[split + 1]:
            return np.int64(0)
        return np.int64(category_words[word] >> (category % 32) & 1)
    missing = math.isnan(value)
    if missing and kind != MISSING_NAN:
        value = 0.0
    if (kind == MISSING_NAN and missing) or (kind == MISSING_ZERO and abs(value) <= ZERO_THRESHOLD):
        return np.int64(split_default_left[split])
    return np.int64(value <= thresholds[split])
