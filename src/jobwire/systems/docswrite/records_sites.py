"""The connected sites, as portable SQL; the owner is in every WHERE. sites.py connects them."""

from typing import NamedTuple

from jobwire.store.contract import Reader, Transaction
from jobwire.systems.docswrite.ids import is_id, make_id


class SiteRow(NamedTuple):
    """A connected site: where its REST API is, its name, the address people know, who we are there, and our sealed
    password. One of an owner's sites is the default."""

    id: str
    owner: int
    root: str
    name: str
    url: str
    login: str
    secret: str
    is_default: int
    created_at: int


_SITE = f"SELECT {', '.join(SiteRow._fields)} FROM docswrite_site "  # noqa: S608 - our own column names


def list_sites(reader: Reader, owner: int) -> list[SiteRow]:
    """The owner's sites, oldest first."""
    return [
        SiteRow(*row) for row in reader.query(_SITE + "WHERE owner = :owner ORDER BY created_at, id", owner=owner)
    ]


def list_all_sites(reader: Reader) -> list[SiteRow]:
    """The sites of all owners."""
    return [SiteRow(*row) for row in reader.query(_SITE + "ORDER BY id")]


def find_site_row(reader: Reader, owner: int, site: str) -> SiteRow | None:
    """The owner's site; None if absent or another owner's."""
    if not is_id(site, "site-"):
        return None
    found = reader.query(_SITE + "WHERE owner = :owner AND id = :id", owner=owner, id=site)
    return SiteRow(*found[0]) if found else None


def is_site(reader: Reader, site: str) -> bool:
    """Whether anybody has a site of this id."""
    return is_id(site, "site-") and bool(reader.query("SELECT 1 FROM docswrite_site WHERE id = :id", id=site))


def keep_site(tx: Transaction, new: SiteRow) -> SiteRow:
    """The site as stored: a known one of the owner is changed and keeps its id."""
    sites = {site.root: site for site in list_sites(tx, new.owner)}
    known = sites.get(new.root)
    is_default = bool(new.is_default) or not sites or (known is not None and bool(known.is_default))
    if known is None:
        row = new._replace(id=make_id("site-"), is_default=int(is_default), created_at=tx.now)
    else:
        row = new._replace(id=known.id, is_default=int(is_default), created_at=known.created_at)
        tx.execute("DELETE FROM docswrite_site WHERE owner = :owner AND id = :id", owner=row.owner, id=row.id)
    if is_default:
        tx.execute("UPDATE docswrite_site SET is_default = 0 WHERE owner = :owner", owner=row.owner)
    tx.execute(
        "INSERT INTO docswrite_site (id, owner, root, name, url, login, secret, is_default, created_at)"
        " VALUES (:id, :owner, :root, :name, :url, :login, :secret, :is_default, :created_at)",
        **row._asdict(),
    )
    return row


def change_secret(tx: Transaction, site: SiteRow, secret: str) -> bool:
    """Store the site's password sealed anew, unless it was changed meanwhile."""
    changed = tx.execute(
        "UPDATE docswrite_site SET secret = :secret WHERE owner = :owner AND id = :id AND secret = :old",
        secret=secret,
        owner=site.owner,
        id=site.id,
        old=site.secret,
    )
    return bool(changed)


def delete_site(tx: Transaction, owner: int, site: str) -> bool:
    """Forget the site; the oldest of the others is the default then. False if there was none."""
    row = find_site_row(tx, owner, site)
    if row is None:
        return False
    tx.execute("DELETE FROM docswrite_site WHERE owner = :owner AND id = :id", owner=owner, id=site)
    if row.is_default:
        tx.execute(
            "UPDATE docswrite_site SET is_default = 1"
            " WHERE id = (SELECT id FROM docswrite_site WHERE owner = :owner ORDER BY created_at, id LIMIT 1)",
            owner=owner,
        )
    return True
