"""The form of an API key."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.service.keys import KEY_LENGTH, KeyText, hash_secret, make_key_text, read_key, show_key

LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEYS = st.builds(
    KeyText, st.text(LETTERS, min_size=12, max_size=12), st.text(LETTERS, min_size=43, max_size=43)
)  # fmt: skip


@given(KEYS)
def test_every_key_reads_back_as_it_was_made(key: KeyText) -> None:
    shown = show_key(key)
    assert re.fullmatch(r"jw_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}_[0-9a-f]{8}", shown)
    assert len(shown) == KEY_LENGTH
    assert read_key(shown) == key


@given(KEYS, st.data())
def test_one_wrong_character_anywhere_is_noticed_by_the_checksum(key: KeyText, data: st.DataObject) -> None:
    shown = show_key(key)
    place = data.draw(st.integers(0, len(shown) - 1))
    wrong = data.draw(st.sampled_from(LETTERS + "_-. ").filter(lambda char: char != shown[place]))
    assert read_key(shown[:place] + wrong + shown[place + 1 :]) is None


@given(KEYS, st.data())
def test_a_key_that_was_cut_or_lengthened_is_noticed(key: KeyText, data: st.DataObject) -> None:
    shown = show_key(key)
    assert read_key(shown[: data.draw(st.integers(0, len(shown) - 1))]) is None
    assert read_key(shown + data.draw(st.text(min_size=1, max_size=5))) is None


@given(st.text())
def test_any_text_is_read_without_a_crash(text: str) -> None:
    assert read_key(text) is None


@pytest.mark.parametrize("text", ["\ud800" * KEY_LENGTH, "jw_" + "٣" * 65, "\n", "jw_" * 100_000])
def test_hostile_text_is_no_key(text: str) -> None:
    assert read_key(text) is None


def test_keys_are_never_the_same_and_hide_their_secret_in_logs() -> None:
    keys = {make_key_text() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.secret not in repr(key) and key.secret not in hash_secret(key.secret) for key in keys)
    assert all(read_key(show_key(key)) == key for key in keys)
