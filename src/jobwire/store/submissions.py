"""The submissions that customers named by keys of their own: portable statements over both engines."""

from jobwire.domain.job import Receipt
from jobwire.store.contract import Reader

FIND = """
SELECT j.number, j.key, i.fingerprint FROM idempotency AS i JOIN job AS j ON j.number = i.number
 WHERE i.owner = :owner AND i.key = :key AND i.expires_at > :now
"""


def find_submission(reader: Reader, owner: int, key: str, *, fingerprint: str, now: int) -> Receipt | None:
    """What the owner's submission under this idempotency key came to, while the key lives; None if it is free."""
    rows = reader.query(FIND, owner=owner, key=key, now=now)
    if not rows:
        return None
    number, job_key, kept = rows[0]
    return Receipt(number, job_key, is_new=False, conflict=kept != fingerprint)
