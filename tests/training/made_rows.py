"""Rows with a known dependence on the features, for fitting without a log."""

import numpy as np
from made_logs import signup

from features.friction import Friction
from features.scan import category
from features.table import Feature, FeatureTable
from features.vocabulary import Vocabulary
from training.fit import Rows

DEVICE = Feature("device", category("device"), Friction.NONE, "device")


def table() -> FeatureTable:
    """Return the small journey's table with a category."""
    journey = signup()
    return FeatureTable(tuple(journey.events), journey.stages, (*journey.features, DEVICE))


def rows(size: int, seed: int, signal: float = 1.0) -> Rows:
    """Return rows whose log-odds are linear in two features and a category, times ``signal``."""
    rng = np.random.default_rng(seed)
    names = table().names
    features = rng.normal(0, 1, (size, len(names)))
    features[:, names.index("device")] = rng.choice([-5.0, -9.0, np.nan], size)
    features[rng.random(size) < 0.2, names.index("last_gap_seconds")] = np.nan
    errors, idle = features[:, names.index("form_errors")], features[:, names.index("idle_seconds")]
    margin = signal * (1.2 * errors + 0.7 * idle + 1.5 * (features[:, names.index("device")] == -9.0))
    labels = (rng.random(size) < 1 / (1 + np.exp(-margin))).astype(np.float64)
    return Rows(features, labels, rng.integers(1, 30, size))


def vocabulary(*parts: Rows) -> Vocabulary:
    """Return the vocabulary of the rows."""
    return Vocabulary.learn(table(), np.concatenate([part.features for part in parts]))
