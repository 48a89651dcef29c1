"""Caps of a kind and policies of a queue, as they are declared."""

from typing import Any

import pytest

from jobwire.domain.caps import RATE_COUNT_MAX, RUNNING_LIMIT_MAX, Cap
from jobwire.kinds.contract import Queue
from jobwire.kinds.registry import Registry, make_kind


def convert() -> None: ...


def test_a_kind_has_the_caps_it_declares_and_none_else() -> None:
    assert make_kind(convert).caps == ()
    assert make_kind(convert, running_max=4, key_running_max=1, key_rate="10/60s").caps == (
        Cap("kind", "convert", 4),
        Cap("concurrency_key", "convert", 1),
        Cap("rate", "convert", 10, 60_000),
    )


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("running_max", 0, "running_max of kind 'convert' is '0'; it is a whole number from 1 to 1,000,000, or None"),
        ("running_max", RUNNING_LIMIT_MAX + 1, "it is a whole number from 1 to 1,000,000"),
        ("running_max", True, "running_max of kind 'convert' is 'True'"),
        ("key_running_max", -1, "key_running_max of kind 'convert' is '-1'"),
        ("key_rate", "ten a minute", "key_rate of kind 'convert' is 'ten a minute'; write starts and a time, as in"),
        ("key_rate", 10, "key_rate of kind 'convert' is '10'"),
        ("key_rate", "0/60s", "it allows 1 to 100,000 starts in at most 24h"),
        ("key_rate", f"{RATE_COUNT_MAX + 1}/60s", "it allows 1 to 100,000 starts in at most 24h"),
        ("key_rate", "1/25h", "it allows 1 to 100,000 starts in at most 24h"),
        ("key_rate", "1/60x", "the time in key_rate of kind 'convert' is '60x'"),
    ],
)
def test_a_cap_out_of_bounds_is_refused_with_its_value_and_the_limit(option: str, value: Any, text: str) -> None:
    with pytest.raises(ValueError) as refused:
        make_kind(convert, **{option: value})
    assert text in str(refused.value)


def test_the_bounds_themselves_are_taken() -> None:
    assert make_kind(convert, running_max=RUNNING_LIMIT_MAX, key_rate=f"{RATE_COUNT_MAX}/24h").caps == (
        Cap("kind", "convert", RUNNING_LIMIT_MAX),
        Cap("rate", "convert", RATE_COUNT_MAX, 24 * 3_600_000),
    )


def test_queues_are_fair_unless_a_queue_says_otherwise() -> None:
    registry = Registry([make_kind(convert, queue="media")], queues=["plain", Queue("bulk", fair=False), Queue("x")])
    assert registry.queues == ("bulk", "media", "plain", "x")
    assert registry.fairness == {"bulk": False, "media": True, "plain": True, "x": True}
    assert Registry([make_kind(convert, queue="media")], queues=[Queue("media", fair=False)]).fairness == {
        "media": False
    }


def test_a_queue_s_name_is_checked() -> None:
    with pytest.raises(ValueError, match="the queue is named 'Bulk!'"):
        Registry(queues=[Queue("Bulk!")])
