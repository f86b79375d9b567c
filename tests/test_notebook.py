"""The analyst's notebook runs as it stands, says what it promises, and is kept without outputs."""

import json
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("training"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LONGEST_CELL_SECONDS = 600


def test_there_is_one() -> None:
    assert [path.name for path in NOTEBOOKS] == ["analyst.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook after all its cells ran in an empty folder."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(FOLDER / "analyst.ipynb", as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        # What the kernel writes for itself stays in the folder, too.
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(folder / name.lower()))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(FOLDER.parents[1]), os.environ.get("PYTHONPATH", "")]))
        client = NotebookClient(
            notebook,
            timeout=LONGEST_CELL_SECONDS,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute()
    return notebook, folder


def shown(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_the_analysts_notebook_runs_and_shows_its_figures(ran: Any) -> None:
    notebook, folder = ran
    text = "\n".join(str(output.get("text") or output.get("data", {}).get("text/plain")) for output in shown(notebook))
    assert "champion: it is the first model" in text
    for name in ("session_weighted.log_loss", "base_rate", "top1", "plain_shap_top1", "false blame at 80 % recall"):
        assert name in text
    pictures = [output for output in shown(notebook) if "image/png" in output.get("data", {})]
    assert len(pictures) == 2
    assert {path.name for path in (folder / "analyst").iterdir()} == {
        "shop",
        "fresh",
        "home",
        "mlruns",
        "diagnosis.png",
    }


def test_nothing_is_warned_of(ran: Any) -> None:
    notebook, _ = ran
    assert [output.text for output in shown(notebook) if output.get("name") == "stderr"] == []
