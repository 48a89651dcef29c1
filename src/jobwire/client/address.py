"""Where the server is and which key to use: what is given, else JOBWIRE_URL and JOBWIRE_API_KEY."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

API_PATH = "/v1"


class Address(NamedTuple):
    """The root of the native API without a slash at its end, and the key, None without one."""

    root: str
    api_key: str | None


def read_address(url: str | None, api_key: str | None, environment: Mapping[str, str]) -> Address:
    """The address; ValueError that names the variable if there is no URL that can be called."""
    given = url or environment.get("JOBWIRE_URL", "")
    if not given:
        raise ValueError(
            "there is no URL of a Jobwire server; give url= or set JOBWIRE_URL, as in https://jobs.example"
        )
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{given!r} is no URL of a Jobwire server; write http://host:port or https://host")
    if parts.username is not None:
        raise ValueError("the URL must not carry a user or password; give the key as api_key= or in JOBWIRE_API_KEY")
    root = given.rstrip("/").removesuffix(API_PATH)
    key = (api_key or environment.get("JOBWIRE_API_KEY", "")).strip()
    if not key.isascii() or not key.isprintable():
        raise ValueError("the API key has characters that no key has; copy it again")
    return Address(f"{root}{API_PATH}", key or None)
