"""Every command of `jobwire`: what it prints, its exit code, and one line for what went wrong."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import apsw
import httpx
import psycopg
import pytest

from jobwire import __version__
from jobwire.blobs.local import LocalBlobs
from jobwire.cli import doctor
from jobwire.cli.main import app as program
from jobwire.cli.main import main
from jobwire.cli.target import opened
from jobwire.config import read_settings
from jobwire.store.files import find_systems

HERE = Path(__file__).parent
TIMEOUT_S = 20
JOBWIRE = str(Path(sys.executable).with_name("jobwire"))


class Ran:
    """What a command came to."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"exit code {self.code}\n{self.out}\n{self.err}"

    @property
    def lines(self):
        return self.out.splitlines()


@pytest.fixture
def jobwire(monkeypatch, capsys):
    """Run a command in this process."""
    monkeypatch.syspath_prepend(str(HERE))

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["jobwire", *words])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


def run_really(*words, **settings):
    """Run a command as a process of its own."""
    ended = subprocess.run(
        [JOBWIRE, *words],
        env={**os.environ, "PYTHONPATH": str(HERE), **settings}, capture_output=True, text=True, timeout=TIMEOUT_S,
        check=False,
    )  # fmt: skip
    return Ran(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture
def submitted(jobwire):
    """The id of a waiting job."""
    return jobwire("submit", "count_words", "--app", "app_tasks:app", "--input", '{"text": "a bc"}').out.strip()


def work_all():
    """A worker until nothing is left; in a process of its own, so that it may be killed."""
    return subprocess.Popen(
        [JOBWIRE, "worker", "app_tasks:app"], env={**os.environ, "PYTHONPATH": str(HERE)}, stderr=subprocess.DEVNULL
    )


def describe(text):
    """The JSON object at the head of what `show` prints."""
    return json.JSONDecoder().raw_decode(text)[0]


def is_one_line_of_error(ran, code, *parts):
    assert ran.code == code, ran
    assert ran.out == "", ran
    assert re.fullmatch(r"error: [^\n]+\n", ran.err), ran
    for part in parts:
        assert part in ran.err, ran
    return True


# help


def names_of_commands(typer_app, prefix=()):
    for command in typer_app.registered_commands:
        yield (*prefix, command.name or command.callback.__name__)
    for group in typer_app.registered_groups:
        yield (*prefix, group.name)
        yield from names_of_commands(group.typer_instance, (*prefix, group.name))


@pytest.mark.parametrize("words", [(), *names_of_commands(program)], ids=" ".join)
def test_every_command_explains_itself(jobwire, words):
    for flag in ("--help", "-h"):
        ran = jobwire(*words, flag)
        assert ran.code == 0, ran
        assert "Usage: jobwire" in ran.out
        assert len(ran.out.splitlines()) > 5


def test_no_command_at_all_shows_the_help():
    ran = run_really()
    assert "Usage: jobwire" in ran.out + ran.err


def test_the_program_starts_without_a_system():
    look = "import sys, jobwire.cli.main; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", look], text=True, timeout=TIMEOUT_S).split()
    assert "jobwire.cli.main" in loaded
    assert [name for name in loaded if name.startswith("jobwire.systems.")] == []


def test_the_version_is_told(jobwire):
    assert jobwire("--version").out == f"jobwire {__version__}\n"


def test_an_address_of_another_machine_is_told_apart_from_a_taken_port(jobwire):
    ran = jobwire("serve", "--systems", "none", "--host", "192.0.2.1", "--port", "0")
    assert is_one_line_of_error(ran, 2, "192.0.2.1:0", "--host")


def test_an_unknown_command_is_refused(jobwire):
    ran = jobwire("serv")
    assert ran.code == 2
    assert "serve" in ran.err


# keys and owners


def test_a_key_is_made_for_a_program(jobwire):
    ran = jobwire("keys", "create", "--owner", "acme", "--json")
    made = json.loads(ran.out)
    assert (ran.code, set(made), made["owner"]) == (0, {"owner", "id", "key"}, "acme")
    assert made["key"].startswith(f"jw_{made['id']}_")


