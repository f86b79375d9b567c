"""The history of champions: one line a promotion, kept whatever crashes or runs beside it, and the way back."""

import json
import multiprocessing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.history import Action, Promotion, account, former_version
from storage.models import MODELS, ChampionMoved, champion_history, champion_version, point_champion, publish

AT = datetime(2026, 11, 25, 9, 30, 0, 120_000, UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for version in "1234":
        publish(tmp_path, "shop", version, lambda folder: (folder / "model.txt").write_text("x") and None)
    return tmp_path


def lines(home: Path) -> list[str]:
    return (home / "models" / "shop" / MODELS.history_name).read_text().splitlines()


def test_a_promotion_says_when_who_which_instead_of_which_and_why(home: Path) -> None:
    point_champion(home, "shop", "1", action=Action.TRAIN, reason="it is the first model", now=AT)
    point_champion(home, "shop", "2", reason="für mobile\nusers")
    first, second = map(json.loads, lines(home))
    assert first == {
        "at": "2026-11-25T09:30:00.120000Z",
        "by": account(),
        "action": "train",
        "version": "1",
        "previous": None,
        "reason": "it is the first model",
    }
    assert (second["action"], second["previous"], second["reason"]) == ("promote", "1", "für mobile\nusers")
    history = champion_history(home, "shop")
    assert history.damaged == ()
    assert history.promotions[0] == Promotion(**{**first, "action": Action.TRAIN})


def test_without_a_promotion_there_is_no_history(home: Path) -> None:
    assert champion_history(home, "shop").promotions == ()
    assert champion_history(home, "loan").promotions == ()


def test_lines_are_only_ever_appended(home: Path) -> None:
    path = home / "models" / "shop" / MODELS.history_name
    before = b""
    for version in "12321":
        point_champion(home, "shop", version)
        now = path.read_bytes()
        assert now.startswith(before)
        assert now.count(b"\n") == before.count(b"\n") + 1
        before = now


def test_a_torn_line_spoils_no_other(home: Path) -> None:
    point_champion(home, "shop", "1")
    path = home / "models" / "shop" / MODELS.history_name
    path.write_bytes(path.read_bytes() + b'{"at": "2026-')
    point_champion(home, "shop", "2")
    history = champion_history(home, "shop")
    assert [promotion.version for promotion in history.promotions] == ["1", "2"]
    assert history.damaged == (2,)


NO_PROMOTIONS = (
    "[]",
    "{}",
    "1",
    '{"at": 1, "by": "a", "action": "train", "version": "1", "previous": null, "reason": ""}',
    '{"at": "t", "by": "a", "action": "crown", "version": "1", "previous": null, "reason": ""}',
    '{"at": "t", "by": "a", "action": "train", "version": "1", "previous": 0, "reason": ""}',
    '{"at": "t", "by": "a", "action": "train", "version": "1", "previous": null}',
)


@pytest.mark.parametrize("line", [b"\xff", *(line.encode() for line in NO_PROMOTIONS)])
def test_a_line_that_is_no_promotion_is_named_by_its_number(home: Path, line: bytes) -> None:
    point_champion(home, "shop", "1")
    path = home / "models" / "shop" / MODELS.history_name
    path.write_bytes(path.read_bytes() + line + b"\n\n")
    history = champion_history(home, "shop")
    assert (len(history.promotions), history.damaged) == (1, (2,))


def test_a_decision_about_a_champion_that_is_no_longer_is_refused(home: Path) -> None:
    point_champion(home, "shop", "1", instead_of=None)
    point_champion(home, "shop", "2", instead_of="1")
    for stale in ("1", None):
        with pytest.raises(ChampionMoved, match="version 2 became champion of shop meanwhile, nothing was changed"):
            point_champion(home, "shop", "3", instead_of=stale)
    assert champion_version(home, "shop") == "2"
    assert len(lines(home)) == 2


def promote_often(home: Path, version: str) -> None:
    for _ in range(25):
        point_champion(home, "shop", version, reason="x" * 5_000)


def test_promotions_of_several_processes_are_all_kept_in_one_order(home: Path) -> None:
    context = multiprocessing.get_context("spawn")
    racing = [context.Process(target=promote_often, args=(home, version)) for version in "1234"]
    for process in racing:
        process.start()
    for process in racing:
        process.join()
    history = champion_history(home, "shop")
    assert history.damaged == ()
    promotions = history.promotions
    assert sorted(promotion.version for promotion in promotions) == [v for v in "1234" for _ in range(25)]
    # Each replaced what the one before it had made champion, and the last is champion.
    assert [promotion.previous for promotion in promotions] == [None, *(p.version for p in promotions[:-1])]
    assert [promotion.at for promotion in promotions] == sorted(promotion.at for promotion in promotions)
    assert champion_version(home, "shop") == promotions[-1].version


# The way back


def promoted(text: str) -> list[Promotion]:
    """``"1 2 -1"``: 1 is promoted, then 2, then a rollback to 1; ``"2>3"`` says which version 3 replaced."""
    promotions, champion = [], None
    for word in text.split():
        version = word.lstrip("-").split(">")[-1]
        previous = word.split(">")[0] if ">" in word else champion
        action = Action.ROLLBACK if word.startswith("-") else Action.PROMOTE
        promotions.append(Promotion("t", "a", action, version, previous, ""))
        champion = version
    return promotions


@pytest.mark.parametrize(
    ("history", "champion", "former"),
    [
        ("", "1", None),
        ("1", "1", None),
        ("1 1", "1", None),
        ("1 2", "2", "1"),
        ("1 2 3", "3", "2"),
        ("1 2 3 -2", "2", "1"),
        ("1 2 3 -2 -1", "1", None),
        ("1 2 3 -2 4", "4", "2"),
        ("1 2 1", "1", "2"),
        ("1 2 1 -2", "2", "1"),
        # A home older than its history: the first line still says what it replaced.
        ("1>2", "2", "1"),
        # The line of 2 was lost.
        ("1 2>3", "3", "2"),
        # A crash between the line of 3 and the pointer: 3 was never champion.
        ("1 2 3", "2", "1"),
        ("1 2 3 2>4", "4", "2"),
        # Somebody wrote the pointer by hand.
        ("1 2", "9", "2"),
    ],
)
def test_the_former_version_is_the_one_before_this_one_came(history: str, champion: str, former: str | None) -> None:
    assert former_version(promoted(history), champion) == former


@given(st.lists(st.sampled_from("1234"), min_size=1, max_size=12))
def test_rollbacks_walk_back_through_all_champions_in_turn(versions: list[str]) -> None:
    distinct = [version for place, version in enumerate(versions) if place == 0 or version != versions[place - 1]]
    promotions = promoted(" ".join(versions))
    walked = [distinct[-1]]
    while (former := former_version(promotions, walked[-1])) is not None:
        promotions += [Promotion("t", "a", Action.ROLLBACK, former, walked[-1], "")]
        walked.append(former)
    assert walked == distinct[::-1]
