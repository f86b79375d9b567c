"""The risk model: a LightGBM booster with its calibrator, vocabulary and blockers, saved without MLflow."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from decisions.blockers import BlockerModel
from decisions.calibration import Calibrator
from decisions.exposure import stage_rows
from decisions.hazard import SETTINGS as HAZARD_SETTINGS
from decisions.hazard import Hazard
from decisions.margins import margins_of, threads_for
from decisions.snapshot import Snapshot
from decisions.trees import UnsupportedModel
from decisions.treeshap import TreeExplainer
from features.events import FloatArray
from features.table import FeatureTable
from features.vocabulary import Vocabulary

ADDITIVITY_TOLERANCE = 1e-6
_MODEL, _CALIBRATOR, _VOCABULARY = "model.txt", "calibrator.json", "vocabulary.json"
_BLOCKERS, _TABLE, _CARD = "blockers.json", "table.json", "card.json"
_SNAPSHOT = "snapshot.json"


class FingerprintMismatch(ValueError):
    """The model was trained on another feature table than the journey's; the text names the features that differ."""


class ModelFilesError(ValueError):
    """A model's folder misses a file or holds one that cannot be read."""


class AdditivityError(ArithmeticError):
    """Contributions do not add up to the margin, so they must not be shown."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Contributions (R, F) to the margins (R,) of the risk; with ``base`` each row adds up to its margin."""

    margins: FloatArray
    base: float
    contributions: FloatArray