def test_a_key_is_made_for_a_person(jobwire):
    ran = jobwire("keys", "create", "--owner", "acme")
    assert re.search(r"^\s+jw_\S+$", ran.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("scopes", "note"),
    [
        ("jobs:rad", "asks for the scope 'jobs:rad'; did you mean 'jobs:read'?"),
        ("jobs:read,metrics:read", ""),
        ("jobs:read,tier:premium", ""),
    ],
)
def test_a_scope_that_no_call_asks_for_is_noted(jobwire, scopes, note):
    ran = jobwire("keys", "create", "--owner", "acme", "--scopes", scopes, "--json")
    assert (ran.code, bool(ran.err)) == (0, bool(note)) and note in ran.err
    assert json.loads(ran.out)["key"]


@pytest.mark.slow
def test_keys_are_listed_without_secrets_and_revoked(jobwire):
    made = json.loads(jobwire("keys", "create", "--owner", "acme", "--json").out)
    assert made["key"] not in jobwire("keys", "list", "--owner", "acme").out
    assert json.loads(jobwire("keys", "list", "--owner", "acme", "--json").out)["state"] == "live"
    assert jobwire("keys", "revoke", made["id"]).code == 0
    assert json.loads(jobwire("keys", "list", "--owner", "acme", "--json").out)["state"] == "revoked"


@pytest.mark.slow
def test_a_key_is_rotated_and_both_are_listed(jobwire):
    old = json.loads(jobwire("keys", "create", "--owner", "acme", "--json").out)
    new = json.loads(jobwire("keys", "rotate", old["id"], "--overlap-hours", "1", "--jwt", "--json").out)
    assert new["id"] != old["id"] and new["key"].count(".") == 2
    assert jobwire("keys", "list", "--owner", "acme").out.count("live") == 2
    assert jobwire("keys", "rotate", new["id"], "--overlap-hours", "0").code == 0
    assert jobwire("keys", "list", "--owner", "acme").out.count("expired") == 1
    assert jobwire("keys", "rotate", new["id"]).code == 1


