"""The engine for one machine. Start at store.py."""

from jobwire.store.sqlite.engine import connect as connect
from jobwire.store.sqlite.engine import read_clock as read_clock
from jobwire.store.sqlite.store import SqliteStore as SqliteStore
from jobwire.store.sqlite.store import open_sqlite as open_sqlite
