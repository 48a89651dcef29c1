"""The SQL of an engine: one file a method in its sql/, the statements named by `-- :name` lines."""

from functools import cache
from importlib.resources import files
from typing import NamedTuple

Named = dict[str, str]


class SqlTexts(NamedTuple):
    """An engine's statements, by the file they stand in."""

    submit: Named
    claim: Named
    settle: Named
    heartbeat: Named
    rescue: Named
    promote: Named
    cancel: Named
    get: Named
    events: Named
    prune: Named
    cells: Named
    caps: Named


@cache
def load_statements(engine: str, method: str) -> Named:
    """The statements of <engine>/sql/<method>.sql by name."""
    text = (files(f"jobwire.store.{engine}") / "sql" / f"{method}.sql").read_text(encoding="utf-8")
    statements: Named = {}
    for part in text.split("-- :")[1:]:
        name, _, sql = part.partition("\n")
        statements[name.strip()] = sql.strip().removesuffix(";")
    return statements


def load_sql(engine: str) -> SqlTexts:
    """All statements of an engine."""
    return SqlTexts(*(load_statements(engine, method) for method in SqlTexts._fields))


@cache
def load_migrations(engine: str) -> tuple[tuple[int, str], ...]:
    """The migrations of an engine's ledger in order: (version, script)."""
    folder = files(f"jobwire.store.{engine}") / "migrations"
    scripts = sorted(
        (item.name, item.read_text(encoding="utf-8")) for item in folder.iterdir() if item.name.endswith(".sql")
    )
    return tuple((int(name.split("_")[0]), script) for name, script in scripts)
