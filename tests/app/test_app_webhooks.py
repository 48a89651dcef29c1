"""`jobwire webhooks` on a ledger, and a submission from Python that names a URL."""

import json

import pytest
from typer.testing import CliRunner

from jobwire import Jobwire
from jobwire.cli.main import app as program
from jobwire.domain.errors import RequestError
from jobwire.domain.webhooks import SENDER_KIND

URL = "https://hooks.example.org/jobs"


def ask(*words: str) -> str:
    ran = CliRunner().invoke(program, ["webhooks", *words], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.output


@pytest.fixture
def owner() -> str:
    CliRunner().invoke(program, ["keys", "create", "--owner", "acme"], catch_exceptions=False)
    return "acme"


def test_a_webhook_is_added_listed_tested_and_looked_at(owner: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads(ask("add", URL, "--owner", owner, "--events", "job.failed, job.completed", "--json"))
    assert made["secret"].startswith("whsec_") and made["events"] == ["job.failed", "job.completed"]
    listed = json.loads(ask("list", "--owner", owner, "--json"))
    assert (listed["id"], listed["url"], listed["status"]) == (made["id"], URL, "active") and "secret" not in listed
    ask("test", made["id"], "--owner", owner)
    row = json.loads(ask("deliveries", made["id"], "--owner", owner, "--state", "pending", "--json"))
    assert (row["type"], row["state"], row["attempts"]) == ("webhook.test", "pending", 0)
    listed = CliRunner().invoke(program, ["jobs"], catch_exceptions=False).output
    internal = CliRunner().invoke(program, ["jobs", "--internal"], catch_exceptions=False).output
    assert SENDER_KIND in internal and SENDER_KIND not in listed
    for words in (("list",), ("deliveries", made["id"]), ("add", URL)):
        ask(*words, "--owner", owner)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("list", "--owner", "nobody"), "there is no owner 'nobody'"),
        (("test", "whe_1", "--owner", "acme"), "no such webhook"),
        (("add", "http://10.0.0.1/", "--owner", "acme"), "not allowed"),
        (("add", URL, "--owner", "acme", "--scheme", "v2"), "it is v1 or v1a"),
        (("deliveries", "whe_1", "--owner", "acme", "--state", "lost"), "it is one of pending"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(owner: str, words: tuple[str, ...], message: str) -> None:
    ran = CliRunner().invoke(program, ["webhooks", *words])
    assert isinstance(ran.exception, RequestError) and message in ran.exception.message


def test_a_submission_from_python_names_its_url(ledger: str) -> None:
    app = Jobwire(db=ledger)

    @app.job("greet")
    def greet(name: str) -> str:
        return name

    try:
        app.submit_sync("greet", input={"name": "Ada"}, webhook={"url": URL, "events": ["*"]})
        app.submit_many_sync("greet", [{"name": "Eve"}], webhook=URL)
        rows = app.open().store.read(lambda r: r.query("SELECT events FROM job_webhook ORDER BY number")).result(10)
        assert rows == [('["*"]',), (None,)]
        assert app.open().store.read(lambda r: r.query("SELECT count(*) FROM webhook_endpoint")).result(10) == [(1,)]
        with pytest.raises(RequestError, match="unknown field"):
            app.submit_sync("greet", input={"name": "Ada"}, webhook={"uri": URL})
    finally:
        app.close()
