"""Accounts and keys on the real ledger, on a clock that the test moves."""

import asyncio
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from house_engines import address_in, open_store
from jobwire.domain.errors import RequestError
from jobwire.service.credentials import USE_INTERVAL_MS
from jobwire.service.keys import KeyText, hash_secret, make_key_text, read_key, show_key
from jobwire.service.owners import (
    CACHE_KEYS_MAX,
    CACHE_MS,
    OVERLAP_MS_MAX,
    OWNER_NAME_CHARS_MAX,
    SCOPES_DEFAULT,
    SCOPES_MAX,
    NewKey,
    Owners,
)
from jobwire.store import accounts
from jobwire.store.contract import KeyRow, Store
from jobwire.wiring import read_clock

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def refusal_of(work: Coroutine[Any, Any, Any]) -> RequestError:
    with pytest.raises(RequestError) as refused:
        run(work)
    return refused.value


@pytest.fixture
def owners(store: Store, clock: Any) -> Owners:
    return Owners(store, clock)


def make_key(owners: Owners, name: str = "acme", **options: Any) -> NewKey:
    run(owners.create_owner(name))
    return run(owners.create_key(name, **options))


def test_a_key_opens_its_owner_s_account_with_its_scopes(owners: Owners) -> None:
    made = make_key(owners, scopes=("jobs:read", "rentix:admin"))
    principal = run(owners.authenticate(made.key))
    assert (principal.owner, principal.owner_name, principal.key_id) == (made.owner.id, "acme", made.id)
    assert principal.scopes == {"jobs:read", "rentix:admin"}
    assert principal.disabled_systems == frozenset()
    assert run(owners.authenticate(make_key(owners).key)).scopes == set(SCOPES_DEFAULT)


def test_an_owner_is_made_once_and_each_gets_a_number_of_its_own(owners: Owners) -> None:
    acme, zenith = run(owners.create_owner("acme")), run(owners.create_owner("Zenith & fiii"))
    assert run(owners.create_owner("acme")) == acme
    assert acme.id != zenith.id
    assert run(owners.list_owners()) == sorted([acme, zenith], key=lambda owner: owner.name)


@pytest.mark.parametrize("name", ["n", "n" * OWNER_NAME_CHARS_MAX, "Ștefan cel Mare"])
def test_an_owner_s_name_is_accepted_at_its_bounds(owners: Owners, name: str) -> None:
    assert run(owners.create_owner(name)).name == name


@pytest.mark.parametrize("name", ["", "n" * (OWNER_NAME_CHARS_MAX + 1), "a\x00", "\ud800"])
def test_an_owner_s_name_is_refused_beyond_its_bounds(owners: Owners, name: str) -> None:
    assert refusal_of(owners.create_owner(name)).code == "invalid_request"


def test_the_ledger_keeps_a_hash_and_never_the_secret(owners: Owners, store: Store) -> None:
    made = make_key(owners)
    parts = read_key(made.key)
    assert parts is not None
    (row,) = run(owners.list_keys("acme"))
    assert row.secret_hash == hash_secret(parts.secret)
    tables = store.read(lambda reader: reader.query("SELECT * FROM api_key") + reader.query("SELECT * FROM owner"))
    assert parts.secret not in str(tables.result(5))
    assert made.key not in repr(made)


def test_two_keys_live_side_by_side_and_one_can_be_revoked(owners: Owners, store: Store, clock: Any) -> None:
    old, new = make_key(owners), make_key(owners)
    assert {key.id for key in run(owners.list_keys("acme"))} == {old.id, new.id}
    run(owners.revoke_key(old.id))
    assert refusal_of(owners.authenticate(old.key)).code == "unauthorized"
    assert run(owners.authenticate(new.key)).key_id == new.id
    revoked = {key.id: key.revoked_at for key in run(owners.list_keys("acme"))}
    assert revoked == {old.id: clock(), new.id: None}


