"""Which wire languages an app serves: the native one always, others when a setting or the app names them."""

import asyncio
from dataclasses import replace

import httpx
import pytest

from jobwire import Jobwire
from jobwire.config import SettingError
from jobwire.wiring import find_dialects
from market_tables import OPENAI


def statuses_of(app, *paths):
    async def ask():
        transport = httpx.ASGITransport(app.asgi())
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return [(await client.get(path)).status_code for path in paths]

    try:
        return asyncio.run(ask())
    finally:
        app.close()


PATHS = ("/v1/jobs", "/azure/operations", "/google/v1/locations/global/operations", "/openai/v1/batches")


@pytest.mark.parametrize(
    ("named", "statuses"),
    [("", [401, 404, 404, 404]), ("azure", [401, 401, 404, 404]), (" google, azure,", [401, 401, 401, 404])],
)
def test_a_dialect_is_served_when_the_setting_names_it(tmp_path, monkeypatch, named, statuses):
    monkeypatch.setenv("JOBWIRE_DIALECTS", named)
    assert statuses_of(Jobwire(db=str(tmp_path / "jobs.db")), *PATHS) == statuses


def test_an_app_brings_dialects_of_its_own(tmp_path, monkeypatch):
    monkeypatch.delenv("JOBWIRE_DIALECTS", raising=False)
    app = Jobwire(db=str(tmp_path / "jobs.db"), dialects=[OPENAI])
    assert statuses_of(app, *PATHS) == [401, 404, 404, 401]


def test_a_table_that_contradicts_itself_is_told_when_the_app_is_made(tmp_path):
    app = Jobwire(db=str(tmp_path / "jobs.db"), dialects=[replace(OPENAI, phases={})])
    with pytest.raises(ValueError, match="dialect openai: phases has no word for scheduled"):
        statuses_of(app, "/v1/jobs")


def test_a_dialect_that_there_is_not_is_named_with_those_there_are():
    assert [dialect.name for dialect in find_dialects("azure,google,azure")] == ["azure", "google"]
    assert find_dialects("none") == []
    with pytest.raises(SettingError, match="unknown dialect 'azur'; there are azure, google, or none"):
        find_dialects("azur")
