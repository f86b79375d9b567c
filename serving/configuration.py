"""What the environment configures; ``docs/service.md`` has the same table."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path

from insights.suppression import MIN_CELL
from serving.clients import Network, parse_networks
from serving.environment import PREFIX, ConfigurationError, file_variable_of, read, show, variable_of
from storage.database import Durability, database_url

PACKAGED_FOLDER = Path(__file__).parents[1] / "packaged"
"""Where a Bento carries its model and journey; absent everywhere else."""

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that prometheus-client reads when it is imported."""


class LogFormat(StrEnum):
    """How logs are written: ``TEXT`` for people, what goes wrong only; ``JSON`` for programs, and every request too."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True)
class Configuration:
    """The service's settings; each is the environment variable ``DROPOFF_`` and its name in capitals."""

    journey: str = field(
        default="",
        metadata={"about": "Journey to serve: a name or the path of a file. `dropoff serve` and a Bento set it"},
    )
    home: Path = field(default=Path(".dropoff"), metadata={"about": "Folder of all state: models, database, Bentos"})
    database_url: str = field(
        default="",
        repr=False,
        metadata={"about": "SQLAlchemy address of the database; empty for `dropoff.db` in the home folder"},
    )
    redis_url: str = field(
        default="",
        repr=False,
        metadata={
            "about": "Redis or Valkey between several processes on one database, as `redis://HOST:PORT/0`; "
            "without one they ask the database"
        },
    )
    shared: bool = field(
        default=False,
        metadata={
            "about": "Other processes serve the same journey on the same database: ask it before every answer. "
            "`dropoff serve --workers N` sets it for its workers"
        },
    )
    durability: Durability = field(
        default=Durability.NORMAL,
        metadata={"about": "`NORMAL` survives the end of the process, `FULL` also a loss of power, at a slower commit"},
    )
    workers: int = field(
        default=1,
        metadata={"about": "Processes that serve together; `dropoff serve --workers N` says it to them", "least": 1},
    )
    replicas: int = field(
        default=1,
        metadata={
            "about": "Services that share the database behind one address: each lets its part of a limit of requests "
            "through",
            "least": 1,
        },
    )
    drain_seconds: float = field(
        default=0.0,
        metadata={
            "about": "How long a process that is asked to stop (SIGTERM) goes on answering, with `/readyz` at 503, so "
            "that a balancer sends no more to it"
        },
    )
    max_body_bytes: int = field(
        default=4_194_304, metadata={"about": "Largest request body; a larger one is answered with 413", "least": 1}
    )
    max_connections: int = field(
        default=2_000, metadata={"about": "Most clients connected to a worker at once; others get 503", "least": 1}
    )
    head_seconds: float = field(
        default=10.0,
        metadata={"about": "Time that the first lines of a request, its headers, may take to arrive", "least": 0.1},
    )
    body_seconds: float = field(
        default=30.0, metadata={"about": "Time that the body may take; then it is answered with 408", "least": 0.1}
    )
    max_event_bytes: int = field(
        default=65_536, metadata={"about": "Largest single event; a larger one is refused", "least": 1}
    )
    max_batch_events: int = field(default=5_000, metadata={"about": "Most events in one request", "least": 1})
    max_visitor_events: int = field(
        default=20_000, metadata={"about": "Most events of one visitor; those beyond are refused", "least": 1}
    )
    future_tolerance_seconds: float = field(
        default=300.0, metadata={"about": "How far ahead of the server's clock an event may lie"}
    )
    memory_events: int = field(
        default=4_000_000,
        metadata={
            "about": "Events kept in memory, at 80 bytes each with all that belongs to them; those beyond are read "
            "from the database"
        },
    )
    requests_per_second: float = field(
        default=0.0,
        metadata={
            "about": "Most requests a second of a key without a limit of its own, or, "
            "without keys, of an address; 0: any"
        },
    )
    key_watch_seconds: float = field(
        default=2.0, metadata={"about": "How often to look for new, changed and revoked keys", "least": 0.05}
    )
    cookie_secret: str = field(
        default="",
        repr=False,
        metadata={
            "about": "Key of the pages' logins, the same for all replicas; empty makes one in the home folder",
            "shortest": 32,
        },
    )
    login_seconds: float = field(
        default=43_200.0, metadata={"about": "How long somebody stays logged in to the pages", "least": 1}
    )
    trusted_proxies: str = field(
        default="",
        metadata={
            "about": "Addresses or networks of proxies, with commas between: their `X-Forwarded-For` and "
            "`X-Forwarded-Proto` are believed"
        },
    )
    model_watch_seconds: float = field(
        default=5.0,
        metadata={"about": "How often to look for a new champion, in the shared registry too; 0 never looks"},
    )
    lease_seconds: float = field(
        default=15.0,
        metadata={
            "about": "How long after the end of a process another takes over what only one does: making figures, "
            "closing sessions, sending follow-ups",
            "least": 0.1,
        },
    )
    sweep_seconds: float = field(
        default=1.0,
        metadata={"about": "Seconds between two looks for sessions that have fallen silent; 0 closes none"},
    )
    reward_seconds: float = field(
        default=5.0,
        metadata={"about": "Seconds between two looks for what came of decisions; 0 looks for nothing"},
    )
    late_seconds: float = field(
        default=300.0,
        metadata={
            "about": "How long after a session's end, or a message's time, what arrives late still counts for what "
            "came of a decision"
        },
    )
    learn_seconds: float = field(
        default=5.0,
        metadata={"about": "Seconds between two times that policies learn from new outcomes; 0 learns nothing"},
    )
    policy_watch_seconds: float = field(
        default=2.0,
        metadata={"about": "How often to look for what was learnt, and for another policy; 0 never looks"},
    )
    follow_up_url: str = field(
        default="",
        repr=False,
        metadata={
            "about": "Where messages to people who have left are sent: one address for all channels, or "
            "`email=https://...` for each, with spaces between; empty decides on none"
        },
    )
    follow_up_secret: str = field(
        default="",
        repr=False,
        metadata={"about": "Secret that follow-ups are signed with, by HMAC-SHA256; they need one"},
    )
    follow_up_within_seconds: float = field(
        default=86_400.0, metadata={"about": "A session that ended longer ago than this is not followed up"}
    )
    follow_up_attempts: int = field(
        default=12, metadata={"about": "Attempts to deliver a follow-up before it is given up", "least": 1}
    )
    follow_up_pause_seconds: float = field(
        default=10.0, metadata={"about": "Pause after the first failed attempt; it doubles with each, up to six hours"}
    )
    drift_window_seconds: float = field(
        default=86_400.0,
        metadata={"about": "Over how long `/metrics` compares what is scored with the model's training; 0 does not"},
    )
    insights_refresh: float = field(
        default=60.0,
        metadata={
            "about": "Seconds between two makings of the pages' figures, where new events have come; at least ten "
            "times as long as the last one took; 0 makes none"
        },
    )
    min_cell: int = field(
        default=MIN_CELL,
        metadata={"about": "Cohorts of fewer visitors, and what would tell of them, are hidden; 0 hides nothing"},
    )
    webhook: str = field(
        default="",
        repr=False,
        metadata={"about": "Address that each new alarm about exit rates is sent to; empty sends none"},
    )
    webhook_secret: str = field(
        default="",
        repr=False,
        metadata={"about": "Secret that alarms are signed with, by HMAC-SHA256; empty signs none"},
    )
    keep_properties: str = field(
        default="",
        metadata={
            "about": "Properties that are kept beside those that the journey declares, with commas between; `*` keeps "
            "all. The others are dropped before anything is stored"
        },
    )
    hash_user_ids: bool = field(
        default=False,
        metadata={"about": "Keep a keyed hash in place of every user id; e-mail addresses are hashed in any case"},
    )
    id_secret: str = field(
        default="",
        repr=False,
        metadata={"about": "Key of those hashes, the same for all replicas; empty makes one in the home folder"},
    )
    consent_required: bool = field(
        default=False,
        metadata={"about": "Keep only events that say that their visitor has consented; a refusal always counts"},
    )
    allowed_origins: tuple[str, ...] = field(
        default=("*",),
        metadata={
            "about": "Websites whose pages may send events from a browser, separated by commas: "
            "`https://shop.example`. Those named, and pages of this machine, may also ask; `*` lets all send and none "
            "ask",
            "each": r"\*|https?://[^/?#\s]+",
        },
    )
    retention_days: float = field(
        default=0.0,
        metadata={
            "about": "Days after their arrival after which events, decisions and refused events go; 0 keeps them"
        },
    )
    logs: LogFormat = field(
        default=LogFormat.TEXT,
        metadata={
            "about": "`text` says what goes wrong, for people; `json` is an object a line, for programs, with one for "
            "each request, and nothing about people in any"
        },
    )
    log_requests: float = field(
        default=1.0,
        metadata={
            "about": "Share of the requests that have a line in JSON logs; those that fail with 5xx always have one",
            "most": 1.0,
        },
    )
    traces_url: str = field(
        default="",
        repr=False,
        metadata={
            "about": "OpenTelemetry collector that traces are sent to by OTLP over HTTP, as `http://HOST:4318`; empty "
            "traces nothing"
        },
    )
    traces_sample: float = field(
        default=0.1,
        metadata={
            "about": "Share of the requests that are traced; where a request says in its `traceparent` whether it is, "
            "that goes",
            "most": 1.0,
        },
    )
    bench_routes: bool = field(default=False, metadata={"about": "Add two empty routes that benchmarks compare with"})

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Configuration":
        """Return the settings; raises :class:`ConfigurationError` for a value of a wrong type."""
        told = {setting.name: read(setting, environment) for setting in fields(cls)}
        given = {name: value for name, value in told.items() if value is not None}
        # Workers that did not know of each other's events would answer without them.
        return cls(**given | ({"shared": True} if given.get("workers", 1) > 1 else {}))

    @property
    def metrics_folder(self) -> Path | None:
        """The folder in which several workers keep what they count; None for one."""
        folder = os.environ.get(METRICS_FOLDER)
        return Path(folder) if folder and self.workers > 1 else None

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks of the proxies that are believed; raises :class:`ConfigurationError`."""
        try:
            return parse_networks(self.trusted_proxies)
        except ValueError as error:
            raise ConfigurationError(
                f"{PREFIX}TRUSTED_PROXIES={self.trusted_proxies!r} names no networks ({error}): write addresses such "
                "as 10.0.0.7 or 10.0.0.0/24, with commas between"
            ) from error

    @property
    def address(self) -> str:
        """The database's SQLAlchemy address."""
        return self.database_url or database_url(self.home)


def secrets_in_files() -> tuple[str, ...]:
    """Return the settings that a file may hold, by their variables."""
    return tuple(file_variable_of(setting) for setting in fields(Configuration) if not setting.repr)


def settings_table() -> str:
    """Return the settings as the Markdown table of the documentation."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for setting in fields(Configuration):
        default = "" if setting.default == "" else f"`{show(setting.default)}`"
        lines.append(f"| `{variable_of(setting)}` | {default} | {setting.metadata['about']} |")
    return "\n".join(lines)
