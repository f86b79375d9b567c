"""The real service, started as users start it: what it refuses, and what it survives."""

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from decisions.risk import RiskModel
from journeys.journey import Journey
from serving.build import BuildError, build
from serving.run import StartError, serve
from storage.models import point_champion, publish

ROOT = Path(__file__).parents[2]
TRAINING_CODE = ("mlflow", "optuna", "shap", "training")
_START_SECONDS = 90


@pytest.fixture
def home(tmp_path: Path, model_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own with the small model as champion, which the environment points at."""
    copied = tmp_path / "home"
    shutil.copytree(model_home, copied)
    monkeypatch.setenv("DROPOFF_HOME", str(copied))
    monkeypatch.setenv("DROPOFF_JOURNEY", "")
    return copied


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: list[str], port: int, **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Run a service until the end of the block; ready when the block begins."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    try:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            assert process.poll() is None, process.stdout.read() if process.stdout else ""
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=1).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        else:
            raise AssertionError("the service did not become ready")
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=30)
        if process.stdout is not None:
            process.stdout.close()


def _service(port: int) -> list[str]:
    said = f"print(address, [name for name in {TRAINING_CODE!r} if name in sys.modules], flush=True)"
    code = f"import sys; from serving.run import serve; serve('ecommerce', port={port}, ready=lambda address: {said})"
    return [sys.executable, "-c", code]


def test_others_are_not_served_before_there_are_keys(home: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1"):  # noqa: S104
        with pytest.raises(StartError, match=r"there are no keys yet.*dropoff keys new --permission admin"):
            serve("ecommerce", host=host)


def test_an_address_of_no_redis_is_told_before_anything_starts_and_without_its_password(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPOFF_REDIS_URL", "redis://me:1@127.0.0.1:secret/0")
    with pytest.raises(StartError, match="DROPOFF_REDIS_URL is no address of a Redis") as caught:
        serve("ecommerce", port=0)
    assert "secret" not in str(caught.value)


def test_without_a_model_it_says_which_command_to_run(home: Path) -> None:
    with pytest.raises(StartError, match="run `dropoff train loan_application --log PATH` first"):
        serve("loan_application")
    with pytest.raises(BuildError, match="run `dropoff train loan_application --log PATH` first"):
        build("loan_application", home)


def test_an_unknown_journey_is_named_with_those_there_are(home: Path) -> None:
    with pytest.raises(StartError, match=r"no journey named 'shop'.*ecommerce"):
        serve("shop")


def test_a_model_of_other_features_is_refused_and_the_features_are_named(
    home: Path, shop: Journey, shop_model: RiskModel
) -> None:
    feature = shop.features[3]
    others = tuple(replace(one, name="something_else") if one is feature else one for one in shop.features)
    changed = replace(shop_model, table=replace(shop.table, features=others), version="8")
    publish(home, shop.name, "8", changed.save)
    point_champion(home, shop.name, "8")
    with pytest.raises(StartError, match=f"removed: something_else; added: {feature.name}"):
        serve("ecommerce")


def test_a_damaged_model_is_refused(home: Path) -> None:
    (path,) = home.glob("models/ecommerce/*/model.txt")
    path.write_text(path.read_text().replace("tree", "bush", 1))
    with pytest.raises(StartError, match="cannot be used"):
        serve("ecommerce")


def test_a_taken_port_and_a_wrong_setting_are_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StartError, match="choose another --port"):
            serve("ecommerce", port=taken.getsockname()[1])
    monkeypatch.setenv("DROPOFF_MAX_BODY_BYTES", "much")
    with pytest.raises(StartError, match="DROPOFF_MAX_BODY_BYTES='much' is not a whole number"):
        serve("ecommerce")


@pytest.mark.slow
def test_killed_by_force_it_has_kept_every_acknowledged_event_and_continues_the_session(
    home: Path, shop_model: RiskModel
) -> None:
    port = _free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DROPOFF_MODEL_WATCH_SECONDS": "0.2"}
    acknowledged: list[str] = []
    address = f"http://127.0.0.1:{port}"

    def send(process: "subprocess.Popen[str]") -> None:
        with httpx.Client(base_url=address) as client:
            for number in range(100_000):
                call = {
                    "messageId": f"m{number}",
                    "anonymousId": "v",
                    "event": "page_view",
                    "context": {"sessionId": "s"},
                }
                try:
                    if client.post("/v1/track", json=call).status_code == 200:
                        acknowledged.append(call["messageId"])
                except httpx.TransportError:
                    return

    with _running(_service(port), port, env=environment, cwd=home) as process:
        sender = threading.Thread(target=send, args=(process,))
        sender.start()
        while len(acknowledged) < 200:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        sender.join(10)
        # It says where it is, has loaded no training code, and is calm otherwise.
        assert process.stdout is not None
        assert process.stdout.read() == f"{address} []\n"
    assert len(acknowledged) >= 200
    with _running(_service(port), port, env=environment, cwd=home), httpx.Client(base_url=address) as client:
        story = client.get("/v1/sessions/s").json()
        kept = [event["event_id"] for event in story["events"]]
        assert set(acknowledged) <= set(kept)
        assert len(kept) == len(set(kept))
        assert len(kept) - len(acknowledged) <= 1
        again = client.post("/v1/track", json={"messageId": "m0", "anonymousId": "v", "event": "page_view"})
        assert again.status_code == 200
        new = client.post("/v1/track", json={"messageId": "new", "anonymousId": "v", "event": "view_product"})
        assert new.json()["session_id"] == "s"
        assert client.post("/v1/score", json={"session_id": "s"}).json()["events_seen"] == len(kept) + 1
        _small_answers_come_at_once(client)
        _twins_answer_the_same(client)
        _a_new_champion_answers_without_a_restart(client, home, replace(shop_model, version="8"))


def _a_new_champion_answers_without_a_restart(client: httpx.Client, home: Path, model: RiskModel) -> None:
    publish(home, model.journey, model.version, model.save)
    point_champion(home, model.journey, model.version)
    until = time.monotonic() + 10
    while client.post("/v1/score", json={"session_id": "s"}).json()["model_version"] != model.version:
        assert time.monotonic() < until
        time.sleep(0.05)


def _small_answers_come_at_once(client: httpx.Client) -> None:
    # Without TCP_NODELAY every answer on a kept connection waits 40 ms for the acknowledgement of its headers.
    seconds = []
    for _ in range(30):
        start = time.perf_counter()
        client.post("/v1/score", json={"session_id": "s"})
        seconds.append(time.perf_counter() - start)
    assert statistics.median(seconds) < 0.025


def _twins_answer_the_same(client: httpx.Client) -> None:
    asked = {"session_id": "s", "at": client.post("/v1/score", json={"session_id": "s"}).json()["scored_at"]}
    assert client.post("/bentoml/score", json=asked).json() == client.post("/v1/score", json=asked).json()
    twin = client.post("/bentoml/recommend", json=asked).json()
    assert set(twin) == set(client.post("/v1/recommend", json=asked).json())
    for body, status in ((b"{", 400), (b"[]", 422), (b'{"session": "s"}', 422), (b'{"session_id": "unknown"}', 404)):
        mistake = client.post("/bentoml/score", content=body)
        assert mistake.status_code == status
        assert set(mistake.json()["error"]) == {"code", "message", "field"}
    assert client.get("/").headers["content-type"].startswith("text/html")
    assert "/v1/recommend" in client.get("/docs.json").json()["paths"]
    assert 'route="/v1/score"' in client.get("/metrics").text
    assert client.get("/v1/nowhere").json()["error"]["code"] == "no_such_address"


@pytest.mark.slow
def test_a_bento_serves_without_the_checkout(home: Path, tmp_path: Path) -> None:
    built = build("ecommerce", home)
    bento = tmp_path / "elsewhere" / "bento"
    shutil.copytree(built.folder, bento)
    # Neither the checkout nor an installation of it can be imported from here.
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import sys\n"
        "sys.meta_path[:] = [one for one in sys.meta_path if '__editable__' not in getattr(one, '__module__', '')]\n"
        f"sys.path[:] = [one for one in sys.path if one != {str(ROOT)!r}]\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path / "site"),
        "DROPOFF_HOME": str(tmp_path / "state"),
        "BENTOML_HOME": str(tmp_path / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    probe = [sys.executable, "-c", "import importlib.util as u; print(u.find_spec('serving'), u.find_spec('cli'))"]
    found = subprocess.run(probe, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "None None"
    port = _free_port()
    command = [sys.executable, "-m", "bentoml", "serve", str(bento), "--host", "127.0.0.1", "--port", str(port)]
    with (
        _running(command, port, env=environment, cwd=tmp_path),
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        event = {
            "event_id": "e",
            "visitor_id": "v",
            "name": "begin_checkout",
            "occurred_at": "2026-03-01T12:00:00Z",
        }
        answer = client.post("/v1/score", json={"events": [event]}).json()
        assert (answer["model_version"], answer["stage"]) == (built.model_version, "checkout")
    assert json.loads((bento / "src" / "packaged" / "package.json").read_text()) == {"journey": "ecommerce"}
    assert (tmp_path / "state" / "dropoff.db").exists()
    assert any((tmp_path / "state" / "numba").rglob("*.nbi"))
    _serves_as_in_a_container(bento, environment)


def _serves_as_in_a_container(bento: Path, environment: dict[str, str]) -> None:
    """By the command of the Containerfile, with the kernel as it was compiled before, and nothing written beside it."""
    containerfile = (bento / "Containerfile").read_text()
    (copied,) = re.findall(r"^COPY (env/\S+) ", containerfile, flags=re.MULTILINE)
    assert "--hash=sha256:" in (bento / copied).read_text()
    (entry,) = re.findall(r"^ENTRYPOINT (.+)$", containerfile, flags=re.MULTILINE)
    assert json.loads(entry) == ["python", "-m", "serving"]
    before = set(bento.rglob("*"))
    cache = bento.parent / "cache"
    compiled = bento.parent.parent / "state" / "numba"
    environment |= {"DROPOFF_COMPILED": str(compiled), "NUMBA_CACHE_DIR": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "serving"]
    refused = subprocess.run(
        [*command, "--host", "0.0.0.0"],  # noqa: S104 (it does not get that far)
        env=environment,
        cwd=bento / "src",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert "there are no keys yet" in refused.stderr
    port = _free_port()
    with (
        _running([*command, "--port", str(port)], port, env=environment, cwd=bento / "src"),
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        assert client.get("/readyz").status_code == 200
    # Nothing was compiled that had been before.
    assert {path.name for path in cache.rglob("*.nbc")} == {path.name for path in compiled.rglob("*.nbc")}
    assert set(bento.rglob("*")) == before