@pytest.mark.slow
def test_an_issuer_is_added_listed_and_removed_without_its_secret_being_shown(jobwire, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("a shared secret of more than 32 bytes\n")
    add = ("issuers", "add", "partner", "--audience", "jobs", "--algorithm", "HS256", "--key-file")
    assert jobwire(*add, str(secret)).code == 0
    listed = jobwire("issuers", "list", "--json").out
    assert json.loads(listed)["iss"] == "partner" and "shared secret" not in listed
    assert "partner  HS256" in jobwire("issuers", "list").out
    assert jobwire("issuers", "revoke-token", "partner", "one").code == 0
    assert jobwire("issuers", "remove", "partner").code == 0
    assert jobwire("issuers", "remove", "partner").code == 1
    assert jobwire(*add, str(tmp_path / "absent")).code == 2
    secret.write_text("short")
    assert jobwire(*add, str(secret)).code == 1


@pytest.mark.slow
def test_an_account_gets_limits_of_its_own(jobwire):
    jobwire("keys", "create", "--owner", "acme", "--json")
    assert jobwire("owners", "limit", "acme", "--read", "10/60", "--write", "none").code == 0
    assert jobwire("owners", "limit", "acme", "--reset").code == 0
    assert jobwire("owners", "limit", "acme", "--read", "ten").code == 2
    assert jobwire("owners", "limit", "nobody", "--read", "1/1").code == 1


@pytest.mark.parametrize(
    "words",
    [
        ("keys", "revoke", "nothing"),
        ("keys", "create", "--owner", ""),
        ("keys", "create", "--owner", "acme", "--expires-days", "0"),
        ("keys", "create", "--owner", "acme", "--scopes", "no such!"),
        ("keys", "list", "--owner", "nobody"),
        ("owners", "suspend", "nobody"),
        ("owners", "disable", "nobody", "rentix"),
    ],
    ids=" ".join,
)
def test_a_wrong_account_or_key_is_one_line(jobwire, words):
    jobwire("keys", "create", "--owner", "other")
    assert is_one_line_of_error(jobwire(*words), 1)


@pytest.mark.slow
def test_owners_are_suspended_and_lose_systems_and_get_them_back(jobwire):
    jobwire("keys", "create", "--owner", "acme", "--json")
    for words, name, value in (
        (("suspend", "acme"), "is_suspended", 1),
        (("activate", "acme"), "is_suspended", 0),
        (("disable", "acme", "rentix"), "disabled_systems", ["rentix"]),
        (("enable", "acme", "rentix"), "disabled_systems", []),
    ):
        assert jobwire("owners", *words).code == 0
        listed = json.loads(jobwire("owners", "list", "--json").out)
        assert listed[name] == value, words
    assert "acme" in jobwire("owners", "list").out


# jobs


@pytest.mark.parametrize(
    "words",
    [
        ("jobs",),
        ("show", "1"),
        ("owners", "list"),
        ("keys", "list", "--owner", "acme"),
        ("webhooks", "list", "--owner", "acme"),
        ("submit", "count_words"),
    ],
    ids=" ".join,
)
def test_a_command_that_looks_makes_no_ledger(jobwire, sqlite_file, tmp_path, words):
    there = set(tmp_path.iterdir())
    ran = jobwire(*words, "--db", str(tmp_path / "slip.db"))
    assert is_one_line_of_error(ran, 2, "there is no ledger at", "slip.db", "--db")
    assert set(tmp_path.iterdir()) == there


def test_a_command_without_an_app_brings_no_tables_of_systems(jobwire, submitted, ledger):
    jobwire("submit", "count_words")
    jobwire("rerun", submitted)
    with opened(read_settings(db=ledger, systems="none")) as house:
        assert house.store.read(find_systems).result() == set()


def test_a_job_is_submitted_shown_listed_cancelled_and_run_again(jobwire, submitted):
    assert re.fullmatch(r"job_[0-9a-v]{26}", submitted)
    shown = describe(jobwire("show", submitted).out)
    assert (shown["phase"], shown["input"], shown["kind"]) == ("waiting", {"text": "a bc"}, "count_words")
    assert describe(jobwire("show", str(shown["number"])).out)["id"] == submitted
    assert submitted in jobwire("jobs").out
    listed = [json.loads(line) for line in jobwire("jobs", "--json").lines]
    assert [(job["id"], job["owner"]) for job in listed] == [(submitted, "default")]
    assert jobwire("cancel", submitted).out == f"{submitted} is cancelled\n"
    assert is_one_line_of_error(jobwire("cancel", submitted), 1, "can no longer be cancelled")
    again = jobwire("rerun", submitted, "--app", "app_tasks:app").out.strip()
    assert again != submitted
    assert [json.loads(line)["phase"] for line in jobwire("jobs", "--json").lines] == ["waiting", "cancelled"]
    assert is_one_line_of_error(jobwire("rerun", again, "--app", "app_tasks:app"), 1, "waiting")


def test_jobs_are_filtered(jobwire, submitted):
    jobwire("submit", "fails", "--app", "app_tasks:app", "--owner", "acme")
    jobwire("cancel", submitted)

    def kinds(*words):
        return [json.loads(line)["kind"] for line in jobwire("jobs", "--json", *words).lines]

    assert kinds() == ["fails", "count_words"]
    assert kinds("--owner", "acme") == ["fails"]
    assert kinds("--kind", "count_words") == ["count_words"]
    assert kinds("--phase", "cancelled") == ["count_words"]
    assert kinds("--limit", "1") == ["fails"]
    assert is_one_line_of_error(jobwire("jobs", "--phase", "canceled"), 1, "'canceled'", "cancelled")
    assert is_one_line_of_error(jobwire("jobs", "--owner", "nobody"), 1, "'nobody'")


def test_a_submission_may_be_json_or_a_file(jobwire, tmp_path):
    (tmp_path / "input.json").write_text('{"text": "from a file"}')
    ran = jobwire("submit", "count_words", "--app", "app_tasks:app", "--input", f"@{tmp_path}/input.json", "--json")
    job_id = json.loads(ran.out)["id"]
    assert describe(jobwire("show", job_id).out)["input"] == {"text": "from a file"}


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("count_word",), ("'count_word'", "did you mean 'count_words'")),
        (("[red]",), ("'[red]'", "known here: count_words, ")),
        (("[/nothing]",), ("'[/nothing]'",)),
        (("count_words", "--input", "{"), ("--input is not JSON",)),
        (("count_words", "--input", '{"text": 3}'), ("/text", "str")),
        (("count_words", "--input", "{}"), ("/text", "missing")),
        (("count_words", "--input", "@/nowhere/at/all.json"), ("/nowhere/at/all.json", "No such file")),
        (("count_words", "--input", '"\\ud800"'), ("--input is not JSON",)),
        (("count_words", "--input", '{"text": "x"}', "--owner", ""), ("owner",)),
    ],
)
def test_a_wrong_submission_is_one_line(jobwire, words, parts):
    assert is_one_line_of_error(jobwire("submit", "--app", "app_tasks:app", *words), 1, *parts)


