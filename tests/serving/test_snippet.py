"""The snippet's files as the service serves them: small, current, with the journey's settings, and kept by browsers."""

import gzip
import hashlib
import json
import re
import shutil
import subprocess
from typing import Any

import pytest

from journeys.load import load_journey
from serving.app import create_app
from serving.snippet import BANNER, SCRIPT, SIGNALS, WEB, make_snippet, settings_of

Client = Any  # as the fixtures of this folder make it
SOURCES = sorted((WEB / "src").glob("*.js"))
LARGEST_BYTES = 5_120


def served_settings(text: str) -> dict[str, Any]:
    found = re.match(r"self\.dropoffServed=(\{.*?\});/\*", text)
    assert found
    settings: dict[str, Any] = json.loads(found[1])
    return settings


@pytest.mark.parametrize("journey", ["ecommerce", "onboarding", "loan_application"])
def test_what_a_browser_downloads_is_below_five_kilobytes(journey: str) -> None:
    file = make_snippet(load_journey(journey))
    assert len(file.compressed) < LARGEST_BYTES
    assert gzip.decompress(file.compressed) == file.plain


def test_the_script_is_served_to_every_origin_and_asked_for_anew_only_when_it_has_changed(client: Client) -> None:
    answer = client.get(f"/{SCRIPT}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    again = client.request("GET", f"/{SCRIPT}", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = client.request("GET", f"/{SCRIPT}", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == answer.content
    assert plain.headers["etag"] != answer.headers["etag"]
    assert client.get(f"/{BANNER}").text.endswith("\n")


def test_until_the_service_knows_its_journey_the_script_is_not_ready(client_of: Any) -> None:
    answer = client_of(create_app()).get(f"/{SCRIPT}")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "not_ready"


def test_a_browser_gets_the_journeys_own_timeout_and_silences(client: Client) -> None:
    settings = served_settings(client.get(f"/{SCRIPT}").text)
    # As journeys/ecommerce declares them: half an hour, and 30 seconds, 2 and 10 minutes.
    assert settings == {"timeout": 1800.0, "idle": [30.0, 120.0, 600.0], "names": {}}


def test_a_signal_that_a_journey_does_not_know_is_not_sent() -> None:
    loan = load_journey("loan_application")
    names = settings_of(loan)["names"]
    assert isinstance(names, dict)
    assert set(names.values()) == {""}
    assert set(names) == set(SIGNALS) - set(loan.events)


def test_every_signal_of_the_sources_is_listed_and_known_to_the_shop() -> None:
    sent = {name for source in SOURCES for name in re.findall(r'signal\([^"()]*"(\w+)"', source.read_text())}
    sent |= {"hide_tab", "show_tab"}
    assert sent - set(SIGNALS) == {"script_error", "idle"}
    assert set(SIGNALS) <= sent
    assert set(SIGNALS) <= set(load_journey("ecommerce").events)


def test_the_built_files_are_those_of_the_sources() -> None:
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in SOURCES)).hexdigest()[:8]
    for name in (SCRIPT, BANNER):
        assert (WEB / name).read_text().startswith(f"/* {digest} */"), f"{name}: run npm run build in {WEB}"


def test_the_types_name_every_option_that_the_sources_read() -> None:
    read = {name for source in SOURCES for name in re.findall(r"\boptions\.(?!js\b)(\w+)", source.read_text())}
    typed = (WEB / "dropoff.d.ts").read_text().split("export interface Options {")[1].split("\n}")[0]
    # How the banner is loaded is not for pages to say.
    assert read - {"load"} == set(re.findall(r"^  (\w+)\?:", typed, re.MULTILINE))


def test_the_package_holds_sources_types_and_built_files_and_needs_no_other() -> None:
    described = json.loads((WEB / "package.json").read_text())
    assert "dependencies" not in described
    if not shutil.which("npm"):
        pytest.skip("there is no npm; install it with: apt-get install npm")
    command = ["npm", "pack", "--dry-run", "--json", "--offline", "--ignore-scripts"]
    packed = json.loads(subprocess.run(command, cwd=WEB, check=True, capture_output=True, text=True).stdout)[0]
    files = {file["path"] for file in packed["files"]}
    expected = {"package.json", "README.md", "dropoff.d.ts", "build.mjs", SCRIPT, BANNER}
    assert files == expected | {f"src/{source.name}" for source in SOURCES}
