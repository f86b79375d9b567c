"""Who gets which e-mail: Hillstrom's randomised campaign (MineThatData 2008), three arms, 64,000 customers.

    python -m benchmarks hillstrom
    python -m benchmarks.hillstrom ../shared/data/hillstrom/hillstrom.csv.gz --seeds 5

Policies that choose an arm for each customer are learnt on some of the customers and valued on the others, by a
doubly-robust score with the known odds of a third an arm; five folds, for several divisions into folds. The reference
is the best single arm, and a plain T- and S-learner of scikit-learn's boosted trees, which are no published figures but
the textbook's own methods on the same folds. A customer's difference is averaged over the divisions before its standard
error is taken: the divisions are of the same customers, so that more of them do not make the interval narrower.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from benchmarks.report import Figure, Report, as_table
from decisions.intervention import Effort, Intervention
from decisions.logged import LoggedDecisions
from decisions.off_policy.estimators import Estimator, score
from decisions.off_policy.outcomes import given_outcomes
from decisions.off_policy.payoff import goals
from decisions.option_rows import OptionRows
from decisions.policy import NOTHING, PolicySettings
from features.events import FloatArray, IntArray
from features.friction import Friction
from features.vocabulary import Vocabulary
from training.uplift.bag import BagSettings
from training.uplift.curve import gain_curve
from training.uplift.learners import Learner, learn_uplift
from training.uplift.persons import folds

DEFAULT_PATH = Path(__file__).parents[2] / "shared" / "data" / "hillstrom" / "hillstrom.csv.gz"
ARMS = ("No E-Mail", "Womens E-Mail", "Mens E-Mail")
OUTCOMES = ("visit", "spend")
FEATURES = ("recency", "history", "mens", "womens", "newbie", "zip_code", "channel")
_CATEGORIES = ("zip_code", "channel")
_PARTS = 5
_NORMAL = 1.959964
_ODDS = 1.0 / 3.0


@dataclass(frozen=True, slots=True)
class Campaign:
    """The customers as decisions among the arms; ``spend`` (N,) is what they spent."""

    logged: LoggedDecisions
    columns: OptionRows
    interventions: tuple[Intervention, ...]
    spend: FloatArray


def read_campaign(path: Path) -> Campaign:
    """Return the campaign; all features were known before the e-mail."""
    table = pd.read_csv(path)
    numbered = {name: table[name].astype("category").cat.codes for name in _CATEGORIES}
    features = np.column_stack([numbered.get(name, table[name]) for name in FEATURES]).astype(np.float64)
    interventions = tuple(_email(name) for name in ("womens", "mens"))
    known = {FEATURES.index(name): np.unique(features[:, FEATURES.index(name)]) for name in _CATEGORIES}
    columns = OptionRows(
        options=(NOTHING, "womens", "mens"),
        stages=(),
        frictions=(),
        treats=np.zeros((3, 0)),
        declared=np.zeros(3),
        features=FEATURES,
        vocabulary=Vocabulary(known),
    )
    count, visits = len(table), table["visit"].to_numpy(np.float64)
    blank = np.full(count, "", object)
    logged = LoggedDecisions(
        options=columns.options,
        stages=(),
        frictions=(),
        decision_ids=blank,
        session_ids=blank,
        units=np.arange(count),
        at_us=np.arange(count),
        stage=np.full(count, -1),
        risk=np.full(count, 1.0 - visits.mean()),
        confidence=np.zeros((count, 0)),
        chosen=np.array([ARMS.index(arm) for arm in table["segment"]]),
        propensities=np.full((count, 3), _ODDS),
        converted=visits,
        holdout=np.zeros(count, np.bool_),
        policy_versions=blank,
        rows=features,
    )
    return Campaign(logged, columns, interventions, table["spend"].to_numpy(np.float64))


def _email(name: str) -> Intervention:
    # What it treats and declares is not used: every effect is learnt.
    return Intervention(
        name=name,
        title=name,
        message=name,
        channel="email",
        stages=("campaign",),
        treats=(Friction.CHOICE,),
        prior_effect=0.0,
        cost=0.0,
        effort=Effort.QUICK_WIN,
        owner="Hillstrom",
    )


def cross_fit(campaign: Campaign, seed: int, members: int) -> tuple[dict[str, FloatArray], FloatArray]:
    """Return every learner's expected visits above no e-mail (N, 3), and the odds of a visit (N, 3), all held out."""
    logged = campaign.logged
    part = folds(logged.units, _PARTS, seed)
    names = [*(str(learner) for learner in _LEARNERS), "mean of the three", *_REFERENCES]
    found = {name: np.zeros((len(logged), 3)) for name in names}
    odds = np.zeros((len(logged), 3))
    for fold in range(_PARTS):
        others, mine = logged.take(np.flatnonzero(part != fold)), np.flatnonzero(part == fold)
        held_out = logged.take(mine)
        for learner in _LEARNERS:
            policy = learn_uplift(
                others,
                campaign.columns,
                campaign.interventions,
                PolicySettings(goal_value=1.0),
                learner=learner,
                bag=BagSettings(members=members),
                seed=seed,
            )
            found[str(learner)][mine] = policy.net_values(held_out)
            if learner is Learner.S:
                odds[mine] = policy.probabilities(held_out)
        for name, reference in _REFERENCES.items():
            found[name][mine] = reference(others, held_out)
    found["mean of the three"] = np.mean([found[str(learner)] for learner in _LEARNERS], axis=0)
    return found, odds