def test_a_kind_of_one_s_own_is_asked_for_where_no_app_is_named(jobwire, submitted):
    assert is_one_line_of_error(jobwire("submit", "count_words"), 1, "'count_words'", "--app module:name")
    jobwire("cancel", submitted)
    assert is_one_line_of_error(jobwire("rerun", submitted), 1, "'count_words'", "--app module:name")


@pytest.mark.parametrize("command", ["show", "watch", "cancel", "rerun"])
@pytest.mark.parametrize("job_id", ["job_00000000000000000000000000", "7", "99999999999999999999", "nonsense", "²"])
def test_a_job_that_is_not_there_is_one_line(jobwire, submitted, command, job_id):
    assert is_one_line_of_error(jobwire(command, job_id), 1, repr(job_id), "--db")


def test_watching_a_job_that_ended_tells_how_by_the_exit_code(jobwire, submitted):
    jobwire("cancel", submitted)
    ran = jobwire("watch", submitted)
    assert (ran.code, describe(ran.out)["phase"]) == (1, "cancelled")
    assert "cancelled" in ran.err


@pytest.mark.slow
def test_a_job_is_submitted_and_watched_to_its_end(jobwire):
    process = work_all()
    try:
        words = ("submit", "--app", "app_tasks:app", "--wait")
        done = jobwire(*words, "count_words", "--input", '{"text": "to be"}')
        assert done.code == 0, done
        job_id, _, rest = done.out.partition("\n")
        assert (describe(rest)["id"], describe(rest)["result"]) == (job_id, {"words": 2, "longest": "to"})
        (listed,) = (line for line in jobwire("jobs").lines if job_id in line)
        assert listed.split()[-1] == "100"
        empty = jobwire(*words, "count_words", "--input", '{"text": ""}').out.partition("\n")[2]
        assert describe(empty)["error"]["details"] == {"longer_than": 0}
        failed = jobwire(*words, "fails")
        assert failed.code == 1, failed
        assert "hunter2" not in failed.out
        number = failed.out.partition("\n")[0]
        shown = jobwire("show", number).out
        assert "hunter2" in shown and "Traceback" in shown and "failed" in shown
        running = jobwire("submit", "--app", "app_tasks:app", "waits").out.strip()
        while describe(jobwire("show", running).out)["phase"] != "running":
            pass
        assert jobwire("cancel", running).out == f"{running} is cancelling\n"
        assert jobwire("watch", running).code == 1
    finally:
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0


# settings


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("JOBWIRE_PORT", "65536", "65535"),
        ("JOBWIRE_PORT", "http", "'http'"),
        ("JOBWIRE_WORKERS", "-1", "10000"),
        ("JOBWIRE_WORKERS", "10001", "10000"),
        ("JOBWIRE_LEASE_MS", "199", "200"),
        ("JOBWIRE_LEASE_MS", "3600001", "3600000"),
        ("JOBWIRE_DRAIN_S", "3601", "3600"),
        ("JOBWIRE_RETENTION_DAYS", "0", "3650"),
        ("JOBWIRE_LOG", "loud", "warning"),
        ("JOBWIRE_DB", "postgresql:x", "host:port/database"),
        ("JOBWIRE_DB", "sqlite:", "name a file"),
        ("JOBWIRE_SYSTEMS", "rentxi", "rentix"),
        ("JOBWIRE_DIALECTS", "azur", "azure, google"),
    ],
)
def test_a_wrong_setting_is_one_line(jobwire, monkeypatch, name, value, part):
    monkeypatch.setenv(name, value)
    assert is_one_line_of_error(jobwire("serve"), 2, part, "" if name == "JOBWIRE_SYSTEMS" else name)


