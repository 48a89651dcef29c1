"""The settings of a PostgreSQL server that the ledger's promises stand on, as a table; doctor_postgres.py asks it."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from jobwire.cli.findings import Finding, Level

STATEMENT_MS_MIN = 30_000
IDLE_MS_MAX = 300_000

RESET = "ALTER SYSTEM RESET {name}; SELECT pg_reload_conf()"
RESET_ROLE = "ALTER ROLE … RESET {name}, or look at the database's settings and in postgresql.conf"


class Advice(NamedTuple):
    """A setting, when it is good, what it means when it is not, and how it is changed."""

    name: str
    is_good: Callable[[str], bool]
    level: Level
    limit: str
    why: str
    fix: str


def is_one_of(*values: str) -> Callable[[str], bool]:
    """Whether a setting has one of these values."""
    return lambda value: value in values


is_on = is_one_of("on")

ADVICE = (
    Advice(
        "server_encoding",
        is_one_of("UTF8"),
        "problem",
        "UTF8",
        "texts cannot be kept",
        "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and use that one",
    ),
    Advice("fsync", is_on, "problem", "on", "a power cut destroys the database", RESET),
    Advice("full_page_writes", is_on, "problem", "on", "a power cut tears pages", RESET),
    Advice(
        "synchronous_commit",
        is_one_of("on", "remote_apply"),
        "problem",
        "on or remote_apply",
        "what was acknowledged can be lost (G1)",
        RESET_ROLE,
    ),
    Advice(
        "default_transaction_read_only",
        is_one_of("off"),
        "problem",
        "off",
        "this role can write nothing by itself",
        RESET_ROLE,
    ),
    Advice("autovacuum", is_on, "problem", "on", "claims walk over all that was ever deleted", RESET),
    Advice("track_counts", is_on, "problem", "on", "autovacuum does not know where to work", RESET),
    Advice(
        "idle_in_transaction_session_timeout",
        lambda value: 0 < int(value) <= IDLE_MS_MAX,
        "note",
        f"1 to {IDLE_MS_MAX:,} ms",
        "a forgotten transaction of another program keeps vacuum from its work",
        "ALTER DATABASE \"{database}\" SET {name} = '60s'",
    ),
    Advice(
        "statement_timeout",
        lambda value: value == "0" or int(value) >= STATEMENT_MS_MIN,
        "note",
        f"0, or at least {STATEMENT_MS_MIN:,} ms",
        "migrations and pruning may be cut off",
        RESET_ROLE,
    ),
    Advice(
        "data_checksums",
        is_on,
        "note",
        "on",
        "a page the disk has damaged goes unnoticed",
        "pg_checksums --enable, the server stopped",
    ),
)


def judge_settings(settings: Mapping[str, str], database: str) -> Iterator[Finding]:
    """A finding for each setting that is not as it should be, and one for the others together."""
    good = []
    for advice in ADVICE:
        value = settings[advice.name]
        if advice.is_good(value):
            good.append(f"{advice.name} {value}")
            continue
        limit = f"should be {advice.limit}: {advice.why}"
        yield Finding(advice.level, advice.name, value, limit, advice.fix.format(name=advice.name, database=database))
    if good:
        yield Finding("ok", "settings", ", ".join(good))