def test_the_first_revocation_s_time_stands(owners: Owners, store: Store, clock: Any) -> None:
    made = make_key(owners)
    run(owners.revoke_key(made.id))
    first = clock()
    clock.now += 1_000
    run(owners.revoke_key(made.id))
    assert run(owners.list_keys("acme"))[0].revoked_at == first


def test_every_key_that_is_not_valid_gets_the_same_answer(owners: Owners, store: Store, clock: Any) -> None:
    made = make_key(owners, expires_at=clock() + 5_000)
    revoked = make_key(owners)
    run(owners.revoke_key(revoked.id))
    parts = read_key(made.key)
    assert parts is not None
    clock.now += 5_000
    tokens = [
        "",
        "jw_",
        made.key[:-1],
        "\ud800",
        "x" * 100_000,
        show_key(make_key_text()),
        show_key(KeyText(parts.id, make_key_text().secret)),
        show_key(KeyText(make_key_text().id, parts.secret)),
        made.key,
        revoked.key,
    ]
    answers = {(refusal.code, refusal.message) for refusal in (refusal_of(owners.authenticate(t)) for t in tokens)}
    assert len(answers) == 1
    assert next(iter(answers))[0] == "unauthorized"


def test_a_key_expires_at_its_moment_even_while_it_is_remembered(owners: Owners, store: Store, clock: Any) -> None:
    made = make_key(owners, expires_at=clock() + 500)
    assert run(owners.authenticate(made.key))
    clock.now += 499
    assert owners.known(made.key) is not None
    clock.now += 1
    assert owners.known(made.key) is None
    assert refusal_of(owners.authenticate(made.key)).code == "unauthorized"


def test_a_key_cannot_be_made_with_an_expiry_that_has_come(owners: Owners, store: Store, clock: Any) -> None:
    assert make_key(owners, expires_at=clock() + 1)
    assert refusal_of(owners.create_key("acme", expires_at=clock())).code == "invalid_request"


@pytest.mark.parametrize("scopes", [(), ("Jobs",), ("",), ("s" * 65,), tuple(f"s{n}" for n in range(SCOPES_MAX + 1))])
def test_a_scope_that_cannot_be_one_is_refused(owners: Owners, scopes: tuple[str, ...]) -> None:
    run(owners.create_owner("acme"))
    assert refusal_of(owners.create_key("acme", scopes=scopes)).code == "invalid_request"


def test_scopes_are_accepted_at_their_bounds(owners: Owners) -> None:
    scopes = ("s" * 64, *(f"s{n}" for n in range(SCOPES_MAX - 1)))
    assert run(owners.authenticate(make_key(owners, scopes=scopes).key)).scopes == set(scopes)


def test_an_unknown_owner_or_key_is_told_with_the_closest_name(owners: Owners) -> None:
    run(owners.create_owner("acme"))
    refused = refusal_of(owners.create_key("amce"))
    assert (refused.code, refused.message) == ("not_found", "there is no owner 'amce'; did you mean 'acme'?")
    for work in (owners.suspend("nobody"), owners.disable_system("nobody", "rentix"), owners.revoke_key("nothing")):
        assert refusal_of(work).code == "not_found"


def test_a_suspended_owner_is_refused_until_activated(owners: Owners) -> None:
    made = make_key(owners)
    assert run(owners.authenticate(made.key))
    run(owners.suspend("acme"))
    assert refusal_of(owners.authenticate(made.key)).code == "owner_suspended"
    run(owners.activate("acme"))
    assert run(owners.authenticate(made.key)).owner_name == "acme"


def test_a_wrong_secret_of_a_suspended_owner_learns_nothing_of_the_suspension(owners: Owners) -> None:
    made = make_key(owners)
    run(owners.suspend("acme"))
    stranger = show_key(KeyText(made.id, make_key_text().secret))
    assert refusal_of(owners.authenticate(stranger)).code == "unauthorized"


