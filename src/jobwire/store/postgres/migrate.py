"""Brings the tables to this program's version, one process at a time; refuses a ledger that is newer."""

from jobwire.store.postgres.session import Session
from jobwire.store.statements import load_migrations

# Any number that no other program on the server is likely to have chosen.
MIGRATION_LOCK = 0x6A6F6277697265
# The catalog itself, as of now: a name that was looked up before the lock may be remembered.
HAS_VERSION = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_class
                WHERE relname = 'ledger_version' AND pg_catalog.pg_table_is_visible(oid))
"""


def migrate(session: Session) -> None:
    """Run what is missing, each migration in a transaction of its own; RuntimeError if the ledger is newer."""
    migrations = load_migrations("postgres")
    newest = migrations[-1][0]
    version = _read_version(session)
    if version > newest:
        raise RuntimeError(f"the ledger has version {version}, this program knows up to {newest}; upgrade jobwire")
    while version < newest:
        with session.connection.transaction():
            session.execute(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
            version = _read_version(session)
            script = next((script for number, script in migrations if number > version), None)
            if script is None:
                continue
            session.execute_script(script)
            version = next(number for number, _ in migrations if number > version)
            session.execute_script(
                "CREATE TABLE IF NOT EXISTS ledger_version (version bigint NOT NULL); DELETE FROM ledger_version"
            )
            session.execute("INSERT INTO ledger_version VALUES (:version)", {"version": version})


def _read_version(session: Session) -> int:
    if not session.execute(HAS_VERSION).fetchone()[0]:  # type: ignore[index]
        return 0
    row = session.execute("SELECT max(version) FROM ledger_version").fetchone()
    return 0 if row is None or row[0] is None else int(row[0])
