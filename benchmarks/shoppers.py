"""The Online Shoppers data set (Sakar and Kastro 2018, UCI 468): a table of sessions, learnt from as a log's rows are.

A session is one row that knows the whole visit, so nothing here is an early prediction. ``page_values`` holds the value
of the transaction where there was one, so every figure is given with it and without. No row is drawn twice:
oversampling before the split puts copies of held-out sessions into the training part.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.events import FloatArray
from features.friction import Friction
from features.scan import Expression, category, last, on, prop
from features.table import Feature, FeatureTable, Stage
from training.fit import Rows

DEFAULT_PATH = Path(__file__).parents[2] / "shared" / "data" / "uci_online_shoppers" / "online_shoppers_intention.csv"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "June", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FORWARD_FROM_MONTH = 11
TUNING_FROM_MONTH = 9
PAGE_VALUES = "page_values"

NUMBERS = {
    "administrative": "Administrative",
    "administrative_seconds": "Administrative_Duration",
    "informational": "Informational",
    "informational_seconds": "Informational_Duration",
    "product": "ProductRelated",
    "product_seconds": "ProductRelated_Duration",
    "bounce_rate": "BounceRates",
    "exit_rate": "ExitRates",
    PAGE_VALUES: "PageValues",
    "special_day": "SpecialDay",
    "weekend": "Weekend",
}
CATEGORIES = {
    "month": "Month",
    "operating_system": "OperatingSystems",
    "browser": "Browser",
    "region": "Region",
    "traffic": "TrafficType",
    "visitor": "VisitorType",
}
RATIOS = {
    "seconds_per_product": ("product_seconds", "product"),
    "seconds_per_administrative": ("administrative_seconds", "administrative"),
    "bounces_per_exit": ("bounce_rate", "exit_rate"),
    "administrative_per_product": ("administrative", "product"),
}
SECONDS = ("administrative_seconds", "informational_seconds", "product_seconds")


@dataclass(frozen=True, slots=True)
class Shoppers:
    """The sessions as rows (R, F) of a feature table whose labels say who bought, and each one's month (R,)."""

    table: FeatureTable
    rows: Rows
    months: NDArray[np.int64]

    @property
    def categories(self) -> list[int]:
        """Columns that hold categories."""
        return [place for place, feature in enumerate(self.table.features) if feature.is_category]

    def without(self, name: str) -> "Shoppers":
        """Return the sessions without one feature."""
        kept = np.array([feature.name != name for feature in self.table.features])
        features = tuple(feature for feature in self.table.features if feature.name != name)
        rows = Rows(self.rows.features[:, kept], self.rows.labels, self.rows.after)
        return Shoppers(_table(features), rows, self.months)


def read_shoppers(path: Path = DEFAULT_PATH) -> Shoppers:
    """Read the file; a duration of -1 is missing."""
    frame = pd.read_csv(path)
    columns: dict[str, FloatArray] = {name: frame[column].to_numpy(np.float64) for name, column in NUMBERS.items()}
    for name in SECONDS:
        columns[name] = np.where(columns[name] < 0, np.nan, columns[name])
    features = [Feature(name, last(prop(name)), Friction.NONE, f"{{:g}} {name}") for name in columns]
    for name, (above, below) in RATIOS.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            columns[name] = np.where(columns[below] == 0, np.nan, columns[above] / columns[below])
        ratio: Expression = last(prop(above)) / last(prop(below))
        features.append(Feature(name, ratio, Friction.NONE, f"{{:g}} {name}"))
    for name, column in CATEGORIES.items():
        columns[name] = np.unique(frame[column].astype(str), return_inverse=True)[1].astype(np.float64)
        features.append(Feature(name, category(name), Friction.NONE, name))
    rows = Rows(
        np.column_stack(list(columns.values())),
        frame["Revenue"].to_numpy(np.float64),
        np.ones(len(frame), np.int64),
    )
    months = np.array([MONTHS.index(month) + 1 for month in frame["Month"]], np.int64)
    return Shoppers(_table(tuple(features)), rows, months)


def _table(features: tuple[Feature, ...]) -> FeatureTable:
    return FeatureTable(("visit",), (Stage("visit", on("visit")),), features)