def test_a_system_is_disabled_for_one_owner_and_enabled_again(owners: Owners) -> None:
    acme, other = make_key(owners), make_key(owners, "other")
    for name in ("rentix", "docswrite", "rentix"):
        run(owners.disable_system("acme", name))
    assert run(owners.authenticate(acme.key)).disabled_systems == {"rentix", "docswrite"}
    assert run(owners.authenticate(other.key)).disabled_systems == frozenset()
    run(owners.enable_system("acme", "rentix"))
    assert run(owners.authenticate(acme.key)).disabled_systems == {"docswrite"}
    assert refusal_of(owners.disable_system("acme", "No System")).code == "invalid_request"


def test_a_key_revoked_by_another_process_stops_within_the_second(tmp_path: Path, clock: Any) -> None:
    mine, theirs = (open_store(address_in(tmp_path), clock) for _ in range(2))
    try:
        serving, operating = Owners(mine, clock), Owners(theirs, clock)
        made = make_key(operating)
        principal = run(serving.authenticate(made.key))
        run(operating.revoke_key(made.id))
        clock.now += CACHE_MS - 1
        assert serving.known(made.key) == principal
        assert run(serving.authenticate(made.key)) == principal
        clock.now += 1
        assert serving.known(made.key) is None
        assert refusal_of(serving.authenticate(made.key)).code == "unauthorized"
    finally:
        mine.close()
        theirs.close()


def test_a_revocation_in_this_process_is_felt_at_once(owners: Owners) -> None:
    made = make_key(owners)
    run(owners.authenticate(made.key))
    assert owners.known(made.key) is not None
    run(owners.revoke_key(made.id))
    assert owners.known(made.key) is None


def test_nobody_is_known_before_the_first_authentication_or_by_a_wrong_token(owners: Owners) -> None:
    made = make_key(owners)
    assert owners.known(made.key) is None
    assert refusal_of(owners.authenticate(made.key[:-1])).code == "unauthorized"
    assert owners.known(made.key[:-1]) is None
    assert owners.known("\ud800") is None


def test_a_clock_set_back_does_not_lengthen_what_is_remembered(owners: Owners, store: Store, clock: Any) -> None:
    made = make_key(owners)
    run(owners.authenticate(made.key))
    clock.now -= 60_000
    assert owners.known(made.key) is None


@pytest.mark.slow
def test_at_most_ten_thousand_keys_are_remembered(owners: Owners, store: Store) -> None:
    first = make_key(owners)
    texts = [make_key_text() for _ in range(CACHE_KEYS_MAX)]
    rows = [KeyRow(text.id, first.owner.id, hash_secret(text.secret), "[]", 0, None, None) for text in texts]
    store.write(lambda tx: [accounts.insert_key(tx, row) for row in rows]).result(60)

    async def fill() -> None:
        await owners.authenticate(first.key)
        for text in texts[:-1]:
            await owners.authenticate(show_key(text))
        assert owners.known(first.key) is not None
        await owners.authenticate(show_key(texts[-1]))

    run(fill())
    assert owners.known(first.key) is None
    assert owners.known(show_key(texts[-1])) is not None


# rotation, use, and other processes


def test_a_rotated_key_lives_on_for_the_overlap_beside_the_new_one(owners: Owners, clock: Any) -> None:
    old = make_key(owners, scopes=("jobs:read", "x:y"))
    new = run(owners.rotate_key(old.id, overlap_ms=10_000))
    assert (
        run(owners.authenticate(new.key)).scopes == run(owners.authenticate(old.key)).scopes == {"jobs:read", "x:y"}
    )
    clock.now += 9_999
    assert run(owners.authenticate(old.key)).key_id == old.id
    clock.now += 1
    assert refusal_of(owners.authenticate(old.key)).code == "unauthorized"
    assert run(owners.authenticate(new.key)).key_id == new.id


