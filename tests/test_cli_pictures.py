"""``dropoff evaluate --pictures --resamples`` as people type it: intervals in table and file, pictures in a folder."""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "training"))

from made_logs import sign_ups
from newsletter import Ran, call

from training.metrics import FIGURES

pytestmark = [
    pytest.mark.xdist_group("cli"),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]

JOURNEY = """
import sys
sys.path.insert(0, {folder!r})
from made_logs import signup
JOURNEY = signup()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a journey, a log, a home with a trained model, and what the training wrote."""
    made = tmp_path_factory.mktemp("pictures")
    (made / "mine.py").write_text(JOURNEY.format(folder=str(Path(__file__).parent / "training")))
    pq.write_table(sign_ups(1_000, 1), made / "log.parquet")
    with contextlib.chdir(made), pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROPOFF_HOME", str(made / "home"))
        ran = call("train", "mine.py", "--log", "log.parquet", "--resamples", 20, "--json", "train.json")
    assert ran.status == 0, ran.err
    return made


@pytest.fixture(autouse=True)
def in_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DROPOFF_HOME", str(folder / "home"))


def evaluate(*options: object) -> tuple[Ran, Any]:
    ran = call("evaluate", "mine.py", "--log", "log.parquet", "--json", "figures.json", *options)
    return ran, json.loads(Path("figures.json").read_text())["held_out"]


def test_every_figure_has_an_interval_in_the_file_and_below_it_in_the_table() -> None:
    trained = json.loads(Path("train.json").read_text())["held_out"]
    ran, held_out = evaluate("--resamples", 50)
    for block in (trained, held_out, held_out["session_weighted"], held_out["by_stage"]["form"]):
        assert set(block["intervals"]) == set(FIGURES)
        assert all(low < high for low, high in block["intervals"].values())
        for name in ("base_rate", "log_loss", "brier", "ece"):
            low, high = block["intervals"][name]
            assert low <= block[name] <= high, name
        assert 0 < block["n_visitors"] <= block["n_sessions"]
    lines = [line.split() for line in ran.out.splitlines()]
    [row] = [place for place, words in enumerate(lines) if words[:2] == ["every", "prefix"]]
    for end, words in enumerate(lines[row + 1 : row + 3]):
        bounds = [held_out["intervals"][name][end] for name in FIGURES]
        assert words == [("from", "to")[end], *(f"{bound:.3f}" for bound in bounds)]


def test_without_resamples_there_are_no_intervals() -> None:
    ran, held_out = evaluate("--resamples", 0)
    assert held_out["intervals"] == dict.fromkeys(FIGURES)
    assert not any(line.split()[:1] == ["from"] for line in ran.out.splitlines())


def test_the_same_log_gives_the_same_intervals() -> None:
    assert evaluate("--resamples", 10)[1] == evaluate("--resamples", 10)[1]


def test_the_pictures_are_written_into_a_new_folder(tmp_path: Path) -> None:
    ran, _ = evaluate("--resamples", 10, "--pictures", tmp_path / "new" / "pictures")
    files = sorted((tmp_path / "new" / "pictures").iterdir())
    assert len(files) == 9
    assert all(file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") for file in files)
    assert ran.out.splitlines()[-1] == f"9 pictures are in {tmp_path / 'new' / 'pictures'}"


def test_pictures_that_cannot_be_written_are_refused_before_the_log_is_read() -> None:
    ran = call("evaluate", "mine.py", "--log", "missing.parquet", "--pictures", "mine.py")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "dropoff: nothing can be written into mine.py: File exists\n"
