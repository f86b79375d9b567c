"""Every command as a new user types it: what it says, what it writes, and one line where it cannot go on."""

import contextlib
import io
import json
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
import typer
from command_tree import leaves

import cli
from console import terminal
from journeys.load import journey_names

pytestmark = [pytest.mark.xdist_group("cli"), pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "newsletter_signup.py"
DATA = ROOT.parent / "shared" / "data"
GROUP: Any = typer.main.get_command(cli.app)
COMMANDS = sorted(GROUP.commands)
LEAVES = leaves(GROUP)
START = datetime(2026, 3, 1, tzinfo=UTC)
SESSIONS = 400


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


Run = Callable[..., Ran]


def call(*arguments: object) -> Ran:
    """Run the command in this process, as ``dropoff ARGUMENTS`` would."""
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Ran(int(left.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run commands in a folder and with a home of their own, on a screen of eighty columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    # Commands that serve set these for the service; undone at the end of the test.
    monkeypatch.setenv("DROPOFF_JOURNEY", "")
    monkeypatch.setattr(terminal.out, "width", 80)
    return call


def refused(ran: Ran, line: str, status: int = 1, out: str = "") -> None:
    """Assert that the command said exactly this one line, and nothing else but ``out``."""
    assert (ran.status, ran.out, ran.err) == (status, out, f"dropoff: {line}\n")


# --- a log of sign-ups, and a model of it -------------------------------------------------------------------------


def sign_ups(sessions: int = SESSIONS, seed: int = 1) -> list[dict[str, Any]]:
    """Sessions of the newsletter's journey, in which errors and waiting go with leaving."""
    source = random.Random(seed)
    events = []
    for session in range(sessions):
        at = START + timedelta(minutes=20 * session)
        troubled = source.random() < 0.5
        names = ["page_view"] * source.randint(1, 4) + ["view_signup"] + ["edit_field"] * source.randint(1, 3)
        names += ["form_error"] * (source.randint(1, 3) if troubled else 0) + ["submit_signup"]
        if source.random() < (0.25 if troubled else 0.8):
            names.append("confirm")
        else:
            names = names[: source.randint(2, len(names))]
        for place, name in enumerate(names):
            at += timedelta(seconds=source.randint(2, 60))
            events.append(
                {
                    "event_id": f"e{session:04}-{place:02}",
                    "session_id": f"s{session:04}",
                    "visitor_id": f"v{session:04}",
                    "name": name,
                    "occurred_at": at.isoformat(),
                    "device": source.choice(["mobile", "desktop"]),
                    "properties": {"load_seconds": source.uniform(0.2, 4), "field": "email"},
                }
            )
    return events


def write_lines(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


@dataclass(frozen=True)
class Trained:
    """What one ``dropoff train`` left behind."""

    folder: Path
    log: Path
    ran: Ran
    result: dict[str, Any]

    @property
    def home(self) -> Path:
        return self.folder / "home"


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    log = write_lines(folder / "log.jsonl", sign_ups())
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROPOFF_HOME", str(folder / "home"))
        patch.setattr(terminal.out, "width", 80)
        ran = call("train", EXAMPLE, "--log", log, "--trials", 2, "--json", "out/figures.json")
    assert ran.status == 0, ran.err
    return Trained(folder, log, ran, json.loads((folder / "out" / "figures.json").read_text()))


@pytest.fixture
def run_trained(run: Run, trained: Trained, tmp_path: Path) -> Run:
    """Run commands where a model of the newsletter is registered; its home and MLflow's store are copies."""
    shutil.copytree(trained.home, tmp_path / "home")
    shutil.copytree(trained.folder / "mlruns", tmp_path / "mlruns")
    return run


# --- help, version, usage -----------------------------------------------------------------------------------------


def test_the_version_is_the_installed_one(run: Run) -> None:
    assert run("--version") == Ran(0, f"dropoff {version('dropoff')}\n", "")


def test_without_a_command_it_shows_the_help(run: Run) -> None:
    ran = run()
    assert (ran.status, ran.err) == (2, "")
    assert ran.out.startswith("Usage: dropoff [OPTIONS] COMMAND [ARGS]...")
    assert ran.out == run("--help").out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_the_first_sentence_of_each_in_full(run: Run, name: str) -> None:
    [line] = [line for line in run("--help").out.splitlines() if line.split()[:1] == [name]]
    assert line.split(maxsplit=1)[1] == GROUP.commands[name].help.splitlines()[0]
    assert len(line) <= 80


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_explains_its_parameters_and_has_an_example_that_it_understands(run: Run, name: str) -> None:
    ran = run(*name.split(), "--help")
    assert (ran.status, ran.err) == (0, "")
    command = LEAVES[name]
    shown = " ".join(ran.out.split())
    for parameter in command.params:
        assert getattr(parameter, "help", None), parameter.name
        assert " ".join(parameter.help.split()) in shown
    example = ran.out.strip().splitlines()[-1].strip()
    assert example.startswith(f"Example: dropoff {name}")
    assert len(example) <= 78
    words = shlex.split(example.removeprefix(f"Example: dropoff {name}"))
    # It raises where the command does not know a word.
    assert command.make_context(name, words).command is command


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["churn"], "No such command 'churn' (see dropoff --help)"),
        (["--fast"], "No such option: --fast (see dropoff --help)"),
        (["describe"], "Missing argument 'JOURNEY' (see dropoff describe --help)"),
        (["train", "ecommerce"], "Missing option '--log' (see dropoff train --help)"),
        (["journeys", "all"], "Got unexpected extra argument(s) (all) (see dropoff journeys --help)"),
    ],
)
def test_a_command_that_is_none_is_refused_with_the_help_to_read(run: Run, arguments: list[str], line: str) -> None:
    refused(run(*arguments), line, status=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "ecommerce", "--sessions", "0", "--out", "x"],
        ["simulate", "ecommerce", "--sessions", "5", "--out", "x", "--seed", "-1"],
        ["train", "ecommerce", "--log", "x", "--trials", "-1"],
        ["train", "ecommerce", "--log", "x", "--seed", str(2**31)],
        ["features", "ecommerce", "--log", "x", "--out", "x.parquet", "--every", "0"],
        ["serve", "ecommerce", "--port", "65536"],
        ["serve", "ecommerce", "--port", "http"],
        ["demo", "--sessions", "1999"],
    ],
)
def test_a_number_out_of_its_range_is_refused_in_one_line(run: Run, arguments: list[str], tmp_path: Path) -> None:
    ran = run(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("dropoff: Invalid value for '--")
    assert ran.err.endswith(f"(see dropoff {arguments[0]} --help)\n")
    assert ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


# --- journeys -----------------------------------------------------------------------------------------------------


def test_journeys_are_listed_in_blocks_that_fit_the_screen(run: Run) -> None:
    ran = run("journeys")
    assert (ran.status, ran.err) == (0, "")
    assert max(len(line) for line in ran.out.splitlines()) <= 80
    for name in journey_names():
        assert f"\n{name}: " in f"\n{ran.out}"
    assert "browse > product > cart > checkout > address > payment" in ran.out


def test_a_journey_is_described_by_name_and_by_path(run: Run) -> None:
    by_name, by_path = run("describe", "ecommerce"), run("describe", EXAMPLE)
    for ran, title in ((by_name, "Online shop (ecommerce)"), (by_path, "Newsletter sign-up (newsletter_signup)")):
        assert (ran.status, ran.err) == (0, "")
        assert ran.out.startswith(title)
        assert max(len(line) for line in ran.out.splitlines()) <= 80


def test_an_unknown_journey_is_refused_with_those_there_are(run: Run) -> None:
    names = " or ".join(journey_names())
    refused(
        run("describe", "shop"),
        f"there is no journey named 'shop'; write {names}, or the path to a file of your own, for example "
        "./my_journey.py",
    )
    refused(
        run("describe", "./shop.py"),
        f"there is no file shop.py; give the path of a Python file, or one of the names {', '.join(journey_names())}",
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x = 1\n", "mine.py declares no JOURNEY; write JOURNEY = Journey(...) at the top level of the file"),
        (
            "JOURNEY = 5\n",
            "mine.py declares JOURNEY as a int; write JOURNEY = Journey(...) at the top level of the file",
        ),
        ("JOURNEY = (\n", "{folder}/mine.py, line 1: this is not valid Python ('(' was never closed)"),
        ("\nimport nothing_there\n", "{folder}/mine.py, line 2: ModuleNotFoundError: No module named 'nothing_there'"),
    ],
)
def test_a_file_that_is_no_journey_is_refused_with_its_line(run: Run, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "mine.py").write_text(content)
    refused(run("describe", "mine.py"), said.format(folder=tmp_path))


