"""Issuers of signed tokens, and single tokens that were revoked: portable SQL for any engine. Times are Unix ms."""

from typing import NamedTuple

from jobwire.store.contract import Reader, Transaction


class IssuerRow(NamedTuple):
    """An issuer: `key` or `jwks_url` is given, `scopes` is a JSON array of the most that its tokens may do."""

    iss: str
    audience: str
    algorithm: str
    jwks_url: str | None
    key: str | None
    owner_claim: str
    owner_prefix: str
    makes_owners: int
    scope_claim: str | None
    scopes: str
    leeway_s: int
    lifetime_s_max: int
    created_at: int


_COLUMNS = ", ".join(IssuerRow._fields)


def list_issuers(reader: Reader) -> list[IssuerRow]:
    """Every issuer, by name."""
    rows = reader.query(f"SELECT {_COLUMNS} FROM issuer ORDER BY iss")  # noqa: S608 - a tuple's own field names
    return [IssuerRow._make(row) for row in rows]


def find_issuer(reader: Reader, iss: str) -> IssuerRow | None:
    """The issuer of that name."""
    rows = reader.query(f"SELECT {_COLUMNS} FROM issuer WHERE iss = :iss", iss=iss)  # noqa: S608 - as above
    return IssuerRow._make(rows[0]) if rows else None


def keep_issuer(tx: Transaction, issuer: IssuerRow) -> None:
    """Keep an issuer, in place of the one of that name."""
    tx.execute("DELETE FROM issuer WHERE iss = :iss", iss=issuer.iss)
    places = ", ".join(f":{name}" for name in IssuerRow._fields)
    tx.execute(f"INSERT INTO issuer ({_COLUMNS}) VALUES ({places})", **issuer._asdict())  # noqa: S608 - as above


def drop_issuer(tx: Transaction, iss: str) -> bool:
    """Forget an issuer; its revoked tokens stay until they expire, should it come back. False if there is none."""
    return tx.execute("DELETE FROM issuer WHERE iss = :iss", iss=iss) == 1


def revoke_token(tx: Transaction, iss: str, jti: str, *, expires_at: int) -> None:
    """Take this token no more; it may be forgotten at `expires_at`."""
    tx.execute("DELETE FROM revoked_token WHERE expires_at <= :now", now=tx.now)
    tx.execute(
        "INSERT INTO revoked_token (iss, jti, expires_at) VALUES (:iss, :jti, :expires_at) "
        "ON CONFLICT (iss, jti) DO UPDATE SET expires_at = excluded.expires_at",
        iss=iss,
        jti=jti,
        expires_at=expires_at,
    )


def is_revoked(reader: Reader, iss: str, jti: str) -> bool:
    """Whether this token was revoked."""
    return bool(reader.query("SELECT 1 FROM revoked_token WHERE iss = :iss AND jti = :jti", iss=iss, jti=jti))
