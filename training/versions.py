"""The registered versions of a journey's model: what their cards say, which one is champion, and who was before."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from decisions.risk import ModelFilesError, read_card
from journeys.tables import FittedTable
from storage.history import History
from storage.models import (
    DigestMismatch,
    ModelNotFound,
    challenger_version,
    champion_history,
    champion_version,
    model_folder,
    verify_digest,
    versions,
)

_FIGURES = {"base_rate": "Base rate", "log_loss": "Log loss", "auc": "AUC", "ap": "AP", "ece": "ECE"}


@dataclass(frozen=True, slots=True)
class Registered:
    """One version: its card, and what is wrong with its files, if anything; a damaged card is empty."""

    version: str
    is_champion: bool
    is_challenger: bool
    card: Mapping[str, Any]
    damage: str | None


@dataclass(frozen=True, slots=True)
class Versions:
    """All versions of a journey's model, the oldest first, and the history of its champions."""

    journey: str
    champion: str | None
    challenger: str | None
    registered: tuple[Registered, ...]
    history: History

    def to_json(self) -> dict[str, object]:
        """Return what ``dropoff models --json`` writes."""
        return {
            "journey": self.journey,
            "champion": self.champion,
            "challenger": self.challenger,
            "versions": [asdict(version) for version in self.registered],
            "history": [asdict(promotion) for promotion in self.history.promotions],
            "damaged_history_lines": list(self.history.damaged),
        }


def list_versions(home: Path, journey: str) -> Versions:
    """Return the versions under a home; raises :class:`storage.models.ModelNotFound` where there are none."""
    champion, challenger = champion_version(home, journey), challenger_version(home, journey)
    names = versions(home, journey)
    if not names:
        raise ModelNotFound(f"{journey} has no model yet under {home}; run `dropoff train {journey} --log PATH` first")
    registered = tuple(_registered(model_folder(home, journey, name), name, champion, challenger) for name in names)
    return Versions(journey, champion, challenger, registered, champion_history(home, journey))


def versions_table(listed: Versions) -> FittedTable:
    """Return the versions with the data they were trained on and their held-out figures, on every prefix."""
    numbers = (*(_FIGURES.values()), "Sessions", "Trees")
    rows = list[tuple[str, ...]]()
    for one in listed.registered:
        name = f"{one.version} *" if one.is_champion else f"{one.version} ?" if one.is_challenger else one.version
        if one.damage is not None:
            rows.append((name, "damaged", *[""] * (len(numbers) + 1)))
            continue
        data, held_out = one.card.get("data", {}), one.card.get("held_out", {})
        told = [_figure(held_out.get(figure)) for figure in _FIGURES]
        sessions = f"{held_out.get('n_sessions', 0):,}"
        log = str(data.get("digest", "-"))[:8]
        rows.append((name, log, _day(data.get("last_at_us")), *told, sessions, str(one.card.get("trees", "-"))))
    marks = "*: champion, ?: challenger" if listed.challenger else "*: champion"
    title = f"Versions of {listed.journey} ({marks}), on the prefixes of held-out sessions"
    return FittedTable(title, ("Version", "Log", "Until", *numbers), rows, numbers=numbers, whole=("Version", "Until"))


def history_table(listed: Versions) -> FittedTable:
    """Return who made which version champion, when and why, the latest last."""
    rows = [
        (
            f"{one.at[:16].replace('T', ' ')}Z",
            one.by,
            str(one.action),
            one.version if one.previous in (None, one.version) else f"{one.version} for {one.previous}",
            one.reason,
        )
        for one in listed.history.promotions
    ]
    return FittedTable("Champions", ("When", "Who", "How", "Version", "Why"), rows, whole=("When",))


def _registered(folder: Path, version: str, champion: str | None, challenger: str | None) -> Registered:
    stands = version == champion, version == challenger
    try:
        verify_digest(folder)
        return Registered(version, *stands, read_card(folder), None)
    except (DigestMismatch, ModelFilesError) as error:
        return Registered(version, *stands, {}, str(error))


def _day(at_us: int | None) -> str:
    return "-" if at_us is None else f"{datetime.fromtimestamp(at_us / 1e6, UTC):%Y-%m-%d}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
