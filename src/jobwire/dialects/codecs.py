"""Named codecs: how a stored value looks on the wire, as JSON text. render.py applies them."""

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from jobwire.dialects.spec import CodecName


@lru_cache(maxsize=4_096)
def quote(text: str) -> str:
    """A JSON string; the kinds, queues and words of a running server are few, so they are kept."""
    return msgspec.json.encode(text).decode()


@lru_cache(maxsize=8_192)
def _second(seconds: int) -> str:
    # strftime costs 1.2 µs; the jobs that are polled were created within the same few hours.
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


_MILLISECONDS = tuple(f'.{ms:03d}Z"' for ms in range(1_000))


def iso_ms(at: int) -> str:
    """`"2031-03-04T05:06:07.089Z"`"""
    return f'"{_second(at // 1_000)}{_MILLISECONDS[at % 1_000]}'


def iso_us(at: int) -> str:
    """`"2031-03-04T05:06:07.089000Z"`"""
    return f'{iso_ms(at)[:-2]}000Z"'


def iso_s(at: int) -> str:
    """`"2031-03-04T05:06:07Z"`; the fraction is cut, so that a time is never shown before it came."""
    return f'"{_second(at // 1_000)}Z"'


def epoch_s(at: int) -> str:
    """Whole Unix seconds."""
    return str(at // 1_000)


def whole(number: float) -> str:
    """The whole part: 99.9 percent is not yet 100."""
    return str(int(number))


def text(value: Any) -> str:
    """The value in a string: `"12"`."""
    return quote(value if isinstance(value, str) else plain(value))


def upper(word: str) -> str:
    """The word in capitals: `"TOO_BIG"`."""
    return quote(word.upper())


def plain(value: Any) -> str:
    """The value as it is."""
    return msgspec.json.encode(value).decode()


CODECS: Mapping[CodecName, Callable[[Any], str]] = {
    "iso_us": iso_us,
    "iso_ms": iso_ms,
    "iso_s": iso_s,
    "epoch_ms": str,
    "epoch_s": epoch_s,
    "whole": whole,
    "text": text,
    "upper": upper,
}
