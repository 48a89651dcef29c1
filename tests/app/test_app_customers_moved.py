"""What customers and operators have set up goes with `jobwire move`, from either engine to the other."""

import asyncio
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import jwt
import pytest
from app_tasks import app as tasks

from jobwire.cli.main import main
from jobwire.config import is_postgres, read_settings
from jobwire.domain.errors import RequestError
from jobwire.domain.job import JobFilter
from jobwire.net.webhook_signing import SecretName
from jobwire.service.issuers import NewIssuer
from jobwire.service.limits import Limit
from jobwire.store import rates
from jobwire.store.contract import NO_LAST
from jobwire.store.webhook_hearing import hear_events, record_heard
from jobwire.store.webhooks import CURSOR
from jobwire.wiring import House, open_house
from postgres_server import is_left_out, new_ledger

ISS, SHARED, SCOPES = "https://login.example", "a shared secret of more than 32 bytes", ("jobs:read", "jobs:write")
URL, AD_HOC = "https://hooks.example/in", "https://hooks.example/one"


@pytest.fixture
def target(ledger: str, tmp_path: Path) -> str:
    """An empty place on the other engine."""
    return str(tmp_path / "moved.db") if is_postgres(ledger) or is_left_out() else new_ledger()


def open_tasks(address: str) -> House:
    return open_house(read_settings(db=address, systems="none"), tasks.kinds)


def sign(jti: str) -> str:
    now = int(time.time())
    claims = {"iss": ISS, "aud": "jobs", "sub": "acme", "jti": jti, "iat": now, "exp": now + 3_600}
    return jwt.encode(claims, SHARED, "HS256")


TOKENS = {jti: sign(jti) for jti in ("kept", "stolen")}


async def submit(house: House, owner: int, **options: Any) -> None:
    await house.services.jobs.submit(owner, "count_words", {"text": "to be"}, **options)


async def hear(house: House) -> None:
    """Make deliveries of what has happened, as a sender does."""
    await house.store.events(NO_LAST, limit=1)
    heard = await house.store.read(lambda reader: hear_events(reader, 0))
    assert heard is not None and await house.store.write(lambda tx: record_heard(tx, heard))


async def set_up(house: House) -> tuple[int, str]:
    """An owner with everything that it can have; returns its id and its webhook's."""
    services = house.services
    owner = (await services.owners.create_owner("acme")).id
    await services.owners.issuers.add(NewIssuer(ISS, "jobs", "HS256", SCOPES, key=SHARED))
    await services.owners.issuers.revoke_token(ISS, "stolen")
    await services.owners.set_limit("acme", "read", Limit("read", 7, 60))
    shown, _ = await services.webhooks.create(owner, URL, events=["*"], kinds=["count_words"])
    await services.webhooks.rotate(owner, shown.endpoint.id, overlap_s=3_600)
    await services.webhooks.rotate(owner)
    await submit(house, owner, webhook={"url": AD_HOC, "events": ["*"]})
    await hear(house)
    await services.webhooks.send_test(owner, shown.endpoint.id)
    # What has happened and was not heard when the ledger moved.
    await submit(house, owner)
    return owner, shown.endpoint.id


async def is_taken(house: House, token: str) -> bool:
    try:
        await house.services.owners.authenticate(token)
    except RequestError as error:
        assert error.code == "unauthorized"
        return False
    return True


async def look(house: House, owner: int) -> dict[str, Any]:
    """All of it, as it is shown and used."""
    services, store = house.services, house.store
    endpoints = await services.webhooks.find(owner, limit=10)
    shown = [await services.webhooks.read(owner, one.endpoint.id) for one in endpoints]
    keyring = services.webhooks.keyring
    cursor = await store.read(lambda reader: reader.query("SELECT value FROM ledger WHERE name = :n", n=CURSOR))
    return {
        "issuers": await services.owners.issuers.list_all(),
        "tokens": {jti: await is_taken(house, token) for jti, token in TOKENS.items()},
        "plan": (await services.owners.authenticate(TOKENS["kept"])).plan,
        "limits": await store.read(lambda reader: rates.list_owner_limits(reader, owner)),
        "endpoints": [one.endpoint for one in shown],
        "secrets": [(row, keyring.show_secret(SecretName(*row[:3]), "v1")) for one in shown for row in one.secrets],
        "deliveries": {
            one.endpoint.id: await services.webhooks.deliveries(
                owner, one.endpoint.id, before=None, state=None, limit=50
            )
            for one in shown
        },
        "cursor": cursor,
    }


def test_a_moved_ledger_has_all_that_its_customers_set_up(
    ledger: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(open_tasks(ledger)) as house:
        owner, endpoint = asyncio.run(set_up(house))
        before = asyncio.run(look(house, owner))
    assert before["tokens"] == {"kept": True, "stolen": False} and before["plan"]["read"].count == 7
    assert [one.url for one in before["endpoints"]] in ([URL, AD_HOC], [AD_HOC, URL])
    assert len(before["secrets"]) == 3 and len(before["deliveries"][endpoint]) == 2
    monkeypatch.setattr(sys, "argv", ["jobwire", "move", "--from", ledger, "--to", target])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    with closing(open_tasks(target)) as house:
        assert asyncio.run(look(house, owner)) == before
        asyncio.run(hear(house))
        after = asyncio.run(look(house, owner))
        # The one event that was not heard there is heard here, and none again.
        new = [row for row, _ in after["deliveries"][endpoint] if (row, _) not in before["deliveries"][endpoint]]
        [latest] = house.store.find(owner, JobFilter(limit=1)).result(20)
        assert [(row.type, row.number) for row in new] == [("job.submitted", latest.number)]
        assert after["cursor"] != before["cursor"]
