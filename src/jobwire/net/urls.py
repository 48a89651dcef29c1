"""Judge a URL before anything is looked up. The judgement of its addresses comes later, in guard.py.

The text is first cut down to the forms every URL parser reads alike; then the parser that will also send the
request (yarl) reads it, and what is judged is what that parser understood.
"""

import re
import unicodedata
from ipaddress import ip_address
from urllib.parse import urljoin

from yarl import URL

from jobwire.domain.errors import JobError
from jobwire.net.guard import ForbiddenAddressError
from jobwire.net.policy import URL_CHARS_MAX, FetchPolicy

_SHOWN_CHARS_MAX = 80
_SCHEMES = ("http", "https")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})
_AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:%]+)(?::[0-9]{1,5})?")
_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
)
# Resolvers read a name that ends like this as an IPv4 number (WHATWG URL, "ends in a number").
_NUMBER_LAST = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_LOOPBACK_NAME = re.compile(r"(?:.*\.)?localhost")  # RFC 6761: never a public host
_LOOPBACK_ADDRESSES = ("127.0.0.1", "::1")


def validate_url(url: str, policy: FetchPolicy) -> URL:
    """Return the normal form of `url` (IDNA host, no fragment) when `policy` could let it be fetched.

    Nothing is looked up: a name that leads to a forbidden address is refused later, when it is connected to.
    Raises JobError url_invalid (not an http(s) URL we accept) or url_forbidden (address or port).
    """
    _check_text(url)
    parsed = _parse(url)
    _check_target(parsed, policy)
    return parsed


def join_url(base: URL, location: str, policy: FetchPolicy) -> URL:
    """Return the URL a redirect from `base` leads to, judged like any other; raises as validate_url does."""
    try:
        joined = urljoin(str(base), location)
    except ValueError:
        raise _invalid(f"the redirect of {_show(base.raw_host or '')} cannot be read; give the final URL") from None
    return validate_url(joined, policy)


def _check_text(url: str) -> None:
    if not url:
        raise _invalid("the URL is empty; give an http or https URL")
    if len(url) > URL_CHARS_MAX:
        raise _invalid(f"the URL has {len(url)} characters, more than {URL_CHARS_MAX}; give a shorter one")
    wrong = next((char for char in url if char == "\\" or unicodedata.category(char) in _INVISIBLE), None)
    if wrong is not None:
        raise _invalid(f"the URL holds the character U+{ord(wrong):04X}; percent-encode it (a space is %20)")
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in _SCHEMES:
        raise _invalid(f"the URL {_show(url)} does not start with http:// or https://; use one of these")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        raise _invalid("the URL carries a user name or password before its host; leave them out")
    if not _AUTHORITY.fullmatch(authority):
        raise _invalid(f"the URL {_show(url)} has no host we can read; write https://host/path")


def _parse(url: str) -> URL:
    try:
        parsed = URL(url).with_fragment(None)
    except ValueError:
        raise _invalid(f"the URL {_show(url)} cannot be read; check its host and port") from None
    host = parsed.raw_host or ""
    if host.endswith("."):
        host = host[:-1]
        parsed = parsed.with_host(host) if _NAME.fullmatch(host) else parsed
    if not parsed.port:
        raise _invalid(f"the URL {_show(url)} names port 0; a port lies between 1 and 65535")
    if not (_is_address(host) or (_NAME.fullmatch(host) and not _NUMBER_LAST.fullmatch(host))):
        raise _invalid(
            f"the URL {_show(url)} has the host {_show(host)}, which is neither a domain name nor a plain address; "
            "write a name, four decimal numbers (192.0.2.1) or [IPv6]"
        )
    return parsed


def _check_target(url: URL, policy: FetchPolicy) -> None:
    host, port = url.raw_host or "", url.port
    if _is_address(host):
        addresses: tuple[str, ...] = (host,)
    elif _LOOPBACK_NAME.fullmatch(host):
        addresses = _LOOPBACK_ADDRESSES
    else:
        # With an allow list the name may lead inside it, where every port is open: the guard decides then.
        if port not in policy.ports and not policy.allow:
            raise _forbidden(host, f"port {port} is not one of {', '.join(map(str, sorted(policy.ports)))}")
        return
    refusals = [refusal for address in addresses if (refusal := _find_refusal(address, port, policy))]
    if len(refusals) == len(addresses):
        raise _forbidden(host, refusals[0])


def _find_refusal(address: str, port: int | None, policy: FetchPolicy) -> str | None:
    try:
        policy.guard.check(address, port)
    except ForbiddenAddressError as error:
        return error.reason
    return None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _show(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS_MAX else text[:_SHOWN_CHARS_MAX] + "…")


def _invalid(message: str) -> JobError:
    return JobError("url_invalid", message)


def _forbidden(host: str, reason: str) -> JobError:
    message = f"fetching from '{host}' is not allowed: {reason}; give a URL on the public internet"
    return JobError("url_forbidden", message, details={"host": host})