def test_a_new_key_has_the_lifetime_of_the_old_one_and_the_old_one_never_lives_longer(
    owners: Owners, clock: Any
) -> None:
    old = make_key(owners, expires_at=clock() + 5_000)
    clock.now += 1_000
    new = run(owners.rotate_key(old.id))
    ends = {key.id: key.expires_at for key in run(owners.list_keys("acme"))}
    assert ends == {old.id: clock() + 4_000, new.id: clock() + 5_000}


def test_a_key_that_ended_cannot_be_rotated(owners: Owners, clock: Any) -> None:
    expired, revoked = make_key(owners, expires_at=clock() + 1), make_key(owners)
    run(owners.revoke_key(revoked.id))
    clock.now += 1
    for made in (expired, revoked):
        assert refusal_of(owners.rotate_key(made.id)).code == "conflict"
    assert refusal_of(owners.rotate_key("nothing")).code == "not_found"
    live = make_key(owners)
    for overlap_ms in (-1, OVERLAP_MS_MAX + 1):
        assert refusal_of(owners.rotate_key(live.id, overlap_ms=overlap_ms)).code == "invalid_request"
    assert run(owners.rotate_key(live.id, overlap_ms=OVERLAP_MS_MAX)).id != live.id


def test_a_key_s_last_use_is_noted_once_a_minute(owners: Owners, store: Store, clock: Any) -> None:
    made = make_key(owners)

    def used_at() -> int | None:
        # A write after the note's own: notes are not waited for.
        store.write(lambda tx: None).result(5)
        return run(owners.list_keys("acme"))[0].last_used_at

    assert used_at() is None
    first = clock()
    run(owners.authenticate(made.key))
    assert used_at() == first
    clock.now += USE_INTERVAL_MS - 1
    run(owners.authenticate(made.key))
    assert used_at() == first
    clock.now += CACHE_MS
    run(owners.authenticate(made.key))
    assert used_at() == clock()


def test_a_refused_key_is_not_in_use(owners: Owners, store: Store, clock: Any) -> None:
    made = make_key(owners)
    parts = read_key(made.key)
    assert parts is not None
    refusal_of(owners.authenticate(show_key(KeyText(parts.id, make_key_text().secret))))
    store.write(lambda tx: None).result(5)
    assert run(owners.list_keys("acme"))[0].last_used_at is None


SERVER = """
import asyncio, sys
from jobwire.config import read_settings
from jobwire.domain.errors import RequestError
from jobwire.service.owners import Owners
from jobwire.wiring import open_ledger, read_clock

store = open_ledger(read_settings({}, db=sys.argv[1]), read_clock)
owners = Owners(store, read_clock)
key = sys.stdin.readline().strip()
print(asyncio.run(owners.authenticate(key)).owner_name, flush=True)
# Always remembered anew, as by a customer who polls all the time.
import threading
def poll():
    while True:
        try:
            asyncio.run(owners.authenticate(key))
        except RequestError:
            return
threading.Thread(target=poll, daemon=True).start()
sys.stdin.readline()
print("taken" if owners.known(key) else "refused", flush=True)
store.close()
"""


@pytest.mark.slow
def test_when_a_revocation_is_said_to_be_done_no_process_takes_the_key(tmp_path: Path) -> None:
    address = address_in(tmp_path)
    store = open_store(address)
    owners = Owners(store, read_clock)
    made = make_key(owners)
    servers = [
        subprocess.Popen(
            [sys.executable, "-c", SERVER, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]

    def say(server: Any, line: str) -> str:
        server.stdin.write(line + "\n")
        server.stdin.flush()
        return str(server.stdout.readline())

    async def revoke() -> None:
        await owners.revoke_key(made.id)
        await owners.forgotten()

    assert [say(server, made.key) for server in servers] == ["acme\n"] * 2
    run(revoke())
    assert [say(server, "now") for server in servers] == ["refused\n"] * 2
    for server in servers:
        server.communicate(timeout=30)
        assert server.returncode == 0
    store.close()
