"""The SQL of the ledger: one file a method in sql/, its statements named by `-- :name` lines."""

from functools import cache
from importlib.resources import files


@cache
def load_statements(method: str) -> dict[str, str]:
    """The statements of sql/<method>.sql by name."""
    text = (files("jobwire.store") / "sql" / f"{method}.sql").read_text(encoding="utf-8")
    statements: dict[str, str] = {}
    for part in text.split("-- :")[1:]:
        name, _, sql = part.partition("\n")
        statements[name.strip()] = sql.strip().removesuffix(";")
    return statements


@cache
def load_migrations() -> tuple[tuple[int, str], ...]:
    """The ledger's migrations in order: (version, script)."""
    folder = files("jobwire.store") / "migrations"
    scripts = sorted(
        (item.name, item.read_text(encoding="utf-8")) for item in folder.iterdir() if item.name.endswith(".sql")
    )
    return tuple((int(name.split("_")[0]), script) for name, script in scripts)
