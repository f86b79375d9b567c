"""Several workers as one service: started, refused and stopped together."""

import shutil
import signal
from pathlib import Path

import httpx
import pytest
from servers import serving, wait_for

from serving.errors import StartError
from serving.run import serve

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("workers")]


@pytest.fixture
def home(tmp_path: Path, model_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(model_home, tmp_path / "home")
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_what_keeps_a_worker_from_starting_is_said_once_and_in_one_sentence(home: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(StartError, match="run `dropoff train loan_application --log PATH` first"):
        serve("loan_application", port=0, workers=2)
    assert signal.getsignal(signal.SIGTERM) is before


def test_it_says_once_that_it_serves_small_answers_come_at_once_and_all_stop_together(home: Path) -> None:
    with serving("ecommerce", home, "--workers", "2", insights_refresh=0) as service:
        wait_for(lambda: "Serving ecommerce at" in service.said())
        processes = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
        with httpx.Client(base_url=service.url) as client:
            assert client.post("/v1/track", json={"anonymousId": "v", "event": "page_view"}).status_code == 200
            seconds = []
            for _ in range(30):
                answered = client.post("/v1/score", json={"visitor_id": "v"})
                assert answered.status_code == 200
                seconds.append(answered.elapsed.total_seconds())
            # Without TCP_NODELAY every answer on a kept connection waits 40 ms for the acknowledgement of its headers.
            assert sorted(seconds)[15] < 0.03
        # A connection that is still open does not hold the end up.
        with httpx.Client(base_url=service.url) as waiting:
            assert waiting.get("/livez").status_code == 200
            service.stop()
        assert service.process.returncode == -signal.SIGTERM or service.process.returncode == 128 + signal.SIGTERM
        assert service.said().count("Serving ecommerce at") == 1
        assert "Traceback" not in service.said()
        assert not [one for one in processes if Path(f"/proc/{one}").exists()]