def test_a_mistake_in_a_declaration_is_refused_with_the_line_of_the_users_own_file(run: Run, tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace('count("form_error")', 'count("form_eror")')
    (tmp_path / "mine.py").write_text(text)
    line = text.splitlines().index("JOURNEY = Journey(") + 1
    refused(
        run("describe", "./mine.py"),
        f"{tmp_path}/mine.py, line {line}: feature 'form_errors' listens to 'form_eror', which the journey's events "
        "do not list; did you mean one of form_error, confirm, view_privacy_policy?",
    )


# --- simulate, import, features -----------------------------------------------------------------------------------


def test_simulating_writes_the_log_and_the_truth_and_the_same_again_for_the_same_seed(run: Run) -> None:
    for folder in ("a", "b/deep"):
        ran = run("simulate", "ecommerce", "--sessions", 60, "--seed", 3, "--out", folder)
        assert ran == Ran(0, f"60 sessions in {folder}/events, the truth about them in {folder}/truth.parquet\n", "")
    same = "SELECT count(*) FROM (FROM 'a/{0}' EXCEPT ALL FROM 'b/deep/{0}')"
    for name, key in (("events/*.parquet", "session_id"), ("truth.parquet", "session_id")):
        assert duckdb.sql(same.format(name)).fetchall() == [(0,)]
        assert duckdb.sql(f"SELECT count(DISTINCT {key}) FROM 'a/{name}'").fetchall() == [(60,)]


def test_only_journeys_with_a_world_are_simulated(run: Run) -> None:
    refused(
        run("simulate", "loan_application", "--sessions", 5, "--out", "x"),
        "no world is simulated for 'loan_application'; there is one for ecommerce, onboarding",
    )


def test_a_log_by_a_column_mapping_becomes_a_canonical_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text(
        "who,what,when,price\nv1,view_product,2026-03-01 10:00:00,5\nv1,purchase,2026-03-01 10:01:00,\n,x,2026-03-01,\n"
    )
    (tmp_path / "mapping.toml").write_text(
        '[columns]\nvisitor_id = "who"\nname = "what"\noccurred_at = "when"\n[properties]\nprice = "price"\n'
    )
    ran = run("import", "mapping.toml", "clicks.csv", "--out", "log.parquet")
    assert ran == Ran(
        0,
        "3 events read; 2 used; 1 quarantined (1: neither visitor_id nor user_id given)\n"
        f"The quarantined rows are in {tmp_path}/home/quarantine.jsonl, each with its reason.\n"
        "The canonical log is log.parquet\n",
        "",
    )
    columns = "visitor_id, name, epoch(occurred_at)::BIGINT, properties->>'price'"
    assert duckdb.sql(f"SELECT {columns} FROM 'log.parquet' ORDER BY occurred_at").fetchall() == [
        ("v1", "view_product", 1_772_359_200, "5"),
        ("v1", "purchase", 1_772_359_260, None),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "[columns\n",
            "bad.toml is no TOML file: Expected ']' at the end of a table declaration (at line 1, column 9)",
        ),
        ("[columns]\nname = 5\n", 'bad.toml: [columns] maps names to column names, as in name = "action_type"'),
        ('[column]\nname = "x"\n', "bad.toml: 'column' means nothing here; the tables are [columns], [properties]"),
        ('[columns]\nnmae = "x"\n', "bad.toml: 'nmae' is no canonical column; did you mean name, channel, source?"),
        (
            '[columns]\nname = "x"\n',
            "bad.toml: the mapping names no column for 'occurred_at'; add occurred_at = 'column of your log'",
        ),
        (
            '[columns]\nname = "nam"\noccurred_at = "occurred_at"\nvisitor_id = "visitor_id"\n',
            "log.csv lacks the column nam (it has name, occurred_at, visitor_id; for 'nam' perhaps 'name'); map other "
            "names with `dropoff import MAPPING.toml PATH --out PATH`",
        ),
    ],
)
def test_a_mapping_that_is_wrong_says_what_to_write(run: Run, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "bad.toml").write_text(content)
    (tmp_path / "log.csv").write_text("name,occurred_at,visitor_id\nview,2026-03-01,v\n")
    refused(run("import", "bad.toml", "log.csv", "--out", "out.parquet"), said)
    assert not (tmp_path / "out.parquet").exists()


