"""What a model is compared with: a logistic regression and LightGBM as it comes, on the same rows."""

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from features.events import FloatArray
from features.table import FeatureTable
from features.vocabulary import Vocabulary
from training.fit import Rows


def logistic_regression(table: FeatureTable, rows: Rows, unseen: FloatArray) -> FloatArray:
    """Return the risks (R,) of unseen rows (R, F): logarithms, a column for what is missing, categories one-hot."""
    vocabulary = Vocabulary.learn(table, rows.features)
    category = np.zeros(rows.features.shape[1], np.bool_)
    category[list(vocabulary.category_columns)] = True

    def numbers(features: FloatArray) -> FloatArray:
        chosen = features[:, ~category]
        logarithms = np.sign(chosen) * np.log1p(np.abs(chosen))
        filled: FloatArray = np.nan_to_num(np.column_stack([logarithms, np.isnan(chosen)]))
        return filled

    def identities(features: FloatArray) -> NDArray[np.int64]:
        return np.nan_to_num(vocabulary.apply(features)[:, category], nan=-1.0).astype(np.int64)

    scaler = StandardScaler().fit(numbers(rows.features))
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(identities(rows.features))

    def inputs(features: FloatArray) -> FloatArray:
        return np.column_stack([scaler.transform(numbers(features)), one_hot.transform(identities(features))])

    fitted = LogisticRegression(C=0.1, max_iter=1_000).fit(inputs(rows.features), rows.labels)
    return np.asarray(fitted.predict_proba(inputs(unseen))[:, 1], np.float64)


def untuned_lightgbm(table: FeatureTable, rows: Rows, unseen: FloatArray, *, seed: int) -> FloatArray:
    """Return the risks (R,) of unseen rows (R, F) by LightGBM's own defaults: 100 trees of 31 leaves."""
    vocabulary = Vocabulary.learn(table, rows.features)
    data = lightgbm.Dataset(
        vocabulary.apply(rows.features), rows.labels, categorical_feature=list(vocabulary.category_columns)
    )
    settings = {"objective": "binary", "verbose": -1, "seed": seed, "deterministic": True, "force_row_wise": True}
    return np.asarray(lightgbm.train(settings, data, 100).predict(vocabulary.apply(unseen)), np.float64)
