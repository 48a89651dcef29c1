"""`jobwire members`: who may act through a workspace key."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from house_engines import address_in
from jobwire.cli.main import app
from jobwire.domain.errors import RequestError
from jobwire.systems.fifthelement.members import EMAIL_CHARS_MAX

runner = CliRunner()


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("JOBWIRE_FILES", str(tmp_path / "files"))
    address = address_in(tmp_path)
    assert runner.invoke(app, ["keys", "create", "--owner", "acme", "--db", address]).exit_code == 0
    yield address


def members(ledger: str, *words: str) -> str:
    ended = runner.invoke(app, ["members", *words, "--owner", "acme", "--db", ledger], catch_exceptions=False)
    return ended.output


def test_a_member_is_set_listed_and_removed(ledger: str) -> None:
    assert "jobs:read, jobs:write" in members(ledger, "set", "Ana@example.org")
    members(ledger, "set", "ana@example.org", "--may", "jobs:read")
    members(ledger, "set", "ion@example.org", "--may", "")
    assert members(ledger, "list").split("\n")[:2] == ["ana@example.org  jobs:read", "ion@example.org  nothing"]
    assert '"permissions"' in members(ledger, "list", "--json")
    members(ledger, "remove", "ANA@example.org")
    assert "ana" not in members(ledger, "list")
    with pytest.raises(RequestError, match="is no member"):
        members(ledger, "remove", "ana@example.org")


def test_what_is_no_address_or_permission_is_refused(ledger: str) -> None:
    ending = "@example.org"
    longest = "a" * (EMAIL_CHARS_MAX - len(ending)) + ending
    members(ledger, "set", longest)
    for email in ("ana", "a b@c", "a" + longest):
        with pytest.raises(RequestError, match="no e-mail address"):
            members(ledger, "set", email)
    with pytest.raises(RequestError, match="no permission"):
        members(ledger, "set", "ana@example.org", "--may", "jobs:delete")
