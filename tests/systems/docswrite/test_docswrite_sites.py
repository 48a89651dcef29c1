"""Connecting sites: checked first, stored sealed, several of an owner, and the key that seals them replaced."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from docswrite_house import SITES_KEY, Client, Google, RunningHouse, link, run_docswrite
from wordpress_site import WordPressSite

from house_engines import address_in
from jobwire.domain.errors import JobError, RequestError
from jobwire.systems.docswrite.sealing import KEY_CHARS_MIN, Sealer
from jobwire.systems.docswrite.sites import WORD_CHARS_MAX, choose_site

pytestmark = pytest.mark.slow


def connect(client: Client, site: WordPressSite, user: str = "editor", **fields: object) -> object:
    body = {"url": site.url, "username": user, "application_password": site.passwords[user], **fields}
    return client.post("/sites", body)


def owner_of(client: Client) -> int:
    [(owner,)] = client.running.house.store.read(
        lambda reader: reader.query("SELECT id FROM owner WHERE name = :name", name=client.owner)
    ).result(10)
    return int(owner)


def test_a_site_is_connected_listed_and_disconnected(
    stopped: RunningHouse, site: WordPressSite, owner_names: Callable[[], str]
) -> None:
    client = stopped.make_client("Connects")
    answer = connect(client, site, name="N" * WORD_CHARS_MAX)
    assert answer.status_code == 200, answer.text  # type: ignore[attr-defined]
    made = answer.json()["data"]  # type: ignore[attr-defined]
    assert (made["name"], made["username"], made["default"]) == ("N" * WORD_CHARS_MAX, "editor", True)
    again = connect(client, site, user="writer").json()["data"]  # type: ignore[attr-defined]
    assert again["id"] == made["id"] and again["username"] == "writer" and again["default"] is True
    listed = client.http.get("/sites")
    assert listed.json()["data"] == [again] and site.passwords["writer"] not in listed.text
    assert client.http.delete(f"/sites/{made['id']}").status_code == 200
    assert client.http.delete(f"/sites/{made['id']}").status_code == 404
    assert client.http.get("/sites").json()["data"] == []


def test_one_of_several_sites_is_the_default_and_the_oldest_takes_its_place(
    stopped: RunningHouse, site: WordPressSite
) -> None:
    client = stopped.make_client("Has several", site)
    owner, [first] = owner_of(client), client.http.get("/sites").json()["data"]

    def chosen(word: str | None = None) -> str:
        return str(stopped.house.store.read(lambda reader: choose_site(reader, owner, word)).result(10).id)

    with site.plain_links():  # another address of its API: another site to us
        second = connect(client, site, user="writer", name="Second").json()["data"]  # type: ignore[attr-defined]
        assert (second["default"], second["id"] != first["id"]) == (False, True)
        assert (chosen(), chosen("Second"), chosen(second["id"])) == (first["id"], second["id"], second["id"])
        assert connect(client, site, name="Second", default=True).json()["data"]["id"] == second["id"]  # type: ignore[attr-defined]
    assert [one["default"] for one in client.http.get("/sites").json()["data"]] == [False, True]
    assert chosen() == second["id"]
    assert client.http.delete(f"/sites/{second['id']}").status_code == 200
    assert chosen() == first["id"]
    assert client.http.get("/sites").json()["data"] == [first]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"application_password": "wrong"}, 422, "application password"),
        ({"username": "reader"}, 422, "role Author or Editor"),
        ({"url": "http://127.0.0.1:9/"}, 503, "127.0.0.1"),
        ({"url": "http://169.254.169.254/"}, 422, "not allowed"),
        ({"url": 7}, 400, "/url"),
        ({"name": "a\x00b"}, 400, "the name"),
        ({"username": "x" * (WORD_CHARS_MAX + 1)}, 400, "the user"),
        ({"username": None}, 400, "/username"),
    ],
)
def test_a_site_that_does_not_take_us_is_not_stored(
    stopped: RunningHouse, site: WordPressSite, body: dict[str, object], status: int, told: str
) -> None:
    client = stopped.make_client(f"Refused {told} {status}")
    user = "reader" if body.get("username") == "reader" else "editor"
    answer = connect(client, site, user, **body)
    assert answer.status_code == status, answer.text  # type: ignore[attr-defined]
    assert told in answer.json()["details"]  # type: ignore[attr-defined]
    assert client.http.get("/sites").json()["data"] == []


def test_an_export_names_its_site_and_another_owners_is_denied(stopped: RunningHouse, waiting: Client) -> None:
    site = waiting.http.get("/sites").json()["data"][0]
    for word in (site["id"], site["name"]):
        assert waiting.post("/export", {"google_docs_url": link("doc-site"), "site": word}).status_code == 200
    for word in ("none", "site-\x0023456789ab"):
        assert waiting.post("/export", {"google_docs_url": link("doc-site"), "site": word}).status_code == 400
    assert waiting.post("/export", {"document_id": "doc-\x0023456789ab"}).status_code == 400
    for path in ("/sites/site-%0023456789ab", "/documents/%00"):
        assert waiting.http.delete(path).status_code == 404
    stranger = stopped.make_client(f"Stranger to {waiting.owner}")
    answer = stranger.post("/export", {"google_docs_url": link("doc-site"), "site": site["id"]})
    assert (answer.status_code, answer.json()["message"]) == (403, "Access denied")
    assert stranger.http.delete(f"/sites/{site['id']}").status_code == 404


def test_without_a_key_nothing_is_stored(tmp_path: Path, google: Google, site: WordPressSite) -> None:
    with run_docswrite(tmp_path, google, workers=0, DOCSWRITE_SITES_KEY="") as house:
        client = house.make_client("Keyless")
        answer = connect(client, site)
        assert answer.status_code == 503  # type: ignore[attr-defined]
        assert "DOCSWRITE_SITES_KEY" in answer.json()["details"]  # type: ignore[attr-defined]
        assert client.http.get("/sites").json()["data"] == []


def test_the_password_is_stored_sealed_and_its_key_can_be_replaced(
    tmp_path: Path, google: Google, site: WordPressSite
) -> None:
    new = "n" * KEY_CHARS_MIN
    with run_docswrite(tmp_path, google, workers=0) as house:
        client = house.make_client("Rotates", site)
        owner, [row] = owner_of(client), client.http.get("/sites").json()["data"]
        stored = house.house.store.read(lambda reader: reader.query("SELECT * FROM docswrite_site")).result(10)
        assert site.passwords["editor"] not in str(stored)
    with run_docswrite(tmp_path, google, workers=0, DOCSWRITE_SITES_KEY=f"{new},{SITES_KEY}") as house:
        assert asyncio.run(house.sites.reseal()) == 1
        assert asyncio.run(house.sites.reseal()) == 0
    with run_docswrite(tmp_path, google, workers=0, DOCSWRITE_SITES_KEY=new) as house:
        assert asyncio.run(house.sites.open_login(owner, row["id"]))[1].password == site.passwords["editor"]
    with run_docswrite(tmp_path, google, workers=0) as house:
        with pytest.raises(JobError, match="connect the site again"):
            asyncio.run(house.sites.open_login(owner, row["id"]))
        with pytest.raises(RequestError, match="add its old key"):
            asyncio.run(house.sites.reseal())


def test_what_is_sealed_opens_for_its_holder_only() -> None:
    sealer = Sealer(["a" * KEY_CHARS_MIN, "b" * KEY_CHARS_MIN])
    sealed = sealer.seal("secret", holder="one")
    assert sealer.open(sealed, holder="one") == "secret" and "secret" not in sealed
    assert sealer.seal("secret", holder="one") != sealed
    for holder, text in (("two", sealed), ("one", sealed[:-4] + "AAA=")):
        with pytest.raises(ValueError, match="changed"):
            sealer.open(text, holder=holder)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match=f"at least {KEY_CHARS_MIN}"):
        Sealer(["k" * (KEY_CHARS_MIN - 1)])


def test_sites_are_kept_from_the_command_line(tmp_path: Path, site: WordPressSite) -> None:
    settings = {
        "JOBWIRE_DB": address_in(tmp_path),
        "JOBWIRE_FETCH_ALLOW": "127.0.0.0/8",
        "DOCSWRITE_SITES_KEY": SITES_KEY,
        "DOCSWRITE_SITE_PASSWORD": site.passwords["writer"],
    }

    def run(*words: str, status: int = 0, **more: str) -> str:
        command = [sys.executable, "-m", "jobwire", *words]
        environment = {**os.environ, **settings, **more}
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, env=environment, check=False)
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    sites = ("docswrite", "sites")
    run("keys", "create", "--owner", "acme", "--jwt")
    added = run(*sites, "add", "--owner", "acme", "--url", site.url, "--user", "writer")
    assert "Field notes" in added and site.passwords["writer"] not in added
    listed = json.loads(run(*sites, "list", "--owner", "acme", "--json"))
    assert (listed["login"], listed["is_default"]) == ("writer", True) and "secret" not in listed
    assert "0 passwords" in run(*sites, "reseal")
    assert "1 passwords" in run(*sites, "reseal", DOCSWRITE_SITES_KEY=f"{'n' * 40},{SITES_KEY}")
    told = run(
        *sites, "add", "--owner", "acme", "--url", site.url, "--user", "writer", status=1, DOCSWRITE_SITES_KEY=""
    )
    assert "DOCSWRITE_SITES_KEY" in told
    assert "there is no owner" in run(*sites, "list", "--owner", "nobody", status=1)
    run(*sites, "remove", listed["id"], "--owner", "acme")
    assert run(*sites, "list", "--owner", "acme") == ""
