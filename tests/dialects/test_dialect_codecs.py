"""The named codecs against the standard library."""

import json
from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.dialects.codecs import CODECS, iso_ms, iso_s, quote, whole
from jobwire.dialects.spec import CodecName

moments = st.integers(0, 253_402_300_799_999)


def test_every_named_codec_exists() -> None:
    assert set(CODECS) == set(get_args(CodecName))


@given(moments)
def test_iso_times_read_back_as_the_same_moment(at: int) -> None:
    shown = json.loads(iso_ms(at))
    assert datetime.fromisoformat(shown) == datetime.fromtimestamp(at // 1_000, UTC).replace(
        microsecond=at % 1_000 * 1_000
    )
    assert len(shown) == 24 and shown.endswith("Z")
    assert json.loads(iso_s(at)) == shown[:19] + "Z"


@given(moments)
def test_epochs_are_whole_numbers_that_never_run_ahead(at: int) -> None:
    assert int(CODECS["epoch_ms"](at)) == at
    assert int(CODECS["epoch_s"](at)) == at // 1_000


@pytest.mark.parametrize(("percent", "shown"), [(0.0, "0"), (99.9, "99"), (100.0, "100")])
def test_a_whole_percent_is_100_only_at_the_end(percent: float, shown: str) -> None:
    assert whole(percent) == shown


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_quoted_text_reads_back(text: str) -> None:
    assert json.loads(quote(text)) == text