@pytest.mark.parametrize("command", [("jobs",), ("keys", "create", "--owner", "a"), ("serve", "--port", "0")])
def test_a_file_that_cannot_be_opened_is_one_line(jobwire, sqlite_file, tmp_path, command):
    assert is_one_line_of_error(jobwire(*command, "--db", str(tmp_path / "no" / "folder" / "x.db")), 2, "x.db")
    (tmp_path / "text.db").write_text("This is no database, and long enough to be seen as one. " * 20)
    assert is_one_line_of_error(jobwire(*command, "--db", str(tmp_path / "text.db")), 2, "text.db")


@pytest.mark.parametrize("command", [("jobs",), ("keys", "create", "--owner", "a"), ("serve", "--port", "0")])
@pytest.mark.parametrize("database", ["127.0.0.1:1/x", "no-such-host.invalid/x"])
def test_a_server_that_does_not_answer_is_one_line_without_the_password(jobwire, house_engine, command, database):
    ran = jobwire(*command, "--db", f"postgresql://me:hunter2@{database}")
    assert is_one_line_of_error(ran, 2, database.removesuffix("/x").partition(":")[0])
    assert "hunter2" not in ran.err


def test_a_ledger_of_a_newer_program_is_one_line(jobwire, submitted, house_engine, ledger):
    if house_engine == "sqlite":
        with contextlib.closing(apsw.Connection(ledger)) as connection:
            connection.execute("PRAGMA user_version = 9999")
    else:
        with psycopg.connect(ledger) as connection:
            connection.execute("UPDATE ledger_version SET version = 9999")
    assert is_one_line_of_error(jobwire("jobs"), 2, "9999", "upgrade")


@pytest.mark.parametrize(
    ("target", "part"),
    [
        ("nowhere:app", "no module 'nowhere'"),
        ("app_tasks:other", "no Jobwire app named 'other'"),
        ("app_tasks:not_an_app", "no Jobwire app named 'not_an_app'"),
    ],
)
def test_an_app_that_is_not_there_is_one_line(jobwire, target, part):
    assert is_one_line_of_error(jobwire("serve", target), 2, part)


def test_an_app_may_be_a_file(jobwire, tmp_path):
    (tmp_path / "own_tasks.py").write_text(
        "from jobwire import Jobwire\napp = Jobwire()\n@app.job()\ndef own(a: int) -> int: return a\n"
    )
    ran = jobwire("submit", "own", "--app", f"{tmp_path}/own_tasks.py", "--input", '{"a": 1}')
    assert ran.code == 0, ran


def test_a_flag_wins_over_settings_in_code(jobwire, tmp_path, sqlite_file):
    (tmp_path / "set_tasks.py").write_text(
        "from jobwire import Jobwire\nfrom jobwire.config import read_settings\n"
        f"app = Jobwire(settings=read_settings({{}}, db={str(tmp_path / 'code.db')!r}, systems='none'))\n"
        "@app.job()\ndef own(a: int) -> int: return a\n"
    )
    submit = ("submit", "own", "--app", f"{tmp_path}/set_tasks.py", "--input", '{"a": 1}')
    flag = tmp_path / "flag.db"
    assert jobwire(*submit, "--db", str(flag)).code == 0
    assert flag.exists() and not (tmp_path / "code.db").exists()
    assert jobwire(*submit).code == 0
    assert (tmp_path / "code.db").exists()


def test_a_worker_without_slots_is_refused(jobwire):
    assert is_one_line_of_error(jobwire("worker", "app_tasks:app", "--workers", "0"), 2, "--workers 1")


# doctor


def test_the_doctor_looks_at_a_new_machine(jobwire):
    ran = jobwire("doctor")
    assert ran.code in (0, 1)
    assert "there is no ledger" in ran.out and "fsync" in ran.out and "SQLite" in ran.out


