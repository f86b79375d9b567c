"""Keys on the command line: shown once, listed without their secrets, rotated and revoked."""

import json
import re
from pathlib import Path

import pytest
from newsletter import call

KEY = re.compile(r"^do_([a-z2-7]{10})_[0-9A-Za-z]{40}$", re.MULTILINE)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))


def new(*options: str) -> tuple[str, str]:
    ran = call("keys", "new", *options)
    assert (ran.status, ran.err) == (0, "")
    found = KEY.search(ran.out)
    assert found
    return found[0], found[1]


def test_a_new_key_is_shown_once_and_listed_without_its_secret(tmp_path: Path) -> None:
    assert "There are no keys: the service answers its own machine only." in call("keys").out
    options = ("--journey", "ecommerce", "--expires", "90d", "--requests-per-second", "5", "--max-body-bytes", "1000")
    text, key_id = new("--permission", "write", "--permission", "read", "--name", "web shop", *options)
    listed = call("keys", "list", "--json", "keys.json")
    secret = text.rpartition("_")[2]
    written = (tmp_path / "keys.json").read_text()
    assert secret not in listed.out + written
    assert key_id in listed.out
    assert "web shop" in listed.out
    assert "read and write, only ecommerce; 5 requests a second; 1,000 bytes a request; valid until " in listed.out
    [key] = json.loads(written)["keys"]
    assert (key["key_id"], key["permissions"], key["journey"], key["valid"]) == (
        key_id,
        ["read", "write"],
        "ecommerce",
        True,
    )
    assert not any(secret.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_key_is_rotated_then_revoked_and_all_of_it_is_in_the_audit() -> None:
    _, key_id = new("--permission", "admin", "--name", "ops")
    rotated = call("keys", "rotate", key_id, "--overlap", "2h")
    found = KEY.search(rotated.out)
    assert found
    assert found[1] != key_id
    assert "valid until 2" in rotated.out
    revoked = call("keys", "revoke", key_id)
    assert revoked.out == f"The key {key_id} (ops) opens nothing from now on.\n"
    assert call("keys", "revoke", key_id).status == 1
    # `dropoff keys` tells times in UTC, the audit in the journey's zone.
    zone, *audit = call("audit", "ecommerce").out.splitlines()
    assert zone == "Times are those of Europe/Berlin."
    told = [line.partition(": ")[2].partition(" (")[0] for line in audit]
    assert told == [
        f"new key, key {key_id}",
        f"new key, key {found[1]}",
        f"rotate key, key {key_id}",
        f"revoke key, key {key_id}",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("new", "--permission", "write"), "needs --permission WHAT and --name NAME"),
        (
            ("new", "--permission", "all", "--name", "x"),
            "'all' is no permission: there are write, read, admin, metrics",
        ),
        (("new", "--permission", "read", "--name", "x", "--expires", "soon"), "'soon' is no duration"),
        (("new", "--permission", "read", "--name", "x", "--journey", "shop"), "no journey named 'shop'"),
        (("new", "--permission", "read", "--name", "x", "--max-body-bytes", "0"), "greater than 0"),
        (("new", "abc", "--permission", "read", "--name", "x"), "new takes no KEYID"),
        (("revoke",), "name the key to revoke"),
        (("revoke", "abc"), "there is no key 'abc'"),
        (("make",), "'make' is no action: there are list, new, rotate, revoke"),
    ],
)
def test_what_cannot_be_meant_is_one_line_that_says_what_to_write(arguments: tuple[str, ...], said: str) -> None:
    ran = call("keys", *arguments)
    assert ran.status != 0
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
