"""The Open Bandit data (small): the click rate of one policy from the log of another, on a real shop's recommendations.

``random`` drew one of the items evenly for each of three positions, ``bts`` by Bernoulli Thompson sampling; both ran on
the same site in the same week (Saito, Aihara, Matsutani and Narita 2021, NeurIPS Datasets and Benchmarks). What is
estimated: the click rate of bts, from random's file. Its distribution over items at each position is that of its own
file; the position is the context, an item an option, an impression a decision of its own. What bts's file says itself
is the truth, as far as its 46 to 69 clicks tell.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.report import Figure
from decisions.logged import LoggedDecisions
from decisions.off_policy.evaluate import estimate_all, measure_overlap
from decisions.off_policy.outcomes import learn_outcomes
from decisions.off_policy.payoff import goals
from decisions.policy import NOTHING
from features.events import FloatArray
from insights.intervals import estimate_share

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "open_bandit_small"
CAMPAIGNS = ("men", "women")


def bandit_figures(folder: Path = FOLDER) -> Iterator[Figure]:
    """Yield every estimator's click rate of bts with its interval, and whether the rate that bts had lies in it."""
    for campaign in CAMPAIGNS:
        random, bts = (_read(folder / f"{policy}_{campaign}.csv.gz") for policy in ("random", "bts"))
        items = int(max(random["item_id"].max(), bts["item_id"].max())) + 1
        logged, target = logged_of(random, items), distribution(bts, items)[random["position"].to_numpy() - 1]
        rate = estimate_share(int(bts["click"].sum()), len(bts))
        assert rate is not None
        overlap = measure_overlap(logged, target)
        yield Figure(
            f"Open Bandit, {campaign}: the rate that bts had",
            f"{rate.value:.3%} ({rate.low:.3%} to {rate.high:.3%}); random's {len(random):,} decisions "
            f"are worth {overlap.effective:,.0f}, largest weight {overlap.largest_weight:.1f}",
        )
        for one in estimate_all(logged, target, logged.propensities, goals(logged.options), learn_outcomes(logged)):
            found = one.value
            covers = "covers" if found.low <= rate.value <= found.high else "misses"
            yield Figure(
                f"Open Bandit, {campaign}: {one.estimator}",
                f"{found.value:.3%} ({found.low:.3%} to {found.high:.3%}), width {found.high - found.low:.3%}: "
                f"{covers} it",
                "covers",
            )


def distribution(impressions: pd.DataFrame, items: int) -> FloatArray:
    """Return how often each item was shown at each position (P, 1 + items); nothing comes first and is never shown."""
    counts = np.zeros((3, 1 + items))
    np.add.at(counts, (impressions["position"].to_numpy() - 1, 1 + impressions["item_id"].to_numpy()), 1.0)
    found: FloatArray = counts / counts.sum(axis=1, keepdims=True)
    return found


def logged_of(impressions: pd.DataFrame, items: int) -> LoggedDecisions:
    """Return the impressions of the random policy as decisions; their propensities are those of the file."""
    number = len(impressions)
    odds = np.zeros((number, 1 + items))
    odds[:, 1:] = impressions["propensity_score"].to_numpy()[:, None]
    assert np.allclose(odds.sum(axis=1), 1)
    texts = np.full(number, "", object)
    return LoggedDecisions(
        options=(NOTHING, *(f"item_{place}" for place in range(items))),
        stages=("left", "middle", "right"),
        frictions=(),
        decision_ids=texts,
        session_ids=texts,
        units=np.arange(number),
        at_us=np.arange(number),
        stage=impressions["position"].to_numpy() - 1,
        risk=np.full(number, 0.5),
        confidence=np.zeros((number, 0)),
        chosen=1 + impressions["item_id"].to_numpy(),
        propensities=odds,
        converted=impressions["click"].to_numpy().astype(np.float64),
        holdout=np.zeros(number, np.bool_),
        policy_versions=texts,
    )


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, usecols=["item_id", "position", "click", "propensity_score"])
