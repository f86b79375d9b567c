"""The chart as Helm renders it: valid for Kubernetes, hardened, and with settings that the service takes."""

import json
import shlex
import shutil
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from programs import DEPLOY, program, run, schema_folder
from servers import require

from serving.configuration import Configuration

WHISPERED = "whisper"
CHART = str(DEPLOY / "helm" / "dropoff")
DATABASE = "databaseUrl=postgresql+psycopg://u:p@db.example/dropoff"
EVERYTHING = (
    "postgres.enabled=true,redis.enabled=true,ingress.enabled=true,ingress.tlsSecret=tls,autoscaling.enabled=true,"
    "backup.enabled=true,monitoring.enabled=true,"
    f"secretSettings.follow_up_secret={WHISPERED}"
)
KINDS_OF_VALUES = {
    "least": DATABASE,
    "everything": EVERYTHING,
    "one replica": f"{DATABASE},replicas=1,networkPolicy.enabled=false,redisUrl=redis://cache.example:6379/0",
    "another's secret": "existingSecret=theirs,backup.enabled=true,backup.out=s3://kept/dropoff.backup",
}
# Prometheus's operator brings these; Kubernetes has no schema of them.
OPERATORS = {"PodMonitor", "PrometheusRule"}


@cache
def rendered(values: str) -> list[dict[str, Any]]:
    ran = run(program("helm"), "template", "shop", CHART, "--namespace", "web", "--set", values)
    assert ran.returncode == 0, ran.stderr
    return [one for one in yaml.safe_load_all(ran.stdout) if one]


def one(values: str, kind: str, name: str = "") -> dict[str, Any]:
    (found,) = (it for it in rendered(values) if it["kind"] == kind and (not name or it["metadata"]["name"] == name))
    return found


def pods(values: str) -> list[tuple[str, dict[str, Any]]]:
    """Every pod that anything in the chart would start: its name, and its template."""
    found = []
    for it in rendered(values):
        template = it
        if it["kind"] == "CronJob":
            template = it["spec"]["jobTemplate"]["spec"]["template"]
        elif it["kind"] in ("Deployment", "StatefulSet"):
            template = it["spec"]["template"]
        elif it["kind"] != "Pod":
            continue
        found.append((f"{it['kind']} {it['metadata']['name']}", template))
    return found


@pytest.mark.parametrize("values", KINDS_OF_VALUES.values(), ids=KINDS_OF_VALUES)
def test_helm_finds_nothing_to_complain_of(values: str) -> None:
    ran = run(program("helm"), "lint", "--strict", CHART, "--set", values)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("values", KINDS_OF_VALUES.values(), ids=KINDS_OF_VALUES)
def test_kubernetes_knows_every_field_of_every_object(values: str) -> None:
    folder = schema_folder()
    checked = 0
    for it in rendered(values):
        if it["kind"] in OPERATORS:
            continue
        group, _, version = it["apiVersion"].rpartition("/")
        parts = [it["kind"], *([group.split(".")[0]] if group else []), version]
        path = folder / f"{'-'.join(parts).lower()}.json"
        _validator(folder, path).validate(it)
        checked += 1
    assert checked >= 5


@cache
def _validator(folder: Path, path: Path) -> Any:
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT7

    def retrieve(uri: str) -> Resource[Any]:
        return Resource(json.loads((folder / Path(uri).name).read_text(encoding="utf-8")), DRAFT7)

    schema = json.loads(path.read_text(encoding="utf-8"))
    return jsonschema.Draft7Validator(schema, registry=Registry(retrieve=retrieve))