@dataclass(frozen=True)
class RiskModel:
    """One version of a journey's model; rows are raw, as the kernel reads them."""

    journey: str
    version: str
    table: FeatureTable
    booster: lightgbm.Booster
    calibrator: Calibrator
    vocabulary: Vocabulary
    blockers: BlockerModel
    card: Mapping[str, Any] = field(default_factory=dict)
    snapshot: Snapshot | None = None
    """Of the log that it was trained on; None for a model that was trained before snapshots were kept."""
    hazard: Hazard | None = None
    """None where the log was too short or too small to learn it."""

    @cached_property
    def _explainer(self) -> TreeExplainer | None:
        try:
            return TreeExplainer.of(self.booster)
        except UnsupportedModel:
            return None

    def margins(self, rows: FloatArray) -> FloatArray:
        """Return the log-odds of abandonment before calibration, (R,)."""
        return self._margins(self.vocabulary.apply(rows))

    def predict(self, rows: FloatArray) -> FloatArray:
        """Return the calibrated risk (R,) of rows (R, F)."""
        return self.calibrator.apply(self.margins(rows), stage_rows(self.table, rows))

    def foresee(self, rows: FloatArray, idle_seconds: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """Return the calibrated risk (R,) of rows (R, F), and the probability to leave soon (R,).

        The latter is None where the model has not learnt it.
        """
        numbered = self.vocabulary.apply(rows)
        leaving = None if self.hazard is None else self.hazard.predict(numbered, idle_seconds)
        return self.calibrator.apply(self._margins(numbered), stage_rows(self.table, rows)), leaving

    def _margins(self, numbered: FloatArray) -> FloatArray:
        return margins_of(self.booster, self._explainer, numbered)

    def explain(self, rows: FloatArray) -> Explanation:
        """Return exact contributions; raises :class:`AdditivityError` if any row's do not add up to its margin."""
        numbered = self.vocabulary.apply(rows)
        if self._explainer is not None:
            margins, contributions = self._explainer.explain(numbered)
            base = self._explainer.base
        else:
            predicted = np.asarray(self.booster.predict(numbered, pred_contrib=True, num_threads=threads_for(rows)))
            contributions, base = predicted[:, :-1], float(predicted[0, -1])
            margins = np.asarray(self.booster.predict(numbered, raw_score=True, num_threads=threads_for(rows)))
        gaps = np.abs(base + contributions.sum(axis=1) - margins)
        if not (gaps <= ADDITIVITY_TOLERANCE).all():
            raise AdditivityError(f"contributions miss the margin by {gaps.max():.3g}; the model cannot be explained")
        return Explanation(margins, base, contributions)

    def save(self, folder: Path) -> None:
        """Write the model's files into an existing folder."""
        self.booster.save_model(str(folder / _MODEL))
        _write(folder / _CALIBRATOR, self.calibrator.to_json())
        _write(folder / _VOCABULARY, self.vocabulary.to_json())
        _write(folder / _BLOCKERS, self.blockers.to_json())
        if self.snapshot is not None:
            _write(folder / _SNAPSHOT, self.snapshot.to_json(), indent=None)
        _write(folder / _TABLE, {"fingerprint": self.table.fingerprint, "features": self.table.fingerprints})
        if self.hazard is not None:
            self.hazard.save(folder)
        _write(folder / _CARD, {"journey": self.journey, "version": self.version, **self.card})

    @classmethod
    def load(cls, folder: Path, table: FeatureTable) -> "RiskModel":
        """Read a model for a journey's feature table.

        Raises :class:`FingerprintMismatch` when it was trained on another table, and :class:`ModelFilesError`.
        """
        try:
            loaded = cls._load(folder, table)
        except (FingerprintMismatch, ModelFilesError):
            raise
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            wrong = f"{type(error).__name__}: {error}"
            raise ModelFilesError(f"a file in {folder} is not as it was saved ({wrong}); train again") from error
        loaded._check_shapes(folder)
        return loaded

    @classmethod
    def _load(cls, folder: Path, table: FeatureTable) -> "RiskModel":
        card = _read(folder / _CARD)
        check_table(f"{card['journey']} version {card['version']}", _read(folder / _TABLE)["features"], table)
        try:
            booster = lightgbm.Booster(model_file=str(folder / _MODEL))
        except lightgbm.basic.LightGBMError as error:
            raise ModelFilesError(f"{folder / _MODEL} is no LightGBM model ({error}); train again") from error
        return cls(
            journey=card["journey"],
            version=card["version"],
            table=table,
            booster=booster,
            calibrator=Calibrator.from_json(_read(folder / _CALIBRATOR)),
            vocabulary=Vocabulary.from_json(_read(folder / _VOCABULARY)),
            blockers=BlockerModel.from_json(_read(folder / _BLOCKERS)),
            snapshot=Snapshot.from_json(_read(folder / _SNAPSHOT)) if (folder / _SNAPSHOT).exists() else None,
            card=card,
            hazard=_load_hazard(folder, table),
        )

    def _check_shapes(self, folder: Path) -> None:
        count = len(self.table.features)
        categories = {place for place, feature in enumerate(self.table.features) if feature.is_category}
        fitting = {
            _MODEL: self.booster.num_feature() == count,
            _CALIBRATOR: len(self.calibrator.shifts) in (0, len(self.table.stages) + 1),
            _VOCABULARY: set(self.vocabulary.known) == categories,
            _BLOCKERS: self.blockers.fits(self.table),
            _SNAPSHOT: self.snapshot is None or self.snapshot.fits(self.table),
        }
        for name, fits in fitting.items():
            if not fits:
                raise ModelFilesError(f"{folder / name} is not of this journey's features and stages; train again")


def read_card(folder: Path) -> dict[str, Any]:
    """Return what a model's folder tells about it without loading it; raises :class:`ModelFilesError`."""
    return _read(folder / _CARD)


def check_table(model: str, trained: Mapping[str, str], table: FeatureTable) -> None:
    """Raise :class:`FingerprintMismatch`, naming the features, unless the model was trained on this very table."""
    current = table.fingerprints
    differences = {
        "removed": [name for name in trained if name not in current],
        "added": [name for name in current if name not in trained],
        "changed": [name for name in trained if name in current and trained[name] != current[name]],
    }
    told = "; ".join(f"{what}: {', '.join(names)}" for what, names in differences.items() if names)
    if not told and list(trained) != list(current):
        told = "the same features in another order"
    if told:
        raise FingerprintMismatch(f"model {model} was trained on another feature table ({told}); train again")


def _load_hazard(folder: Path, table: FeatureTable) -> Hazard | None:
    if not (folder / HAZARD_SETTINGS).exists():
        return None
    return Hazard.load(folder, _read(folder / HAZARD_SETTINGS), len(table.features))


def _write(path: Path, content: Mapping[str, Any], indent: int | None = 1) -> None:
    path.write_text(json.dumps(content, indent=indent, allow_nan=False) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFilesError(f"{path} is missing; train again or promote another version") from error
    except (OSError, ValueError) as error:
        raise ModelFilesError(f"{path} cannot be read ({error}); train again or promote another version") from error
    if not isinstance(content, dict):
        raise ModelFilesError(f"{path} does not hold what a model's file holds; train again")
    return content
