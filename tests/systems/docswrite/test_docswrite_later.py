"""Exports for later: delayed by us or scheduled by the site, cancelled, and across restarts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from docswrite_house import Client, Google, RunningHouse, link, run_docswrite
from wordpress_site import WordPressSite

from jobwire.systems.docswrite.routes_exports import AHEAD_MS_MAX
from manual_clock import ManualClock

pytestmark = pytest.mark.slow


def ahead(seconds: float) -> str:
    return f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}"


def native(running: RunningHouse, client: Client, method: str, path: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {client.key}"}
    return httpx.request(method, f"{running.base}/v1{path}", headers=headers, timeout=60)


@pytest.mark.parametrize(
    ("in_table", "state"),
    [(False, "publish"), (True, "publish"), (False, None)],
    ids=["request", "table", "no state"],
)
def test_the_site_publishes_at_the_date_where_it_shall(
    client: Client, google: Google, site: WordPressSite, *, in_table: bool, state: str | None
) -> None:
    date = ahead(3 * 24 * 3_600)
    said = {"date": date, "schedule_mode": "wordpress"} | ({"state": state} if state else {})
    url = google.share(f"doc-site-later-{in_table}-{state}", settings=said if in_table else None)
    post = client.publish(url, **({} if in_table else said))["returnValue"]["data"]["id"]
    assert site.count("posts", f"ID = {post} AND post_status = 'future' AND post_date_gmt = '{date}'") == 1


def test_the_operator_chooses_what_a_date_means(tmp_path: Path, google: Google, site: WordPressSite) -> None:
    with run_docswrite(tmp_path, google, DOCSWRITE_SCHEDULE_MODE="wordpress") as house:
        ended = house.make_client("Scheduler", site).publish(
            google.share("doc-mode"), date=ahead(3 * 24 * 3_600), state="future"
        )
        assert site.count("posts", f"ID = {ended['returnValue']['data']['id']} AND post_status = 'future'") == 1


def test_a_date_in_the_documents_table_delays_too(client: Client, google: Google) -> None:
    job = client.export(google.share("doc-table-later", settings={"date": ahead(3 * 24 * 3_600)}))
    assert client.wait(job, "delayed")["failedReason"] is None


def test_a_delayed_export_is_cancelled_through_the_native_api(stopped: RunningHouse, waiting: Client) -> None:
    job = waiting.export(link("doc-cancelled"), date=ahead(3_600))
    [row] = native(stopped, waiting, "GET", "/jobs?kind=docswrite_export").json()["jobs"]
    assert native(stopped, waiting, "POST", f"/jobs/{row['id']}/cancel").status_code == 200
    ended = waiting.status(job)
    assert (ended["state"], ended["failedReason"], ended["returnValue"]) == ("failed", "Job was cancelled", {})


def test_a_delayed_export_survives_a_restart(tmp_path: Path, google: Google, site: WordPressSite) -> None:
    with run_docswrite(tmp_path, google, workers=0) as house:
        client = house.make_client("Restarted", site)
        job = client.export(google.share("doc-restart"), date=ahead(2))
        key = client.key
    with run_docswrite(tmp_path, google) as house:
        http = httpx.Client(base_url=f"{house.base}/api", headers={"x-access-token": key}, timeout=60)
        with http:
            ended = Client(http, key, "Restarted", house).wait(job)
    assert ended["state"] == "completed", ended
    # A date that was ahead asks for the post to be published then.
    assert site.count("posts", f"ID = {ended['returnValue']['data']['id']} AND post_status = 'publish'") == 1


def test_times_are_seconds_where_the_operator_says_so(tmp_path: Path, google: Google, site: WordPressSite) -> None:
    clock = ManualClock()
    with run_docswrite(tmp_path, google, workers=0, clock=clock, DOCSWRITE_EPOCH_UNIT="s") as house:
        client = house.make_client("Counts in seconds", site)
        assert client.status(client.export(link("doc-seconds")))["timestamp"] == clock() // 1_000
    with (
        pytest.raises(ValueError, match="DOCSWRITE_EPOCH_UNIT is 'minutes'; it is one of ms, s"),
        run_docswrite(tmp_path, google, workers=0, DOCSWRITE_EPOCH_UNIT="minutes"),
    ):
        pass


def test_a_date_beyond_the_horizon_waits_in_two_goes(tmp_path: Path, google: Google, site: WordPressSite) -> None:
    clock = ManualClock()
    with run_docswrite(tmp_path, google, workers=0, clock=clock) as house:
        client = house.make_client("Far", site)
        job = client.export(link("doc-far"), date="2035-01-01")
        assert client.status(job)["state"] == "delayed"
        [(run_at,)] = house.house.store.read(lambda reader: reader.query("SELECT run_at FROM due")).result(10)
        assert run_at == clock() + AHEAD_MS_MAX
        past = client.export(link("doc-past"), date="2001-01-01")
        assert client.status(past)["state"] == "waiting"
