"""Fit the booster: log loss, early prefixes heavier, as many trees as the later training sessions want."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import lightgbm
import numpy as np
from lightgbm.callback import CallbackEnv

from features.events import FloatArray, IntArray
from features.friction import Friction
from features.table import FeatureTable
from features.vocabulary import Vocabulary

MAX_TREES = 300
EARLY_STOPPING_TREES = 30
ROWS_AT_ONCE = 100_000
"""So many rows are numbered at once: a numbered copy of all would be as large as the rows."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a feature table: raw features (R, F), labels (R,), and how many events each has seen (R,).

    A label is 0 or 1, or, of rows to learn from, a target in between (``training/targets.py``).
    ``weights`` (R,), where given, say for how many rows like it each stands.
    """

    features: FloatArray
    labels: FloatArray
    after: IntArray
    weights: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> "Rows":
        """Return the chosen rows; where all are, these very ones."""
        if rows.all():
            return self
        weights = None if self.weights is None else self.weights[rows]
        return Rows(self.features[rows], self.labels[rows], self.after[rows], weights)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the search may change. A row that has seen n events weighs n to the power of ``-prefix_weighting``.

    Depth and leaves bound the time of an explanation, so they stay small. With ``monotone_frictions`` the risk never
    falls as a feature that is evidence of a friction gets worse.
    """

    learning_rate: float = 0.08
    num_leaves: int = 8
    max_depth: int = 3
    min_data_in_leaf: int = 100
    feature_fraction: float = 0.4
    bagging_fraction: float = 0.8
    lambda_l2: float = 5.0
    prefix_weighting: float = 0.5
    monotone_frictions: bool = False

    def parameters(self, seed: int, threads: int) -> dict[str, object]:
        """Return LightGBM's parameters."""
        own = asdict(self)
        del own["prefix_weighting"], own["monotone_frictions"]
        return own | {
            "objective": "cross_entropy",
            "metric": "binary_logloss",
            "bagging_freq": 1,
            "max_cat_threshold": 16,
            "cat_smooth": 50.0,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": threads,
            "verbose": -1,
        }


def row_weights(after: IntArray, power: float) -> FloatArray:
    """Return weights (R,) of mean one: the number of events seen to the power of ``-power``.

    A weight by the length of the whole session would know the end: sessions that were abandoned are shorter.
    """
    weights = after.astype(np.float64) ** -power
    mean_one: FloatArray = weights / weights.mean()
    return mean_one


def directions(table: FeatureTable) -> list[int]:
    """Return, per feature, 1 where more of it is worse, -1 where less is, 0 where neither is declared."""
    return [
        0 if feature.is_category or feature.friction == Friction.NONE else -1 if feature.less_is_worse else 1
        for feature in table.features
    ]


def fit(
    table: FeatureTable,
    vocabulary: Vocabulary,
    rows: Rows,
    settings: Settings,
    *,
    seed: int,
    threads: int,
    trees: int | None = None,
    tuning: Rows | None = None,
    callbacks: list[Callable[[CallbackEnv], None]] | None = None,
) -> lightgbm.Booster:
    """Return a booster of ``trees`` trees, or of as many as lower the log loss of the ``tuning`` rows."""
    training = _dataset(table, vocabulary, rows, settings)
    watched = [] if tuning is None else [_dataset(table, vocabulary, tuning, settings, training)]
    stopping = [] if tuning is None else [lightgbm.early_stopping(EARLY_STOPPING_TREES, verbose=False)]
    constraints = {"monotone_constraints": directions(table)} if settings.monotone_frictions else {}
    return lightgbm.train(
        settings.parameters(seed, threads) | constraints,
        training,
        trees or MAX_TREES,
        valid_sets=watched,
        callbacks=[*stopping, *(callbacks or [])],
    )


def predict_numbered(
    booster: lightgbm.Booster,
    vocabulary: Vocabulary,
    features: FloatArray,
    *,
    raw_score: bool = False,
    threads: int = 0,
) -> FloatArray:
    """Return what a booster says of raw features (R, F), (R,); 0 threads are all that there are."""
    said = np.empty(len(features))
    for first in range(0, len(features), ROWS_AT_ONCE):
        part = vocabulary.apply(features[first : first + ROWS_AT_ONCE])
        said[first : first + ROWS_AT_ONCE] = booster.predict(part, raw_score=raw_score, num_threads=threads)
    return said


def _dataset(
    table: FeatureTable,
    vocabulary: Vocabulary,
    rows: Rows,
    settings: Settings,
    reference: lightgbm.Dataset | None = None,
) -> lightgbm.Dataset:
    weights = row_weights(rows.after, settings.prefix_weighting)
    return lightgbm.Dataset(
        # Of a ``Sequence`` LightGBM forgets how small a leaf may be, and then keeps features that no tree can use.
        vocabulary.apply(rows.features),
        rows.labels,
        weight=weights if rows.weights is None else weights * rows.weights,
        feature_name=list(table.names),
        categorical_feature=list(vocabulary.category_columns),
        reference=reference,
        params={"verbose": -1},
    )
