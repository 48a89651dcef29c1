"""Signatures as others verify them, and secrets that come of their key, holder and generation alone."""

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from jobwire.config import WEBHOOK_KEY_CHARS_MIN, SettingError, read_settings
from jobwire.net.webhook_signing import Keyring, SecretName, make_key, write_headers
from jobwire.wiring import make_keyring

RING = Keyring([make_key("one"), make_key("two")])
IDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=40)


def name(holder: str = "whe_1", generation: int = 1, key_id: str = RING.newest) -> SecretName:
    return SecretName(holder, generation, key_id)


@given(st.binary(max_size=2_000), IDS, st.integers(1, 5))
def test_a_signature_is_what_the_library_makes_and_takes(body: bytes, id_: str, generation: int) -> None:
    text = body.hex().encode()
    now = int(time.time())
    secret = RING.show_secret(name(generation=generation), "v1")
    headers = write_headers(
        RING, [name(generation=generation)], scheme="v1", id_=id_, at_s=now, body=b'"' + text + b'"'
    )
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"))) <= 64
    assert Webhook(secret).verify(b'"' + text + b'"', dict(headers)) == text.decode()


def test_every_part_of_its_name_makes_another_secret() -> None:
    other = Keyring([make_key("two")]).newest
    names = [name(), name(holder="whe_2"), name(generation=2), name(key_id=other)]
    assert len({RING.show_secret(one, "v1") for one in names}) == len(names)
    assert RING.show_secret(name(), "v1") == Keyring([make_key("one")]).show_secret(name(), "v1")
    assert RING.show_secret(name(), "v1")[6:] != RING.show_secret(name(), "v1a")[5:]


def test_a_key_that_is_not_there_signs_nothing() -> None:
    stranger = Keyring([make_key("three")])
    assert not stranger.has(RING.newest)
    with pytest.raises(KeyError):
        write_headers(stranger, [name()], scheme="v1", id_="msg_1", at_s=1, body=b"{}")


def test_the_operators_key_is_for_new_secrets_and_the_ledgers_for_old_ones() -> None:
    settings = read_settings({"JOBWIRE_WEBHOOK_KEY": "k" * WEBHOOK_KEY_CHARS_MIN})
    before = make_keyring(read_settings({}), "ledger")
    after = make_keyring(settings, "ledger")
    assert after.newest != before.newest and after.has(before.newest)
    assert after.show_secret(name(key_id=before.newest), "v1") == before.show_secret(name(key_id=before.newest), "v1")
    assert "kkkk" not in repr(settings)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(SettingError, match="JOBWIRE_WEBHOOK_KEY has 31 characters"):
        read_settings({"JOBWIRE_WEBHOOK_KEY": "k" * (WEBHOOK_KEY_CHARS_MIN - 1)})
