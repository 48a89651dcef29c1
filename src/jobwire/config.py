"""The settings: every one has a name in the environment, a default and a sentence. wiring.py builds from them."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name in the environment, its default as text, and what it does."""

    name: str
    default: str
    meaning: str


SETTINGS = (
    Setting(
        "JOBWIRE_DB", "jobwire.db", "The ledger: a path, `sqlite:path`, `:memory:` for a test, or `postgresql://…`."
    ),
    Setting("JOBWIRE_PG_PREPARE", "1", "0 sends PostgreSQL no prepared statements, for a pgbouncer older than 1.21."),
    Setting(
        "JOBWIRE_FILES",
        "",
        "Folder for files jobs keep, or `s3://bucket/prefix?endpoint=…`; empty means the path of an SQLite ledger "
        "with `-files` behind it, else `jobwire-files`.",
    ),
    Setting("JOBWIRE_HOST", "127.0.0.1", "Address the HTTP server listens on."),
    Setting("JOBWIRE_PORT", "8000", "Port the HTTP server listens on; 0 picks a free one and says which."),
    Setting("JOBWIRE_WORKERS", "8", "Jobs at once for each queue in this process; 0 runs none here."),
    Setting("JOBWIRE_SYSTEMS", "all", "Vendor systems to serve: `all` that are installed, `none`, or a list."),
    Setting(
        "JOBWIRE_DIALECTS", "none", "Wire dialects to serve beside the native one: `none`, or a list: `azure,google`."
    ),
    Setting("JOBWIRE_FETCH_ALLOW", "", "Address ranges jobs may fetch from although not public (`127.0.0.0/8`)."),
    Setting("JOBWIRE_WEBHOOK_ALLOW", "", "Address ranges webhooks may go to although not public (`127.0.0.0/8`)."),
    Setting(
        "JOBWIRE_WEBHOOK_KEY",
        "",
        "What webhook secrets are derived from, at least 32 characters; empty means the ledger's own secret.",
    ),
    Setting(
        "JOBWIRE_ISSUERS_ALLOW",
        "",
        "Address ranges that issuers' key sets may be fetched from although not public (`10.0.0.0/8`).",
    ),
    Setting(
        "JOBWIRE_LINK_KEYS",
        "ledger",
        "What links to files and uploads are signed with: keys of at least 32 characters, commas between, the first "
        "for new links, all to check them. `ledger` is the ledger's own secret.",
    ),
    Setting("JOBWIRE_LEASE_MS", "20000", "Milliseconds a worker's leases live without a heartbeat (200 to 3600000)."),
    Setting("JOBWIRE_DRAIN_S", "10", "Seconds a stopping worker waits before it gives jobs back (0 to 3600)."),
    Setting("JOBWIRE_RETENTION_DAYS", "30", "Days a finished job is kept (1 to 3650)."),
    Setting(
        "JOBWIRE_OWNER_BACKLOG_MAX",
        "0",
        "Unfinished jobs an account may have before it is refused more; 0: no limit.",
    ),
    Setting(
        "JOBWIRE_LIMITS",
        "",
        "Calls an account may make, by class: `read=6000/60,write=600/60` is 6,000 in 60 seconds. Empty: no limit.",
    ),
    Setting("JOBWIRE_LOG", "info", "Log level: debug, info, warning or error."),
)

_DEFAULTS = {setting.name: setting.default for setting in SETTINGS}
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"|[A-Za-z0-9_-][A-Za-z0-9._/-]{0,199}")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?|https?://\[[0-9a-fA-F:.]+\](?::[0-9]{1,5})?")

