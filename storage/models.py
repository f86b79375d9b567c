"""Exported models: folders that the service reads without MLflow, and atomic pointers to two of them.

Layout: ``HOME/models/JOURNEY/VERSION/``, ``HOME/models/JOURNEY/champion`` and ``champions.jsonl``
(``storage.registry``). The champion answers; the challenger, where there is one, is asked beside it.
"""

import json
from pathlib import Path

from storage.digest import DIGESTS, DigestMismatch, verify_digest
from storage.registry import ANYONE, PointerMoved, Registry, VersionNotFound, home_folder

CHAMPION, CHALLENGER = "champion", "challenger"
_CARD = "card.json"


class ModelNotFound(VersionNotFound):
    """There is no such model; the text says which command makes one."""


class ChampionMoved(PointerMoved):
    """Another version became champion meanwhile, so that what was decided no longer holds."""


class ChallengerMoved(PointerMoved):
    """Another version became challenger meanwhile, so that what was decided no longer holds."""


MODELS = Registry(
    area="models",
    thing="model",
    pointer=CHAMPION,
    history_name="champions.jsonl",
    make="dropoff train {journey} --log PATH",
    look="dropoff models {journey}",
    not_found=ModelNotFound,
    moved=ChampionMoved,
)
CHALLENGERS = Registry(
    area=MODELS.area,
    thing="model",
    pointer=CHALLENGER,
    history_name="challengers.jsonl",
    make="dropoff challenger {journey} VERSION",
    look="dropoff challenger {journey}",
    not_found=ModelNotFound,
    moved=ChallengerMoved,
)
publish = MODELS.publish
model_folder = MODELS.folder
versions = MODELS.versions
point_champion = MODELS.point
champion_history = MODELS.history
champion_version = MODELS.pointed
champion_folder = MODELS.pointed_folder
point_challenger = CHALLENGERS.point
withdraw_challenger = CHALLENGERS.withdraw
challenger_history = CHALLENGERS.history
challenger_version = CHALLENGERS.pointed


def trained_on(home: Path, journey: str, first_us: int, last_us: int) -> tuple[str, ...]:
    """Return the versions whose training data overlaps a stretch of time, the oldest first.

    A version whose card does not say which data it had may have had any.
    """
    return tuple(
        version
        for version in versions(home, journey)
        if _overlaps(home / MODELS.area / journey / version / _CARD, first_us, last_us)
    )


def _overlaps(card: Path, first_us: int, last_us: int) -> bool:
    try:
        data = json.loads(card.read_text(encoding="utf-8"))["data"]
        return bool(data["first_at_us"] <= last_us and data["last_at_us"] >= first_us)
    except (OSError, ValueError, LookupError, TypeError):
        return True


__all__ = [
    "ANYONE",
    "CHALLENGER",
    "CHALLENGERS",
    "CHAMPION",
    "DIGESTS",
    "MODELS",
    "ChallengerMoved",
    "ChampionMoved",
    "DigestMismatch",
    "ModelNotFound",
    "challenger_history",
    "challenger_version",
    "champion_folder",
    "champion_history",
    "champion_version",
    "home_folder",
    "model_folder",
    "point_challenger",
    "point_champion",
    "publish",
    "trained_on",
    "verify_digest",
    "versions",
    "withdraw_challenger",
]
