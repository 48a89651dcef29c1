"""Signed links to kept files: whoever holds one may fetch that file, under that name, until it expires.

The signature covers address, name, type and expiry, so nothing of a link can be changed or used for another file.
"""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlencode

from jobwire.domain.errors import RequestError

FILES_PATH = "/v1/files/"
SECRET_BYTES_MIN = 32
LIFETIME_S_MAX = 7 * 24 * 3_600
NAME_CHARS_MAX = 120
NAME_FALLBACK = "file"
TYPE_FALLBACK = "application/octet-stream"

_PATH = re.compile(re.escape(FILES_PATH) + r"([0-9a-f]{64})/([^/]+)")
_WORD = r"[A-Za-z0-9!#$&^_.+-]{1,63}"
_TYPE = re.compile(rf"{_WORD}/{_WORD}(?:; ?charset=[A-Za-z0-9-]{{1,40}})?")
_EXPIRY = re.compile(r"[1-9][0-9]{0,11}")
# What ends a name or gives it a second meaning in a path, a header, a shell or Windows. Without % a name reads
# the same whether or not its path was decoded before.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\"%'*/:;<>?\\|`#&$]")


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """What a valid link leads to, and how it is to be served; `expires_at_s` is Unix seconds."""

    sha256: str
    name: str
    content_type: str
    expires_at_s: int

    @property
    def disposition(self) -> str:
        """The Content-Disposition header (RFC 6266): saved under its name, never opened on our origin."""
        return show_disposition(self.name)


class FileLinks:
    """Signs links with the first of `keys` and takes what any of them has signed; without keys it is `secret`.

    `secret` is the ledger's own, and seals what only the ledger is to know. Each has 32 bytes or more; `clock` gives
    Unix milliseconds.
    """

    def __init__(self, secret: bytes, clock: Callable[[], int], *, keys: Sequence[bytes] = ()) -> None:
        for key in (secret, *keys):
            if len(key) < SECRET_BYTES_MIN:
                raise ValueError(f"the secret of file links has {len(key)} bytes; give {SECRET_BYTES_MIN} or more")
        self._secret = secret
        self._keys = tuple(keys) or (secret,)
        self._clock = clock

    def sign(self, sha256: str, *, name: str, content_type: str, lifetime_s: int) -> str:
        """Path and query of a link that lives `lifetime_s` seconds (at most 7 days, else ValueError).

        The name is made safe first; a content type that cannot be one becomes application/octet-stream.
        """
        if not 1 <= lifetime_s <= LIFETIME_S_MAX:
            raise ValueError(f"a link's lifetime is {lifetime_s} s; it must lie between 1 and {LIFETIME_S_MAX} s")
        target = LinkTarget(
            sha256=sha256,
            name=clean_name(name),
            content_type=content_type if _TYPE.fullmatch(content_type) else TYPE_FALLBACK,
            expires_at_s=self._clock() // 1_000 + lifetime_s,
        )
        path = f"{FILES_PATH}{sha256}/{quote(target.name, safe='')}"
        if _PATH.fullmatch(path) is None:
            raise ValueError(f"a file's address is 64 hex digits in lower case, not {sha256[:80]!r}")
        signature = _sign(self._keys[0], *_list_parts(target))
        query = {"type": target.content_type, "exp": target.expires_at_s, "sig": signature}
        return f"{path}?{urlencode(query)}"

    def check(self, path: str, query: Mapping[str, str]) -> LinkTarget:
        """What the link leads to; `path` may be decoded or not, `query` is decoded.

        Raises RequestError forbidden when anything of the link was changed, gone when it has expired.
        """
        place = _PATH.fullmatch(path)
        expiry = query.get("exp", "")
        if place is None or _EXPIRY.fullmatch(expiry) is None:
            raise _forbidden()
        target = LinkTarget(place[1], unquote(place[2]), query.get("type", ""), int(expiry))
        if not self._is_signed(query.get("sig", ""), *_list_parts(target)):
            raise _forbidden()
        if self._clock() >= target.expires_at_s * 1_000:
            raise RequestError("gone", "this link has expired; read the job again for a new one")
        return target

    def seal(self, sha256: str, *, name: str, content_type: str) -> str:
        """Proves that a kept file's description was made by this ledger and not sent by a customer."""
        return _sign(self._secret, "jobwire kept file", sha256, name, content_type)

    def is_sealed(self, sha256: str, *, name: str, content_type: str, seal: str) -> bool:
        """Whether `seal` was made for exactly this description."""
        return _is_equal(seal, self.seal(sha256, name=name, content_type=content_type))

    def sign_parts(self, purpose: str, *parts: str) -> str:
        """A signature in hex of these texts, good for this purpose only."""
        return _sign(self._keys[0], "jobwire text", purpose, *parts)

    def is_signed(self, signature: str, purpose: str, *parts: str) -> bool:
        """Whether `sign_parts` has made the signature of exactly these texts; in a time that tells nothing of it."""
        return self._is_signed(signature, "jobwire text", purpose, *parts)

    def _is_signed(self, signature: str, *parts: str) -> bool:
        return any(_is_equal(signature, _sign(key, *parts)) for key in self._keys)


def _list_parts(target: LinkTarget) -> tuple[str, ...]:
    return ("jobwire file link", target.sha256, target.name, target.content_type, str(target.expires_at_s))


def _sign(key: bytes, *parts: str) -> str:
    # The length of each part stands before it: no two lists have the same text.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hmac.new(key, text.encode(errors="replace"), hashlib.sha256).hexdigest()


def _is_equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def show_disposition(name: str) -> str:
    """The Content-Disposition header of a file that is saved under its safe name."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def clean_name(name: str) -> str:
    """A file name that is safe in a path, a header and a file system: its last part, at most 120 characters."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(char for char in _UNSAFE.sub("_", last) if char.isprintable()).strip(" .")
    if len(kept) <= NAME_CHARS_MAX:
        return kept or NAME_FALLBACK
    stem, dot, ending = kept.rpartition(".")
    tail = dot + ending if stem and len(ending) <= 10 else ""
    return kept[: NAME_CHARS_MAX - len(tail)] + tail


def _forbidden() -> RequestError:
    return RequestError("forbidden", "this link is not valid; copy it whole, or read the job again for a new one")
