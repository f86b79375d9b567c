"""A bag of boosters, each learnt from other draws of persons and stopped by the persons that it did not draw."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import lightgbm
import numpy as np

from decisions.option_rows import DECLARED, TREATED, OptionRows
from features.events import FloatArray, IntArray
from training.uplift.persons import draw

Progress = Callable[[float], None]
_PATIENCE = 15


@dataclass(frozen=True, slots=True)
class BagSettings:
    """What the search may change; depth and leaves are small, since effects are and a live answer walks all trees.

    With ``monotone`` the goal never gets less likely as an option treats more of what stands in the way.
    """

    members: int = 8
    trees: int = 50
    learning_rate: float = 0.1
    num_leaves: int = 8
    max_depth: int = 4
    min_data_in_leaf: int = 100
    feature_fraction: float = 0.5
    lambda_l2: float = 5.0
    monotone: bool = True

    def parameters(self, objective: str, columns: int, seed: int, threads: int) -> dict[str, object]:
        """Return LightGBM's parameters for rows of so many columns."""
        own = asdict(self)
        del own["members"], own["trees"], own["monotone"]
        directions = [int(self.monotone and column in (TREATED, DECLARED)) for column in range(columns)]
        return own | {
            "objective": objective,
            "metric": "l2" if objective == "regression" else "binary_logloss",
            "monotone_constraints": directions,
            "cat_smooth": 50.0,
            "min_data_per_group": 100,
            "max_cat_threshold": 16,
            "boost_from_average": False,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": threads,
            "verbose": -1,
        }


@dataclass(frozen=True, slots=True)
class Examples:
    """What a bag learns from: rows (R, D), targets (R,), weights (R,), margins to start from (R,), whose rows (R,)."""

    rows: FloatArray
    targets: FloatArray
    weights: FloatArray
    start: FloatArray
    units: IntArray
    objective: str


def fit_bag(
    examples: Examples,
    columns: OptionRows,
    settings: BagSettings,
    *,
    seed: int,
    threads: int = 1,
    progress: Progress = lambda _share: None,
) -> tuple[lightgbm.Booster, ...]:
    """Return the boosters; each has as many trees as those persons want that it has not learnt from."""
    parameters = settings.parameters(examples.objective, examples.rows.shape[1], seed, threads)
    binned: lightgbm.Dataset | None = None
    boosters = []
    for member in range(settings.members):
        drawn = draw(examples.units, seed * 1_000 + member)
        training = _data_set(examples, columns, np.flatnonzero(drawn > 0), drawn * examples.weights, binned)
        binned = binned or training
        watched = _data_set(examples, columns, np.flatnonzero(drawn == 0), examples.weights, binned)
        boosters.append(
            lightgbm.train(
                parameters | {"seed": seed * 1_000 + member},
                training,
                settings.trees,
                valid_sets=[watched],
                callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
            )
        )
        progress((member + 1) / settings.members)
    return tuple(_cut(booster) for booster in boosters)


def _data_set(
    examples: Examples,
    columns: OptionRows,
    chosen: IntArray,
    weights: FloatArray,
    reference: lightgbm.Dataset | None,
) -> lightgbm.Dataset:
    return lightgbm.Dataset(
        examples.rows[chosen],
        examples.targets[chosen],
        weight=weights[chosen],
        init_score=examples.start[chosen],
        feature_name=list(columns.names),
        categorical_feature=list(columns.category_columns),
        reference=reference,
        params={"verbose": -1, "max_bin": 127},
    )


def _cut(booster: lightgbm.Booster) -> lightgbm.Booster:
    """Return the booster with the trees up to its best one only, free of the data it was learnt from."""
    return lightgbm.Booster(model_str=booster.model_to_string(num_iteration=booster.best_iteration))
