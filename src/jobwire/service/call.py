"""Call, Reply and System: how a vendor system's resources are written without knowing the web framework.

http/ authenticates, limits and decodes a request into a Call, and encodes the Reply in the dialect's words.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobwire.blobs.contract import Blob
from jobwire.service.limits import Limit

if TYPE_CHECKING:
    from jobwire.kinds.contract import Kind
    from jobwire.service.services import Services


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: the owner in every WHERE, what the key may do, and how often its owner may call, by class."""

    owner: int
    owner_name: str
    key_id: str
    scopes: frozenset[str]
    disabled_systems: frozenset[str] = frozenset()
    plan: Mapping[str, Limit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request: `body` is decoded JSON (None without one), `upload` a spooled raw body.

    `base_url` is scheme and host as the client used them, without a trailing slash. `gone` waits until the caller
    has hung up or may not make the call any more, and raises then.
    """

    principal: Principal
    services: "Services"
    method: str
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    upload: Path | None
    base_url: str
    request_id: str
    gone: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer: `body` is encoded as JSON."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileReply:
    """A kept file to send, whole or in the ranges the caller asks for, to be saved as `name`."""

    blob: Blob
    content_type: str
    name: str


@dataclass(frozen=True, slots=True)
class System:
    """One vendor system: its dialect (a `dialects.spec.Dialect`), kinds, tables and what must run at start.

    `kinds` is called once, before serving, with the services its handlers are bound to. `migrations` are portable
    SQL scripts applied once each, in order, under the system's name. `isolated` names the modules whose functions
    run in child processes: they are imported once, before the first child is forked. `holds_files` says that its
    rows hold the kept files they refer to (`store/files.py`); files are not collected beside a system that does not.
    `choose_dialect` gives another dialect than `dialect` where the settings ask for it.
    """

    name: str
    dialect: Any
    kinds: Callable[["Services"], Sequence["Kind"]]
    migrations: Sequence[str]
    isolated: Sequence[str] = ()
    start: Callable[["Services"], None] | None = None
    holds_files: bool = False
    choose_dialect: Callable[[Mapping[str, str]], Any] | None = None

    def find_dialect(self, settings: Mapping[str, str]) -> Any:
        """The dialect under these settings."""
        return self.dialect if self.choose_dialect is None else self.choose_dialect(settings)