_LEARNERS = (Learner.S, Learner.X, Learner.DR)


def _t_learner(taught: LoggedDecisions, asked: LoggedDecisions) -> FloatArray:
    odds = [
        _boosted(_rows(taught)[taught.chosen == arm], taught.converted[taught.chosen == arm], _rows(asked))
        for arm in range(3)
    ]
    found: FloatArray = np.column_stack(odds) - odds[0][:, None]
    return found


def _s_learner(taught: LoggedDecisions, asked: LoggedDecisions) -> FloatArray:
    def with_arm(rows: FloatArray, arm: IntArray) -> FloatArray:
        return np.column_stack([rows, arm == 1, arm == 2])

    learnt = with_arm(_rows(taught), taught.chosen)
    rows = _rows(asked)
    whole = np.concatenate([with_arm(rows, np.full(len(rows), arm)) for arm in range(3)])
    odds = _boosted(learnt, taught.converted, whole).reshape(3, -1).T
    return odds - odds[:, :1]


def _rows(logged: LoggedDecisions) -> FloatArray:
    if logged.rows is None:
        raise ValueError("the campaign has a row for each customer")
    return logged.rows


def _boosted(rows: FloatArray, visits: FloatArray, asked: FloatArray) -> FloatArray:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(max_iter=100, learning_rate=0.05, max_leaf_nodes=15, random_state=7)
    found: FloatArray = model.fit(rows, visits).predict_proba(asked)[:, 1]
    return found


_REFERENCES = {"T-learner (scikit-learn)": _t_learner, "S-learner (scikit-learn)": _s_learner}


def run(path: Path = DEFAULT_PATH, *, seeds: int = 5, members: int = 8) -> Report:
    """Return the value of every policy above the best single arm, and its Qini, over several divisions into folds."""
    campaign = read_campaign(path)
    logged, count = campaign.logged, len(campaign.logged)
    mean = {
        name: np.array([values[logged.chosen == arm].mean() for arm in range(3)])
        for name, values in _outcomes(campaign)
    }
    best = {name: int(means.argmax()) for name, means in mean.items()}
    gains: dict[tuple[str, str], FloatArray] = {}
    values: dict[tuple[str, str], list[float]] = {}
    qinis: dict[str, list[float]] = {}
    for seed in range(seeds):
        expected, odds = cross_fit(campaign, seed, members)
        # Spend is too rare to learn from: its outcome model is the mean of each arm, of the other customers.
        direct = {"visit": odds, "spend": _means_of_others(campaign, seed)}
        for name, net in expected.items():
            chosen = net.argmax(axis=1)
            for outcome, observed in _outcomes(campaign):
                mine = _score(logged, chosen, observed, direct[outcome])
                single = _score(logged, np.full(count, best[outcome]), observed, direct[outcome])
                key = (name, outcome)
                gains[key] = gains.get(key, np.zeros(count)) + (mine - single) / seeds
                values.setdefault(key, []).append(float(mine.mean()))
            order = net[:, 1:].max(axis=1)
            mailed = _score(logged, net[:, 1:].argmax(axis=1) + 1, logged.converted, odds)
            idle = _score(logged, np.zeros(count, np.int64), logged.converted, odds)
            qinis.setdefault(name, []).append(gain_curve(order, mailed - idle).qini)
    figures = [
        Figure(f"best single arm, {outcome}", f"{ARMS[best[outcome]]}: {mean[outcome][best[outcome]]:.4f}")
        for outcome in OUTCOMES
    ]
    for (name, outcome), gained in gains.items():
        value, half = float(gained.mean()), _NORMAL * float(gained.std() / np.sqrt(count))
        told = f"{np.mean(values[name, outcome]):.4f}; {value:+.4f} ({value - half:+.4f} to {value + half:+.4f})"
        figures.append(Figure(f"{name}, {outcome}: value; above the best single arm (95 %)", told, "above 0"))
    figures += [
        Figure(f"{name}: Qini of visits, the best arm for each", f"{np.mean(found):.5f}")
        for name, found in qinis.items()
    ]
    return Report(
        f"Hillstrom's e-mail campaign, {_PARTS} folds x {seeds} divisions", "python -m benchmarks hillstrom", figures
    )


def _outcomes(campaign: Campaign) -> list[tuple[str, FloatArray]]:
    return [("visit", campaign.logged.converted), ("spend", campaign.spend)]


def _means_of_others(campaign: Campaign, seed: int) -> FloatArray:
    part = folds(campaign.logged.units, _PARTS, seed)
    found = np.empty((len(part), 3))
    for fold in range(_PARTS):
        for arm in range(3):
            found[part == fold, arm] = campaign.spend[(part != fold) & (campaign.logged.chosen == arm)].mean()
    return found


def _score(logged: LoggedDecisions, chosen: IntArray, observed: FloatArray, expected: FloatArray) -> FloatArray:
    """Return the doubly-robust scores (N,) of choosing arms (N,)."""
    target = (chosen[:, None] == np.arange(3)).astype(np.float64)
    decided = replace(logged, converted=observed)
    found: FloatArray = score(
        Estimator.DR, decided, target, goals(logged.options), given_outcomes(decided, expected)
    ).values
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, nargs="?", default=DEFAULT_PATH)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--members", type=int, default=8)
    given = parser.parse_args()
    Console().print(as_table(run(given.path, seeds=given.seeds, members=given.members)))