WEBHOOK_KEY_CHARS_MIN = 32
LINK_KEY_CHARS_MIN = 32
LEDGER_KEY = "ledger"
LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingError(ValueError):
    """A setting has a value that cannot be used; says which, the value and what is allowed."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A part of a bucket in S3-compatible storage: at `endpoint`, or AWS' own where that is empty.

    `public_url` is where customers reach it if that is elsewhere.
    """

    name: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    public_url: str = ""

    def __str__(self) -> str:
        said = {"endpoint": self.endpoint, "region": self.region, "public": self.public_url}
        query = urlencode({name: value for name, value in said.items() if value}, safe=":/")
        return f"s3://{self.name}/{self.prefix}".rstrip("/") + (f"?{query}" if query else "")

    def show_post_url(self, region: str) -> str:
        """Where forms of customers are posted to."""
        if self.public_url or self.endpoint:
            return f"{self.public_url or self.endpoint}/{self.name}"
        return f"https://{self.name}.s3.{region}.amazonaws.com/"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process, read once."""

    db: str = "jobwire.db"
    pg_prepare: bool = True
    files: Path | Bucket = Path("jobwire.db-files")
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 8
    systems: str = "all"
    dialects: str = "none"
    lease_ms: int = 20_000
    drain_s: int = 10
    retention_days: int = 30
    owner_backlog_max: int = 0
    webhook_allow: str = ""
    webhook_key: str = field(default="", repr=False)
    link_keys: tuple[str, ...] = field(default=(LEDGER_KEY,), repr=False)
    limits: str = ""
    log: str = "info"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


def read_settings(environment: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """The settings from the environment; an override that is not None wins (the command line's flags).

    Raises SettingError for a value out of bounds.
    """
    environment = dict(os.environ if environment is None else environment)

    def text(name: str) -> str:
        override = overrides.get(name.removeprefix("JOBWIRE_").lower())
        return str(override) if override is not None else environment.get(name, "") or _DEFAULTS[name]

    def number(name: str, low: int, high: int) -> int:
        value = text(name)
        if not value.isdecimal() or not low <= int(value) <= high:
            raise SettingError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
        return int(value)

    db = read_ledger(text("JOBWIRE_DB"))
    log = text("JOBWIRE_LOG").lower()
    if log not in LOG_LEVELS:
        raise SettingError(f"JOBWIRE_LOG must be one of {', '.join(LOG_LEVELS)}, got {log!r}")
    webhook_key = text("JOBWIRE_WEBHOOK_KEY")
    if webhook_key and len(webhook_key) < WEBHOOK_KEY_CHARS_MIN:
        raise SettingError(
            f"JOBWIRE_WEBHOOK_KEY has {len(webhook_key)} characters; give {WEBHOOK_KEY_CHARS_MIN} or more"
        )
    return Settings(
        db=db,
        pg_prepare=number("JOBWIRE_PG_PREPARE", 0, 1) == 1,
        files=read_files(text("JOBWIRE_FILES")) if text("JOBWIRE_FILES") else find_files(db),
        host=text("JOBWIRE_HOST"),
        port=number("JOBWIRE_PORT", 0, 65_535),
        workers=number("JOBWIRE_WORKERS", 0, 10_000),
        systems=text("JOBWIRE_SYSTEMS"),
        dialects=text("JOBWIRE_DIALECTS"),
        lease_ms=number("JOBWIRE_LEASE_MS", 200, 3_600_000),
        drain_s=number("JOBWIRE_DRAIN_S", 0, 3_600),
        retention_days=number("JOBWIRE_RETENTION_DAYS", 1, 3_650),
        owner_backlog_max=number("JOBWIRE_OWNER_BACKLOG_MAX", 0, 1_000_000),
        webhook_allow=text("JOBWIRE_WEBHOOK_ALLOW"),
        webhook_key=webhook_key,
        link_keys=read_link_keys(text("JOBWIRE_LINK_KEYS")),
        limits=text("JOBWIRE_LIMITS"),
        log=log,
        environment=environment,
    )


def read_link_keys(text: str) -> tuple[str, ...]:
    """The keys that links are signed with, the first for new ones; SettingError for one that is too short."""
    keys = tuple(key.strip() for key in text.split(","))
    for place, key in enumerate(keys, start=1):
        if key != LEDGER_KEY and len(key) < LINK_KEY_CHARS_MIN:
            raise SettingError(
                f"JOBWIRE_LINK_KEYS: key {place} has {len(key)} characters; give {LINK_KEY_CHARS_MIN} or more, "
                f"or `{LEDGER_KEY}`"
            )
    return keys


def change_settings(settings: Settings, **flags: object) -> Settings:
    """The settings with those flags that are not None; SettingError as read_settings.

    Another ledger takes the folder of its files along, unless that was chosen.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    read = read_settings({}, **given)
    changed = {name: getattr(read, name) for name in given}
    if settings.files == find_files(settings.db):
        changed.setdefault("files", find_files(str(changed.get("db", settings.db))))
    return replace(settings, **changed)


def find_files(db: str) -> Path:
    """The folder of a ledger's kept files, unless a setting names one."""
    return Path("jobwire-files" if db == ":memory:" or is_postgres(db) else f"{db}-files")


def read_files(address: str) -> Path | Bucket:
    """A folder, or the part of a bucket that `s3://bucket/prefix` names; SettingError for what cannot be one."""
    if not address.lower().startswith("s3:"):
        return Path(address)
    form = "JOBWIRE_FILES must be a folder or like s3://bucket/prefix?endpoint=https://host&region=eu-central-1"
    parts, prefix = urlsplit(address), urlsplit(address).path.strip("/")
    given = parse_qsl(parts.query, keep_blank_values=True)
    said = dict(given)
    if _BUCKET.fullmatch(parts.netloc) is None or _PREFIX.fullmatch(prefix) is None or parts.fragment:
        raise SettingError(f"{form}; got {address!r}")
    if len(said) != len(given) or not said.keys() <= {"endpoint", "region", "public"}:
        raise SettingError(f"{form}; of parameters there are endpoint, region and public")
    for name in ("endpoint", "public"):
        said[name] = said.get(name, "").rstrip("/")
        if said[name] and _ENDPOINT.fullmatch(said[name]) is None:
            raise SettingError(f"{form}; {name} must be http(s)://host or http(s)://host:port, got {said[name]!r}")
    return Bucket(parts.netloc, prefix, said["endpoint"], said.get("region", ""), said["public"])


def is_postgres(address: str) -> bool:
    """Whether the address names a PostgreSQL database."""
    return address.startswith(("postgres://", "postgresql://"))


def read_ledger(address: str) -> str:
    """A PostgreSQL address as it is, or the path of an SQLite ledger from `path`, `sqlite:path` or `sqlite:///path`.

    SettingError for an address of anything else.
    """
    if is_postgres(address):
        return address
    if address.startswith(("postgres:", "postgresql:")):
        raise SettingError("JOBWIRE_DB must be postgresql://user:password@host:port/database, or name a file")
    path = address.removeprefix("sqlite:")
    path = path.removeprefix("//") if path.startswith("//") else path
    if not path:
        raise SettingError(f"JOBWIRE_DB must name a file, got {address!r}")
    scheme, has_scheme, _ = path.partition("://")
    if has_scheme:
        raise SettingError(
            f"JOBWIRE_DB must be a path, sqlite:path or postgresql://…; there is no {scheme}:// ledger"
        )
    return path
