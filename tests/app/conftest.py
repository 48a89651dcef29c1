"""A ledger in a folder of its own for every test, named in the environment as a user would."""

import os

import pytest


@pytest.fixture(autouse=True)
def ledger(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("JOBWIRE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("JOBWIRE_DB", str(tmp_path / "jobs.db"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "jobs.db"
