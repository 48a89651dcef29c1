"""The engine for many machines. Start at store.py."""

from jobwire.store.postgres.store import PostgresStore as PostgresStore
from jobwire.store.postgres.store import open_postgres as open_postgres
