"""The wall between owners stands for a role with no more rights than it needs, and its lack stops nobody."""

import secrets
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from jobwire.store.postgres import open_postgres

WALL_ROLE = "jobwire_customer"


@pytest.fixture
def role(address: str) -> Iterator[str]:
    """A role that may create tables in the ledger's schema, and nothing else."""
    name = f"plain_{secrets.token_hex(4)}"
    with closing(psycopg.connect(address, autocommit=True)) as connection:
        (schema,) = connection.execute("SELECT current_schema()").fetchone()  # type: ignore[misc]
        connection.execute(f"CREATE ROLE {name} LOGIN")
        connection.execute(f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {name}")
        connection.execute(f"ALTER SCHEMA {schema} OWNER TO {name}")
        connection.execute(f"DO $$ BEGIN CREATE ROLE {WALL_ROLE}; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        yield name
        connection.execute(f"ALTER SCHEMA {schema} OWNER TO current_user")
        connection.execute(f"REASSIGN OWNED BY {name} TO current_user")
        connection.execute(f"DROP OWNED BY {name}")
        connection.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize("is_member", [True, False])
def test_a_member_of_the_customers_role_has_the_wall_and_another_goes_without(
    address: str, role: str, is_member: bool
) -> None:
    if is_member:
        with closing(psycopg.connect(address, autocommit=True)) as connection:
            connection.execute(f"GRANT {WALL_ROLE} TO {role}")
    store = open_postgres(make_conninfo(address, user=role))
    try:
        assert store.has_wall is is_member
        assert store.get(1, number=1).result(10) is None
    finally:
        store.close()
