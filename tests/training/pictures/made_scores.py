"""Scored prefixes of the small journey, an explained sample of them, and what is seen on a picture."""

from pathlib import Path

import numpy as np
from made_logs import signup
from matplotlib import image
from scipy.special import expit

from features.events import FloatArray
from training.evaluate import Scored
from training.importance import Explained, Sample

JOURNEY = signup()
FEATURES = JOURNEY.table.names


def scored(people: int = 600, seed: int = 1, *, skill: float = 1.0, devices: tuple[str, ...] = ("a", "b")) -> Scored:
    """Return calibrated risks of people with up to eight prefixes; without skill they know only the base rate."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 9, people)
    persons = np.repeat(np.arange(people), lengths)
    after = np.arange(len(persons)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + 1
    truth = expit(rng.normal(1, 1.5 * skill, people))
    return Scored(
        labels=(rng.random(people) < truth).astype(np.float64)[persons],
        risks=truth[persons],
        sessions=persons,
        persons=persons,
        after=after,
        stages=np.where(after == 1, np.nan, np.where(after < 4, 0.0, 1.0)),
        cohorts={
            "device": np.array(devices, object)[persons % len(devices)],
            "source": np.full(len(persons), None, object),
            "visitor": np.where(persons % 3 == 0, "returning", "new").astype(object),
        },
    )


def explained(size: int = 400, seed: int = 1) -> Explained:
    """Return a sample with contributions drawn at random."""
    rng = np.random.default_rng(seed)
    features = rng.exponential(1.0, (size, len(FEATURES)))
    features[rng.random(size) < 0.5, FEATURES.index("last_gap_seconds")] = np.nan
    contributions = rng.normal(0, 0.2, features.shape)
    return Explained(Sample(np.arange(size), features), JOURNEY.table, 0.3, contributions)


def pixels(path: Path) -> FloatArray:
    """Return rows and columns of colours from 0 to 1, (0, 0) at the top left."""
    read: FloatArray = image.imread(path)[:, :, :3]
    return read


def places_of(path: Path, colour: str) -> FloatArray:
    """Return rows and columns of the pixels of a colour, (N, 2)."""
    wanted = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return np.argwhere(np.abs(pixels(path) - wanted).max(axis=2) < 0.03).astype(np.float64)
