"""URLs as the crawler compares them: one spelling for each page. Runs in the child that reads pages, too.

Queries are kept to the letter: only a page itself may say, by its canonical link, that a parameter means nothing.
"""

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from jobwire.net.policy import URL_CHARS_MAX

_PORTS: Final = {"http": 80, "https": 443}
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH_SAFE: Final = "/:@!$&'()*+,;=~"
_QUERY_SAFE: Final = _PATH_SAFE + "?"
_PLAIN: Final = re.compile(r"[A-Za-z0-9/._~=&;,:@!$'()*+-]*")
_ENDS: Final = " \t\r\n\f"
_INSIDE: Final = {ord(char): None for char in "\t\r\n"}


def join_link(base: str, link: str) -> str | None:
    """The page a link leads to, in its one spelling; None where that is no http(s) URL we would visit."""
    try:
        return normalise_url(urljoin(base, link.strip(_ENDS).translate(_INSIDE)))
    except ValueError:
        return None


def normalise_url(url: str) -> str | None:
    """The one spelling of an absolute URL: host in small letters, no default port, no dots in the path, no fragment,
    escapes only where needed. None for what is no http(s) URL or is longer than URL_CHARS_MAX."""
    if len(url) > URL_CHARS_MAX:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    host = _spell_host(parts.hostname)
    if host is None:
        return None
    authority = host if port in (None, _PORTS[parts.scheme]) else f"{host}:{port}"
    query = f"?{_escape(parts.query, _QUERY_SAFE)}" if parts.query else ""
    spelt = f"{parts.scheme}://{authority}{_spell_path(parts.path)}{query}"
    return spelt if len(spelt) <= URL_CHARS_MAX else None


def find_authority(url: str) -> str:
    """Host and port of a URL in its one spelling: what robots rules, politeness and limits are counted by."""
    return url.split("/", 3)[2]


def find_origin(url: str) -> str:
    """Scheme and authority of a URL in its one spelling."""
    return url[: url.index("/", url.index("://") + 3)]


def is_in_scope(url: str, authorities: Collection[str]) -> bool:
    """Whether the page lies on one of the hosts a crawl may visit."""
    return find_authority(url) in authorities


def _spell_host(host: str) -> str | None:
    if ":" in host:
        return f"[{host}]"
    if host.isascii():
        return host.removesuffix(".")
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return None


def _spell_path(path: str) -> str:
    path = path or "/"
    if "/." in path:
        path = _drop_dots(path)
    return _escape(path, _PATH_SAFE)


def _drop_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _escape(text: str, safe: str) -> str:
    """Escapes stay, in capital letters, or are undone where none is needed; a bare % becomes one."""
    if _PLAIN.fullmatch(text):
        return text
    parts: list[str] = []
    end = 0
    for found in _ESCAPE.finditer(text):
        parts += (quote(text[end : found.start()], safe=safe), _spell_escape(found))
        end = found.end()
    return "".join((*parts, quote(text[end:], safe=safe)))


def _spell_escape(found: re.Match[str]) -> str:
    char = chr(int(found[0][1:], 16))
    return char if char in _UNRESERVED else found[0].upper()