@pytest.mark.parametrize("values", KINDS_OF_VALUES.values(), ids=KINDS_OF_VALUES)
def test_every_pod_is_what_kubernetes_calls_restricted(values: str) -> None:
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a root that cannot be written
    for name, template in pods(values):
        spec = template["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] is False, name
        kinds = {kind for volume in spec.get("volumes", ()) for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "secret", "persistentVolumeClaim"}, name
        for container in spec["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert "memory" in container["resources"]["limits"], name
            assert not any("hostPort" in port for port in container.get("ports", ())), name


def test_what_stands_in_the_environment_is_no_secret() -> None:
    secret = one(EVERYTHING, "Secret")["stringData"]
    others = json.dumps([it for it in rendered(EVERYTHING) if it["kind"] != "Secret"])
    assert set(secret) >= {"cookie_secret", "id_secret", "postgres_password", "database_url", "follow_up_secret"}
    assert not any(value in others for value in secret.values())


@pytest.mark.parametrize("values", [DATABASE, EVERYTHING], ids=["least", "everything"])
def test_the_service_takes_the_settings_that_its_pods_get(values: str, tmp_path: Path) -> None:
    for name, value in one(values, "Secret")["stringData"].items():
        (tmp_path / name).write_text(value, encoding="utf-8")
    deployment = one(values, "Deployment", "shop-dropoff")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    environment = {
        variable["name"]: variable["value"].replace("/run/secrets/dropoff", str(tmp_path))
        for variable in container["env"]
    }
    configuration = Configuration.from_environment(environment)
    settings = {name.removeprefix("DROPOFF_").removesuffix("_FILE").lower() for name in environment}
    assert settings <= {setting.name for setting in fields(Configuration)}
    assert configuration.database_url.startswith("postgresql+psycopg://")
    assert min(len(configuration.cookie_secret), len(configuration.id_secret)) >= 32
    assert configuration.shared
    # Whoever drains has the time to.
    grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace >= configuration.drain_seconds + 20
    if values == EVERYTHING:
        assert configuration.redis_url == "redis://shop-dropoff-redis:6379/0"
        assert configuration.follow_up_secret == WHISPERED


def test_selectors_find_the_pods_that_they_mean() -> None:
    labels = {name: set(template["metadata"]["labels"].items()) for name, template in pods(EVERYTHING)}
    for it in rendered(EVERYTHING):
        spec = it.get("spec", {})
        selector = {
            "Service": lambda spec=spec: spec["selector"],
            "PodDisruptionBudget": lambda spec=spec: spec["selector"]["matchLabels"],
            "PodMonitor": lambda spec=spec: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda spec=spec: spec["podSelector"]["matchLabels"],
        }.get(it["kind"])
        if selector is None:
            continue
        found = {name for name, own in labels.items() if set(selector().items()) <= own}
        name = it["metadata"]["name"]
        meant = {
            "shop-dropoff-postgres": {"StatefulSet shop-dropoff-postgres"},
            "shop-dropoff-redis": {"Deployment shop-dropoff-redis"},
        }.get(name, {"Deployment shop-dropoff"})
        assert meant <= found, (it["kind"], name)
        assert it["kind"] == "NetworkPolicy" or found == meant, (it["kind"], name)


def test_the_notes_make_the_first_key_from_where_the_database_may_be_reached() -> None:
    helm = (program("helm"), "install", "shop", CHART, "--namespace", "web", "--dry-run=client", "--set", EVERYTHING)
    words = shlex.split(run(*helm).stdout.split("kubectl ")[1].split("\n\n")[0].replace("\\\n", ""))
    told = dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--") and "=" in word)
    labels = dict(label.split("=") for label in told["labels"].split(","))
    policy = one(EVERYTHING, "NetworkPolicy", "shop-dropoff-postgres")
    allowed = policy["spec"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"]
    assert allowed.items() <= labels.items()
    assert labels["app.kubernetes.io/component"] not in {"service", "postgres", "redis"}
    spec = json.loads(told["overrides"])["spec"]
    folder = schema_folder()
    _validator(folder, folder / "podspec-v1.json").validate(spec)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["volumes"][1]["secret"]["secretName"] == one(EVERYTHING, "Secret")["metadata"]["name"]
    (container,) = spec["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert (container["image"], container["args"][:2]) == (told["image"], ["keys", "new"])


def test_no_replica_goes_before_another_is_ready() -> None:
    spec = one(DATABASE, "Deployment")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert one(DATABASE, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_a_release_makes_secrets_of_its_own() -> None:
    # Without a cluster nothing is there: two renderings make two secrets, each of 48 letters and digits.
    helm = (program("helm"), "template", "shop", CHART, "--set", DATABASE, "--show-only", "templates/secret.yaml")
    made = [yaml.safe_load(run(*helm).stdout)["stringData"]["cookie_secret"] for _ in range(2)]
    assert made[0] != made[1]
    assert all(len(secret) == 48 and secret.isalnum() for secret in made)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("replicas=2", "say where PostgreSQL is"),
        (f"{DATABASE},settings.DROPOFF_COOKIE_SECRET=x", "DROPOFF_COOKIE_SECRET"),
        (f"{DATABASE},replica=3", "replica"),
        ("databaseUrl=mysql://u:p@h/d", "databaseUrl"),
        (f"{DATABASE},image.digest=sha256:1", "digest"),
        ("existingSecret=theirs,postgres.enabled=true", "without existingSecret"),
        (f"{DATABASE},backup.enabled=true,backup.out=here", "backup/out"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(values: str, said: str) -> None:
    ran = run(program("helm"), "template", "shop", CHART, "--set", values)
    assert ran.returncode != 0
    assert said in ran.stderr.replace(".", "/") or said in ran.stderr


def test_the_rules_and_dashboards_are_those_of_the_files(tmp_path: Path) -> None:
    promtool = require(shutil.which("promtool"), "promtool", "prometheus")
    rules = one(EVERYTHING, "PrometheusRule")["spec"]
    assert rules == yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    ran = run(promtool, "check", "rules", str(tmp_path / "rules.yml"))
    assert ran.returncode == 0, ran.stdout
    files = {path.name: json.loads(path.read_text()) for path in (DEPLOY / "grafana" / "dashboards").glob("*.json")}
    maps = [it["data"] for it in rendered(EVERYTHING) if it["kind"] == "ConfigMap"]
    assert {name: json.loads(text) for data in maps for name, text in data.items()} == files
    assert len(maps) == len(files) > 0
