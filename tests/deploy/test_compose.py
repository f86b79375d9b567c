"""The site of ``compose.yaml`` as Docker's own program reads it, and what its containers are given."""

import json
import re
import shutil
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from programs import DEPLOY, ROOT, program, run
from servers import require

from serving.configuration import Configuration

IMAGES = {"DROPOFF_IMAGE": "dropoff:1", "DROPOFF_TOOLS_IMAGE": "dropoff-tools:1"}
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@cache
def site() -> dict[str, Any]:
    """What Docker makes of the file, with everything in its long form."""
    compose = (program("docker-compose"), "-f", str(DEPLOY / "compose.yaml"))
    ran = run(*compose, "--profile", "tools", "config", "--format", "json", **IMAGES)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return dict(json.loads(ran.stdout))


def test_it_has_everything_that_a_site_needs() -> None:
    assert set(site()["services"]) == {
        "service-1",
        "service-2",
        "nginx",
        "postgres",
        "redis",
        "mlflow",
        "prometheus",
        "grafana",
        "tools",
    }


def test_without_images_it_says_which_to_make() -> None:
    ran = run(program("docker-compose"), "-f", str(DEPLOY / "compose.yaml"), "config", DROPOFF_IMAGE="")
    assert ran.returncode != 0
    assert "make one with" in ran.stderr


def test_every_container_is_hardened_and_can_be_reached_from_this_machine_only() -> None:
    for name, service in site()["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
        assert {port["host_ip"] for port in service.get("ports", ())} <= {"127.0.0.1"}, name
        assert all(volume["type"] == "volume" or volume.get("read_only") for volume in service.get("volumes", ())), name
        tag = service["image"].rpartition(":")[2]
        assert re.fullmatch(r"v?\d[\w.-]*", tag), (name, service["image"])
    for name in ("service-1", "service-2", "postgres", "redis", "tools"):
        assert set(site()["services"][name]["networks"]) == {"inside"}, name
    assert site()["networks"]["inside"]["internal"] is True


def test_no_secret_stands_in_what_containers_are_told() -> None:
    for name, service in site()["services"].items():
        for variable, value in service["environment"].items() if service.get("environment") else ():
            secret = re.search(r"SECRET|PASSWORD|DATABASE_URL", variable)
            assert not secret or str(value).startswith("/run/secrets/"), (name, variable)
    named = {secret["source"] for service in site()["services"].values() for secret in service.get("secrets", ())}
    assert named == set(site()["secrets"])


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The secrets as the script makes them, in a folder of their own."""
    shutil.copy(DEPLOY / "compose" / "make-secrets", tmp_path)
    assert run(str(tmp_path / "make-secrets")).returncode == 0
    return tmp_path / "secrets"


def test_secrets_are_made_once_and_kept_from_others(secrets: Path) -> None:
    made = {path.name: path.read_text() for path in secrets.iterdir()}
    assert set(made) == set(site()["secrets"])
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert len(set(made.values())) == len(made)
    assert run(str(secrets.parent / "make-secrets")).returncode == 0
    assert {path.name: path.read_text() for path in secrets.iterdir()} == made


def test_the_service_takes_the_settings_and_secrets_that_it_is_given(secrets: Path) -> None:
    told = [site()["services"][name]["environment"] for name in ("service-1", "service-2", "tools")]
    assert told[0] == told[1]
    for environment in told:
        given = {name: str(value).replace("/run/secrets", str(secrets)) for name, value in environment.items()}
        configuration = Configuration.from_environment(given)
        settings = {name.removeprefix("DROPOFF_").removesuffix("_FILE").lower() for name in given}
        assert settings <= {setting.name for setting in fields(Configuration)}
        password = (secrets / "postgres_password").read_text()
        assert configuration.database_url == f"postgresql+psycopg://dropoff:{password}@postgres:5432/dropoff"
        assert min(len(configuration.cookie_secret), len(configuration.id_secret)) >= 32
        assert configuration.redis_url == "redis://redis:6379/0"


def test_the_addresses_that_nginx_and_the_service_know_of_each_other_are_those_that_they_have() -> None:
    services = site()["services"]
    addresses = {
        name: services[name]["networks"]["inside"]["ipv4_address"] for name in ("nginx", "service-1", "service-2")
    }
    assert services["service-1"]["environment"]["DROPOFF_TRUSTED_PROXIES"] == addresses["nginx"]
    assert services["service-1"]["environment"]["DROPOFF_REPLICAS"] == "2"
    assert {f"{addresses[name]}:3000" for name in ("service-1", "service-2")} == set(
        re.findall(r"^ +server (\S+)", _nginx_configuration(), flags=re.MULTILINE)
    )


def test_nginx_takes_the_file_that_its_container_makes(tmp_path: Path) -> None:
    nginx = require(NGINX, "nginx", "nginx-light")
    own = tmp_path / "dropoff.conf"
    own.write_text(_nginx_configuration().replace("/dev/stdout", str(tmp_path / "access.log")), encoding="utf-8")
    folders = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}} http {{ {folders} include {own}; }}"
    )
    ran = run(nginx, "-t", "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log"))
    assert ran.returncode == 0, ran.stderr
    assert "listen 8080;" in own.read_text()


def _nginx_configuration() -> str:
    """What the container's own command makes of the file for any two replicas."""
    _, _, command = site()["services"]["nginx"]["command"]
    editing = command.partition(" > ")[0].replace("$$", "$").replace("/etc/dropoff/", f"{DEPLOY}/")
    ran = run("sh", "-c", editing)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_prometheus_takes_its_configuration_and_asks_each_replica(tmp_path: Path) -> None:
    promtool = require(shutil.which("promtool"), "promtool", "prometheus")
    path = DEPLOY / "compose" / "prometheus.yml"
    ran = run(promtool, "check", "config", "--syntax-only", str(path))
    assert ran.returncode == 0, ran.stderr
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    (job,) = told["scrape_configs"]
    (targets,) = job["static_configs"]
    assert targets["targets"] == ["service-1:3000", "service-2:3000"]
    mounted = {volume["target"] for volume in site()["services"]["prometheus"]["volumes"]}
    assert {f"/etc/prometheus/{rules}" for rules in told["rule_files"]} <= mounted


def test_the_documentation_has_every_variable_of_the_file() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", (DEPLOY / "compose.yaml").read_text(encoding="utf-8")))
    text = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    table = text.partition("### Variables of compose.yaml")[2].partition("\n#")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", table, flags=re.MULTILINE)
    assert set(re.findall(r"`([A-Z_]+)`", " ".join(rows))) == used
    example = (DEPLOY / "compose" / "example.env").read_text(encoding="utf-8")
    assert set(re.findall(r"^([A-Z_]+)=", example, flags=re.MULTILINE)) <= used


def test_every_file_that_is_mounted_is_there() -> None:
    mounted = [
        Path(volume["source"])
        for name, service in site()["services"].items()
        for volume in service.get("volumes", ())
        if volume["type"] == "bind" and name != "tools"
    ]
    assert len(mounted) >= 5
    assert all(path.exists() for path in mounted)
