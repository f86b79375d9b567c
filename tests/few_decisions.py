"""Decisions to weigh policies on, small enough to reckon with by hand, or drawn by a seed."""

from collections.abc import Sequence

import numpy as np

from decisions.logged import LoggedDecisions, Texts

OPTIONS = ("nothing", "chat", "coupon")
FRICTIONS = ("trust", "price")


def texts(values: Sequence[object]) -> Texts:
    found = np.empty(len(values), object)
    found[:] = [str(value) for value in values]
    return found


def decisions(
    chosen: Sequence[int],
    converted: Sequence[float],
    propensities: Sequence[Sequence[float]],
    *,
    units: Sequence[int] | None = None,
    risk: Sequence[float] | None = None,
    confidence: Sequence[Sequence[float]] | None = None,
    stage: Sequence[int] | None = None,
    options: tuple[str, ...] = OPTIONS,
) -> LoggedDecisions:
    number = len(chosen)
    return LoggedDecisions(
        options=options,
        stages=("cart", "pay"),
        frictions=FRICTIONS,
        decision_ids=texts(range(number)),
        session_ids=texts(range(number)),
        units=np.arange(number) if units is None else np.array(units),
        at_us=np.arange(number),
        stage=np.zeros(number, np.int64) if stage is None else np.array(stage),
        risk=np.full(number, 0.9) if risk is None else np.array(risk),
        confidence=np.zeros((number, 2)) if confidence is None else np.array(confidence),
        chosen=np.array(chosen, np.int64),
        propensities=np.array(propensities, np.float64),
        converted=np.array(converted, np.float64),
        holdout=np.zeros(number, np.bool_),
        policy_versions=texts(["priors-1"] * number),
    )


def drawn(seed: int, number: int, *, people: int | None = None, explored: float = 1.0) -> LoggedDecisions:
    """A log of a policy that prefers the chat, with ``explored`` of its decisions drawn uniformly."""
    random = np.random.default_rng(seed)
    confidence = random.dirichlet((0.5, 0.5, 1.0), number)[:, :2]
    propensities = np.full((number, 3), explored / 3)
    propensities[:, 1] += 1 - explored
    chosen = (propensities.cumsum(axis=1) > random.random((number, 1))).argmax(axis=1)
    odds = 0.05 + 0.1 * confidence[np.arange(number), np.minimum(chosen, 2) - 1] * (chosen > 0)
    return decisions(
        chosen.tolist(),
        (random.random(number) < odds).astype(float).tolist(),
        propensities.tolist(),
        units=random.integers(0, people or number, number).tolist() if people else None,
        risk=(1 - random.beta(2, 20, number)).tolist(),
        confidence=confidence.tolist(),
        stage=random.integers(-1, 2, number).tolist(),
    )
