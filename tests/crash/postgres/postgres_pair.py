"""Two nodes of PostgreSQL: a primary that commits what its standby has on its disk, and the standby."""

import select
import shutil
import time
from urllib.parse import urlsplit

import psycopg

from postgres_server import START_S, Server, find_programs

# The interval: a standby whose primary has just died sleeps that long before it looks whether it is to be promoted.
SETTINGS = ("wal_level=replica", "wal_keep_size=64MB", "wal_retrieve_retry_interval=50ms")
NEVER = select.poll()


class Node(Server):
    """A server that may begin as a copy of another one."""

    def __init__(self, programs, source=None):
        self._source = source
        super().__init__(programs, *SETTINGS)

    def _make_data(self):
        if self._source is None:
            super()._make_data()
            return
        source = ("-d", self._source.address(), "--checkpoint=fast", "--write-recovery-conf", "--no-sync")
        self._run_as_owner("pg_basebackup", "-D", self._data, *source)

    def begin_again(self, source):
        """Throw away what it has and follow another one."""
        self._source = source
        shutil.rmtree(self._data)
        self._make_data()
        self.start()

    def run(self, sql):
        """The only value of a statement."""
        with psycopg.connect(self.address(), autocommit=True) as connection:
            rows = connection.execute(sql)
            return rows.fetchone()[0] if rows.description else None


class Pair:
    """A primary and its synchronous standby; the roles change with every failover."""

    def __init__(self):
        programs = find_programs()
        self.primary = Node(programs)
        self.standby = Node(programs, self.primary)
        self.nodes = (self.primary, self.standby)

    def address(self):
        """Both hosts, of which a client takes the one that can be written to."""
        hosts = ",".join(urlsplit(node.address()).query.removeprefix("host=") for node in self.nodes)
        return f"postgresql://postgres@/postgres?host={hosts}&target_session_attrs=read-write"

    def synchronise(self):
        """From here on nothing is committed without the standby."""
        self.primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.run("SELECT pg_reload_conf()")
        give_up_at = time.monotonic() + START_S
        while self.primary.run("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") != 1:
            assert time.monotonic() < give_up_at, "the standby does not follow"
            NEVER.poll(20)

    def fail_over(self):
        """Kill the primary and promote the standby, which then serves alone."""
        self.primary.kill()
        assert self.standby.run("SELECT pg_promote()"), "the standby was not promoted"
        self.primary, self.standby = self.standby, self.primary

    def repair(self):
        """Make the killed one the standby of the other."""
        self.standby.begin_again(self.primary)
        self.synchronise()

    def stop(self):
        for node in self.nodes:
            node.stop()