def test_an_unknown_source_is_refused_with_those_there_are(run: Run) -> None:
    refused(
        run("import", "matomo", "x", "--out", "x.parquet"),
        "no source is named 'matomo'; use one of canonical, loan_log, segment, rudderstack, ga4, snowplow, posthog, or "
        "the path of a .toml mapping",
    )
    refused(run("import", "none.toml", "x", "--out", "x.parquet"), "there is no file none.toml")


@pytest.mark.real_data
def test_the_loan_log_and_a_mapped_log_are_imported_whole(run: Run, tmp_path: Path) -> None:
    if not DATA.is_dir():
        pytest.skip("the public data sets are not beside the checkout")
    loans, hotels = DATA / "bpic2012" / "events.parquet", DATA / "trivago_recsys2019_100k"
    (tmp_path / "trivago.toml").write_text(
        '[columns]\nsession_id = "session_id"\nvisitor_id = "user_id"\nname = "action_type"\n'
        'occurred_at = "timestamp"\ndevice = "device"\nchannel = "platform"\n'
        '[properties]\nreference = "reference"\n'
    )
    for source, path, files in (("loan_log", loans, loans), ("trivago.toml", hotels, hotels / "*.parquet")):
        [(count,)] = duckdb.sql(f"SELECT count(*) FROM '{files}'").fetchall()
        ran = run("import", source, path, "--out", "out.parquet")
        assert ran == Ran(0, f"{count:,} events read; {count:,} used\nThe canonical log is out.parquet\n", "")
        assert duckdb.sql("SELECT count(*) FROM 'out.parquet'").fetchall() == [(count,)]
    assert duckdb.sql("SELECT count(DISTINCT session_id) FROM 'out.parquet'").fetchall() == [(7_612,)]