def test_the_doctor_looks_at_a_file(jobwire, submitted, sqlite_file):
    ran = jobwire("doctor")
    assert "quick_check ok" in ran.out and "1 queued" in ran.out and "no API key yet" in ran.out
    assert "problem" not in ran.out or "GB free" in ran.out


def test_the_doctor_counts_kept_files(jobwire, submitted, sqlite_file):
    LocalBlobs(read_settings().files).put_bytes(b"x" * 2_000_000)
    assert "kept files: 1, 2.0 MB" in jobwire("doctor").out


def test_the_doctor_finds_jobs_that_nobody_rescues(jobwire, submitted, sqlite_file):
    connection = apsw.Connection(str(sqlite_file))
    connection.execute("INSERT INTO lease VALUES (1, 1, 'gone')")
    connection.close()
    ran = jobwire("doctor")
    assert (ran.code, "1 jobs wait for a rescue" in ran.out) == (1, True)


@pytest.mark.parametrize("content", ["This is no database, and long enough to be seen as one. " * 20, ""])
def test_the_doctor_says_what_is_no_ledger(jobwire, sqlite_file, content):
    sqlite_file.write_text(content)
    ran = jobwire("doctor")
    assert ran.code == 1
    assert "problem" in ran.out and "Traceback" not in ran.err
    assert "no ledger of Jobwire" in ran.out


@pytest.mark.parametrize(("short", "level"), [(0, "ok"), (1, "problem")])
def test_the_doctor_wants_room_on_the_disk(monkeypatch, tmp_path, short, level):
    free = doctor.DISK_FREE_BYTES_MIN - short
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    ledger, *_ = doctor.examine_folder(tmp_path, "ledger")
    assert (ledger.level, "make room" in str(ledger)) == (level, level == "problem")


def test_the_doctor_asks_for_the_folder_of_the_ledger(jobwire, tmp_path):
    ran = jobwire("doctor", "--db", str(tmp_path / "no" / "x.db"))
    assert (ran.code, f"folder {tmp_path / 'no'} is not there; make it" in ran.out) == (1, True)


def test_the_doctor_warns_of_a_ledger_in_memory(jobwire):
    ran = jobwire("doctor", "--db", ":memory:")
    assert (ran.code, "nothing survives" in ran.out) == (1, True)


# serve, as a process


@pytest.mark.slow
def test_an_app_is_served_and_answers_a_client(jobwire, ledger, monkeypatch):
    monkeypatch.setenv("JOBWIRE_DB", ledger.replace("postgres@", "postgres:hunter2@"))
    key = json.loads(jobwire("keys", "create", "--owner", "acme", "--json").out)["key"]
    process = subprocess.Popen(
        [JOBWIRE, "serve", "app_tasks:app", "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(HERE)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        said = ""
        while not (found := re.search(r"listens on (http://\S+)", said)):
            line = process.stderr.readline()
            assert line, said
            said += line
        with httpx.Client(base_url=found[1], headers={"Authorization": f"Bearer {key}"}, timeout=10) as client:
            kind = {"kind": "count_words", "input": {"text": "to be or not to be", "longer_than": 1}}
            answer = client.post("/v1/jobs", json=kind)
            assert answer.status_code == 202
            # A job that has ended before its submission is answered needs no poll.
            assert answer.json()["phase"] == "completed" or answer.headers["retry-after"].isdecimal()
            while (job := client.get(answer.headers["location"]).json())["phase"] not in ("completed", "failed"):
                pass
            assert job["result"] == {"words": 6, "longest": "not"}
            refused = client.post("/v1/jobs", json={"kind": "count_word", "input": {}})
            assert refused.status_code == 400
            assert "did you mean" in refused.json()["detail"]
            assert client.get("/healthz").json() == {"status": "ok"}
    finally:
        process.terminate()
        _, rest = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    assert "Traceback" not in rest
    assert "hunter2" not in said + rest


@pytest.mark.slow
def test_a_taken_port_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = run_really("serve", "app_tasks:app", "--port", str(port))
    assert is_one_line_of_error(ran, 2, f"127.0.0.1:{port}", "another --port")