def test_features_have_a_row_after_every_nth_event_of_a_session(run: Run, tmp_path: Path) -> None:
    events = sign_ups(30)
    lengths: dict[str, int] = {}
    for event in events:
        lengths[event["session_id"]] = lengths.get(event["session_id"], 0) + 1
    log = write_lines(tmp_path / "log.jsonl", events)
    for every in (1, 4):
        rows = sum(length // every for length in lengths.values())
        ran = run("features", EXAMPLE, "--log", log, "--out", "f.parquet", "--every", every)
        assert ran.out.endswith(f"{rows:,} rows of 17 features in f.parquet\n")
        assert duckdb.sql("SELECT count(*) FROM 'f.parquet'").fetchall() == [(rows,)]
    found = duckdb.sql("FROM 'f.parquet'").columns
    assert found[:3] == ["session_id", "event_id", "at"]
    assert len(found) == 3 + 17


# --- bad input ----------------------------------------------------------------------------------------------------

GOOD = [
    {
        "event_id": f"e{number}",
        "session_id": "s",
        "visitor_id": "v",
        "name": "page_view",
        "occurred_at": f"2026-03-01T10:00:{number:02}Z",
    }
    for number in range(3)
]
CSV = "event_id,visitor_id,name,occurred_at\n" + "".join(
    f"{event['event_id']},v,page_view,{event['occurred_at']}\n" for event in GOOD
)
MAPPED = "map other names with `dropoff import MAPPING.toml PATH --out PATH`"
FORMATS = ".parquet, .csv, .csv.gz, .jsonl, .ndjson, .json, .jsonl.gz, .ndjson.gz, .json.gz"

UNREADABLE: dict[str, tuple[str, str | bytes, str]] = {
    "missing columns": (
        "log.csv",
        "event,time,user\nview,1,u\n",
        f"log.csv lacks the columns name, occurred_at (it has event, time, user; for 'name' perhaps 'time'); {MAPPED}",
    ),
    "missing fields": (
        "log.jsonl",
        '{"event": "view"}\n',
        f"log.jsonl lacks the fields name, occurred_at (no line has them); {MAPPED}",
    ),
    "an empty file": ("log.parquet", "", "log.parquet is empty; write at least one event into it"),
    "a header alone": ("log.csv", CSV.splitlines()[0] + "\n", "the log holds no usable event: it has no rows"),
    "no Parquet": (
        "log.parquet",
        "what is this",
        "log.parquet cannot be read as Parquet: Invalid Input Error: No magic bytes found at end of file 'log.parquet'",
    ),
    "no CSV": ("log.csv", b"\x89PNG\r\n\x1a\n", "log.csv cannot be read as CSV: its first line is no text in UTF-8"),
    "no JSON": (
        "log.jsonl",
        "hello\nworld\n",
        "the log holds no usable event: the line is not JSON (2 rows); the rows are in {folder}/home/quarantine.jsonl",
    ),
    "no compression": (
        "log.jsonl.gz",
        "hello\n",
        "log.jsonl.gz cannot be read as JSON Lines: Not a gzipped file (b'he')",
    ),
    "another format": (
        "log.xlsx",
        "x",
        f"log.xlsx is in no format that can be read; its name should end in {FORMATS}",
    ),
    "an open quote": (
        "log.csv",
        CSV + 'e9,v,"page_view,2026-03-01T10:00:09Z\ne8,v,page_view,2026-03-01T10:00:08Z\n',
        "log.csv, line 5: a quotation mark is opened and not closed, so that the lines after it belong to this one; "
        "close it, or double it if it is meant as it stands",
    ),
    "a column twice": (
        "log.csv",
        "name,occurred_at,visitor_id,Name\n",
        "log.csv cannot be read as CSV: its header names the column 'name' twice",
    ),
    "only events of 1970": (
        "log.jsonl",
        json.dumps(GOOD[0] | {"occurred_at": 0}),
        "the log holds no usable event: occurred_at is before 2000 (1 rows); the rows are in "
        "{folder}/home/quarantine.jsonl",
    ),
}


@pytest.mark.parametrize(("name", "content", "said"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_log_that_cannot_be_read_is_refused_in_one_line(
    run: Run, tmp_path: Path, name: str, content: str | bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    ran = run("features", EXAMPLE, "--log", name, "--out", "out.parquet")
    refused(ran, said.format(folder=tmp_path))
    assert not [path for path in tmp_path.iterdir() if "out.parquet" in path.name]


def test_a_folder_that_is_no_log_is_refused(run: Run, tmp_path: Path) -> None:
    features = ("features", EXAMPLE, "--out", "out.parquet", "--log")
    refused(
        run(*features, "nowhere"),
        "there is no log at nowhere; give a Parquet, CSV or JSON Lines file, or a folder of them",
    )
    (tmp_path / "log").mkdir()
    refused(run(*features, "log"), f"the folder log holds no log; its files should end in {FORMATS}")
    (tmp_path / "log" / "a.csv").write_text(CSV)
    write_lines(tmp_path / "log" / "b.jsonl", GOOD)
    refused(run(*features, "log"), "log mixes formats (csv, json); keep one format in a folder")


def test_columns_of_the_wrong_type_are_refused_with_the_type_they_should_have(run: Run) -> None:
    good = "'e' AS event_id, 'v' AS visitor_id, 'page_view' AS name, TIMESTAMPTZ '2026-03-01' AS occurred_at"
    for wrong, said in {
        "true AS occurred_at": "the column occurred_at has the type BOOLEAN; it should be a timestamp, ISO 8601 text "
        "or epoch numbers",
        "['page_view'] AS name": "the column name has the type VARCHAR[]; it should be text or a number",
        "5 AS properties": "the column properties has the type INTEGER; it should be JSON text, a struct or a map",
    }.items():
        replaced = wrong.rpartition(" AS ")[2]
        kept = f"SELECT * EXCLUDE ({replaced}) FROM (SELECT {good}, '' AS properties)"
        duckdb.sql(f"COPY (SELECT *, {wrong} FROM ({kept})) TO 'log.parquet'")
        refused(run("features", EXAMPLE, "--log", "log.parquet", "--out", "out.parquet"), said)


BAD_ROWS: dict[str, tuple[object, str]] = {
    "of 1970": (GOOD[0] | {"event_id": "a", "occurred_at": 0}, "occurred_at is before 2000"),
    "of the future": (
        GOOD[0] | {"event_id": "b", "occurred_at": "2999-01-01T00:00:00Z"},
        "occurred_at is more than a day in the future",
    ),
    "without a time": (GOOD[0] | {"event_id": "c", "occurred_at": "soon"}, "occurred_at is missing or no time"),
    "with a NUL byte": (GOOD[0] | {"event_id": "d", "name": "page\0view"}, "a name or an id holds a NUL byte"),
    "with a huge property": (
        GOOD[0] | {"event_id": "e", "properties": {"text": "x" * 10_000_000}},
        "the properties are larger than 1 MB",
    ),
    "with a list for a name": (GOOD[0] | {"event_id": "f", "name": ["x"]}, "a name or an id is a list or an object"),
    "with properties that are none": (
        GOOD[0] | {"event_id": "g", "properties": 5},
        "the properties are no JSON object",
    ),
    "of a broken line": ('{"event_id": "h", "na', "the line is not JSON"),
}


def test_bad_rows_are_quarantined_with_their_reasons_and_the_summary_says_where(run: Run, tmp_path: Path) -> None:
    rows = [row for row, _ in BAD_ROWS.values()]
    log = write_lines(tmp_path / "log.jsonl", [*GOOD, *rows, GOOD[1]])
    ran = run("features", EXAMPLE, "--log", log, "--out", "out.parquet", "--quarantine", "deep/bad.jsonl")
    assert (ran.status, ran.err) == (0, "")
    first, second, third = ran.out.splitlines()
    assert first.startswith(f"{len(rows) + 4} events read; 3 used; 1 duplicates; {len(rows)} quarantined (")
    assert second == "The quarantined rows are in deep/bad.jsonl, each with its reason."
    assert third == "3 rows of 17 features in out.parquet"
    kept = [json.loads(line) for line in (tmp_path / "deep" / "bad.jsonl").read_text().splitlines()]
    assert [(row["row"], row["reason"]) for row in kept] == [
        (len(GOOD) + place, reason) for place, (_, reason) in enumerate(BAD_ROWS.values(), start=1)
    ]


def test_ragged_lines_of_a_csv_file_are_quarantined(run: Run, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(CSV + "e7,v\n" + "e8,v,page_view,2026-03-01T10:00:08Z,more,and more\n")
    ran = run("features", EXAMPLE, "--log", "log.csv", "--out", "out.parquet")
    assert ran.out == (
        "5 events read; 3 used; 2 quarantined (2: the line is no CSV row of the header's columns)\n"
        f"The quarantined rows are in {tmp_path}/home/quarantine.jsonl, each with its reason.\n"
        "3 rows of 17 features in out.parquet\n"
    )
    kept = [json.loads(line) for line in (tmp_path / "home" / "quarantine.jsonl").read_text().splitlines()]
    assert [(row["row"], row["content"][:4]) for row in kept] == [(5, "e7,v"), (6, "e8,v")]


def test_event_names_that_the_journey_does_not_declare_are_counted(run: Run, tmp_path: Path) -> None:
    log = write_lines(tmp_path / "log.jsonl", [*GOOD, GOOD[0] | {"event_id": "x", "name": "drink_tea"}])
    ran = run("features", EXAMPLE, "--log", log, "--out", "out.parquet")
    assert ran.out.splitlines() == [
        "4 events read; 4 used; names that the journey does not declare: drink_tea (1)",
        "4 rows of 17 features in out.parquet",
    ]


def test_a_session_of_a_hundred_thousand_events_is_counted_exactly(run: Run) -> None:
    count = 100_000
    duckdb.sql(
        "COPY (SELECT 'e' || i AS event_id, 's' AS session_id, 'v' AS visitor_id, 'page_view' AS name, "
        f"TIMESTAMPTZ '2026-03-01' + to_seconds(i) AS occurred_at FROM range({count}) AS t(i)) TO 'log.parquet'"
    )
    ran = run("features", EXAMPLE, "--log", "log.parquet", "--out", "out.parquet", "--every", count)
    assert ran.out == f"{count:,} events read; {count:,} used\n1 rows of 17 features in out.parquet\n"
    assert duckdb.sql("SELECT events_seen, pages, session_seconds FROM 'out.parquet'").fetchall() == [
        (count, count, count - 1)
    ]


# --- results ------------------------------------------------------------------------------------------------------


def test_a_result_that_cannot_be_written_is_refused_before_the_work(run: Run, tmp_path: Path) -> None:
    write_lines(tmp_path / "log.jsonl", GOOD)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "log.csv").write_text(CSV)
    (tmp_path / "folder.parquet").mkdir()
    features = ("features", EXAMPLE, "--log", "log.jsonl", "--out")
    refused(run(*features, "/proc/x.parquet"), "nothing can be written into /proc: No such file or directory")
    refused(run(*features, "folder.parquet"), "folder.parquet is a folder; give the path of a file")
    told = "is no name of a folder; name one without such an ending, or a file that ends in .parquet"
    refused(run(*features, "out.csv"), f"out.csv {told}")
    refused(run(*features, "log.jsonl/x.parquet"), "nothing can be written into log.jsonl: File exists")
    refused(
        run(*features, "out.parquet", "--quarantine", "log.jsonl"),
        "log.jsonl is the log itself; choose another file to write",
    )
    refused(
        run("features", EXAMPLE, "--log", "folder", "--out", "folder/out.parquet"),
        "folder/out.parquet lies in folder and would be read as a part of the log next time; choose another folder",
    )
    refused(
        run("simulate", "ecommerce", "--sessions", 5, "--out", "log.jsonl"),
        "nothing can be written into log.jsonl: File exists",
    )
    refused(run("import", "canonical", "log.jsonl", "--out", "x.csv"), "x.csv should end in .parquet")
    refused(
        run("train", EXAMPLE, "--log", "log.jsonl", "--json", "/proc/x.json"),
        "nothing can be written into /proc: No such file or directory",
    )
    assert (tmp_path / "log.jsonl").read_text().count("\n") == len(GOOD)


# --- train, evaluate, score, promote ------------------------------------------------------------------------------


def test_training_tells_what_it_read_how_good_it_is_and_what_it_registered(trained: Trained) -> None:
    events = len(sign_ups())
    assert trained.ran.err == ""
    lines = trained.ran.out.splitlines()
    assert lines[0] == f"{events:,} events read; {events:,} used"
    assert lines[1] == "Version 1 of newsletter_signup on held-out sessions"
    assert lines[-1] == "Version 1 is champion: it is the first model."
    assert max(map(len, lines)) <= 80
    assert (trained.home / "models" / "newsletter_signup" / "champion").read_text() == "1\n"
    assert (trained.folder / "mlruns" / "mlflow.db").exists()


def test_training_writes_the_agreed_figures(trained: Trained) -> None:
    figures = {"auc", "ap", "log_loss", "brier", "brier_skill", "ece", "base_rate", "n_rows", "n_sessions"}
    held_out = trained.result["held_out"]
    assert trained.result["model_version"] == "1"
    assert figures | {"session_weighted", "by_events", "by_stage"} <= set(held_out)
    assert list(held_out["by_events"]) == ["1", "2", "3", "5", "8", "10", "13", "21"]
    for block in (held_out["session_weighted"], *held_out["by_events"].values(), *held_out["by_stage"].values()):
        assert figures <= set(block)
    # Trouble is in the log and in the features, so a model that learnt nothing would show.
    assert held_out["auc"] > 0.6


def test_training_that_cannot_go_on_still_tells_what_it_read(run: Run, tmp_path: Path) -> None:
    bad = GOOD[0] | {"event_id": "x", "occurred_at": 0}
    write_lines(tmp_path / "log.jsonl", [*GOOD, bad])
    refused(
        run("train", EXAMPLE, "--log", "log.jsonl"),
        "only 0 sessions have a known end and an event before it; a log needs at least 20",
        out="4 events read; 3 used; 1 quarantined (1: occurred_at is before 2000)\n"
        f"The quarantined rows are in {tmp_path}/home/quarantine.jsonl, each with its reason.\n",
    )


def test_evaluating_gives_the_same_block_as_training_did(run_trained: Run, trained: Trained) -> None:
    ran = run_trained("evaluate", EXAMPLE, "--log", trained.log, "--json", "figures.json")
    assert (ran.status, ran.err) == (0, "")
    written = json.loads(Path("figures.json").read_text())
    assert written["model_version"] == "1"
    assert set(written["held_out"]) == set(trained.result["held_out"])
    # Every labelled prefix of the log, of which the held-out ones are a part.
    assert written["held_out"]["n_sessions"] > trained.result["held_out"]["n_sessions"]


def test_a_log_in_which_nothing_has_ended_has_nothing_to_measure(run_trained: Run, tmp_path: Path) -> None:
    write_lines(tmp_path / "open.jsonl", GOOD)
    refused(
        run_trained("evaluate", EXAMPLE, "--log", "open.jsonl"),
        "no session of open.jsonl has a known end after its first event, so there is nothing to measure",
        out="3 events read; 3 used\n",
    )


def test_scores_are_the_same_in_every_format(run_trained: Run, trained: Trained) -> None:
    for name in ("s.parquet", "s.csv", "s.jsonl"):
        ran = run_trained("score", EXAMPLE, "--log", trained.log, "--out", name)
        assert (ran.status, ran.err) == (0, "")
        assert ran.out.endswith(f"A row for every session is in {name}\n")
    read = {"s.parquet": "'s.parquet'", "s.csv": "read_csv('s.csv')", "s.jsonl": "read_json('s.jsonl')"}
    wanted = "session_id, round(risk, 9), stage, blocker, recommendation, reason, model_version::VARCHAR"
    rows = [duckdb.sql(f"SELECT {wanted} FROM {table} ORDER BY session_id").fetchall() for table in read.values()]
    assert len(rows[0]) == SESSIONS
    assert rows[0] == rows[1] == rows[2]
    assert all(0 < row[1] < 1 for row in rows[0])


def test_scores_go_into_no_other_format(run_trained: Run, trained: Trained) -> None:
    ran = run_trained("score", EXAMPLE, "--log", trained.log, "--out", "scores.xlsx")
    refused(ran, "scores.xlsx should end in .parquet or .csv or .jsonl")


def test_only_a_version_that_can_be_served_is_promoted(run_trained: Run, tmp_path: Path) -> None:
    ran = run_trained("promote", EXAMPLE, "1")
    assert ran == Ran(0, "Version 1 is the champion of newsletter_signup.\n", "")
    refused(
        run_trained("promote", EXAMPLE, "9"),
        f"newsletter_signup has no model version '9' under {tmp_path}/home (versions: 1)",
    )
    (tmp_path / "home" / "models" / "newsletter_signup" / "1" / "model.txt").write_text("tree")
    damaged = run_trained("promote", EXAMPLE, "1")
    assert damaged.status == 1
    assert "was changed after it was published (model.txt); train again" in damaged.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", EXAMPLE, "--log", "log.jsonl"],
        ["evaluate", EXAMPLE, "--log", "log.jsonl", "--model", "3"],
        ["score", EXAMPLE, "--log", "log.jsonl", "--out", "s.parquet"],
        ["promote", EXAMPLE, "1"],
        ["serve", EXAMPLE],
        ["build", EXAMPLE],
    ],
    ids=lambda arguments: " ".join(arguments[::3]) if isinstance(arguments, list) else "",
)
def test_without_a_model_every_command_says_which_to_run_first(
    run: Run, tmp_path: Path, arguments: list[object]
) -> None:
    write_lines(tmp_path / "log.jsonl", GOOD)
    ran = run(*arguments)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.count("\n") == 1
    assert "newsletter_signup" in ran.err
    assert f"run `dropoff train {EXAMPLE} --log PATH` first" in ran.err


def test_a_model_of_another_feature_table_is_refused_and_the_features_are_named(
    run_trained: Run, tmp_path: Path, trained: Trained
) -> None:
    (tmp_path / "mine.py").write_text(EXAMPLE.read_text().replace('"form_errors"', '"errors_of_form"'))
    told = (
        "model newsletter_signup version 1 was trained on another feature table "
        "(removed: form_errors; added: errors_of_form); train again"
    )
    refused(run_trained("evaluate", "mine.py", "--log", trained.log), told)
    refused(run_trained("score", "mine.py", "--log", trained.log, "--out", "s.parquet"), told)
    refused(run_trained("promote", "mine.py", "1"), told)
    for command in ("serve", "build"):
        refused(run_trained(command, "mine.py"), f"{told}, or restore the features that the journey had")


# --- serve, replay ------------------------------------------------------------------------------------------------


def test_a_taken_port_is_refused(run_trained: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(
            run_trained("serve", EXAMPLE, "--port", port),
            f"cannot listen on 127.0.0.1:{port} ([Errno 98] Address already in use): choose another --port",
        )


def test_replaying_against_nothing_says_how_to_start_a_service(run: Run, tmp_path: Path) -> None:
    write_lines(tmp_path / "log.jsonl", GOOD)
    replay = ("replay", EXAMPLE, "--log", "log.jsonl", "--url")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        refused(
            run(*replay, address),
            f"no service answers at {address} ([Errno 111] Connection refused): start one with `dropoff serve`",
        )
    refused(
        run(*replay, "ftp://example.org"),
        "ftp://example.org is no address of a service; write it like http://127.0.0.1:3000",
    )


@contextlib.contextmanager
def running(folder: Path, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """Run the command as a process of its own, in a folder that has a home; killed at the end if it still runs."""
    environment = {**os.environ, "DROPOFF_HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "COLUMNS": "80"}
    (folder / "tmp").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *map(str, arguments)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.mark.slow
def test_a_service_is_replayed_to_and_stops_quietly_at_ctrl_c(
    run_trained: Run, tmp_path: Path, trained: Trained
) -> None:
    with running(tmp_path, "serve", EXAMPLE, "--port", 0) as service:
        assert service.stdout is not None
        said = service.stdout.readline()
        address = said.partition(" at ")[2].split()[0]
        assert said == f"Serving {EXAMPLE} at {address} (its API: {address}/docs.json). Ctrl-C stops it.\n"
        # Read as the line before: communicate() would miss what came together with it.
        assert service.stdout.readline().startswith("There are no keys: whatever this machine sends is accepted")
        assert httpx.get(f"{address}/readyz").status_code == 200
        ran = run_trained("replay", EXAMPLE, "--log", trained.log, "--url", address, "--session", "s0007")
        assert (ran.status, ran.err) == (0, "")
        lines = ran.out.splitlines()
        assert lines[0] == "Session s0007"
        assert lines[1].split() == ["#", "Time", "Event", "Stage", "Risk", "Top", "blocker", "Recommendation"]
        names = [event["name"] for event in sign_ups() if event["session_id"] == "s0007"]
        rows = [line.split() for line in lines if line[:2].strip().isdigit()]
        assert [row[2] for row in rows] == names
        assert max(map(len, lines)) <= 80
        refused(
            run_trained("replay", EXAMPLE, "--log", trained.log, "--url", address, "--session", "nobody"),
            "the log has no session nobody",
        )
        service.send_signal(signal.SIGINT)
        out, err = service.communicate(timeout=30)
        assert (service.returncode, out, err) == (130, "", "")


# --- interruptions and mistakes of our own ------------------------------------------------------------------------


def test_ctrl_c_ends_a_command_quietly(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    ran = run("describe", "mine.py")
    assert (ran.status, ran.out, ran.err.strip()) == (130, "", "")


@pytest.mark.slow
def test_ctrl_c_in_the_middle_of_reading_ends_quietly_and_leaves_nothing_behind(tmp_path: Path) -> None:
    duckdb.sql(
        "COPY (SELECT 'e' || i AS event_id, 'v' || (i % 9999) AS visitor_id, 'page_view' AS name, "
        "TIMESTAMPTZ '2026-03-01' + to_seconds(i) AS occurred_at, '{\"load_seconds\": 1}' AS properties "
        f"FROM range(3000000) AS t(i)) TO '{tmp_path}/log.parquet'"
    )
    with running(tmp_path, "features", EXAMPLE, "--log", "log.parquet", "--out", "f.parquet") as process:
        until = time.monotonic() + 60
        # Reading begins when there is a temporary folder for it.
        while not list((tmp_path / "tmp").glob("dropoff-*/slice-*")) and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip()) == (130, "", "")
    assert not list((tmp_path / "tmp").glob("dropoff-*"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "log.parquet", "tmp"]


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    with running(tmp_path, "describe", "ecommerce") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "Online shop (ecommerce)\n"
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_mistake_of_our_own_is_one_line_too_and_says_where_its_traceback_is(run: Run, tmp_path: Path) -> None:
    # Nothing checks again what was checked when the journey was made, so this breaks while it is printed.
    (tmp_path / "mine.py").write_text(EXAMPLE.read_text() + '\nobject.__setattr__(JOURNEY, "owner", 5)\n')
    ran = run("describe", "mine.py")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("dropoff: NotRenderableError: ")
    assert ran.err.endswith(
        f"; this is a mistake in dropoff itself, and {tmp_path}/home/error.txt says where it happened\n"
    )
    kept = (tmp_path / "home" / "error.txt").read_text()
    assert kept.startswith("Traceback")
    assert "NotRenderableError" in kept.splitlines()[-1]


def test_an_error_of_the_system_names_the_file_and_what_is_wrong(run_trained: Run, tmp_path: Path) -> None:
    history = tmp_path / "home" / "models" / "newsletter_signup" / "champions.jsonl"
    history.unlink()
    history.mkdir()
    refused(run_trained("promote", EXAMPLE, "1"), f"{history}: Is a directory")


def test_a_home_that_is_no_folder_is_refused_before_the_work(run: Run, tmp_path: Path) -> None:
    write_lines(tmp_path / "log.jsonl", GOOD)
    (tmp_path / "home").write_text("no folder")
    refused(
        run("features", EXAMPLE, "--log", "log.jsonl", "--out", "f.parquet"),
        f"nothing can be written into {tmp_path}/home: File exists",
    )
