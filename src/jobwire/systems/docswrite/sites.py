"""Connecting an owner's WordPress sites: looked at and logged in to first, then stored with their password sealed."""

from dataclasses import dataclass, field
from functools import partial
from typing import Final

from jobwire.domain.errors import JobError, RequestError
from jobwire.net.fetch import Fetcher
from jobwire.net.policy import FetchPolicy
from jobwire.store.contract import Reader, Store
from jobwire.systems.docswrite.records_sites import (
    SiteRow,
    change_secret,
    delete_site,
    find_site_row,
    is_site,
    keep_site,
    list_all_sites,
    list_sites,
)
from jobwire.systems.docswrite.sealing import Sealer
from jobwire.systems.docswrite.settings import SITES_KEY, DocswriteSettings
from jobwire.systems.docswrite.site_search import FoundSite, find_site
from jobwire.systems.docswrite.wordpress import SiteLogin, WordPress

WORD_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class NewSite:
    """A site to connect: the address people know, and a user with an application password."""

    url: str
    login: str
    password: str = field(repr=False)
    name: str = ""
    is_default: bool = False


class Sites:
    """The sites of one ledger. Without a key nothing is stored, and nothing that was stored can be read."""

    def __init__(self, store: Store, settings: DocswriteSettings) -> None:
        self._store = store
        self._settings = settings

    async def connect(self, owner: int, new: NewSite) -> SiteRow:
        """The site, connected; one that was before is changed.

        RequestError unprocessable says what is wrong with the site or login, unavailable what may pass.
        """
        sealer = self._require_sealer()
        for word, text in (("the user", new.login), ("the password", new.password), ("the name", new.name)):
            if len(text) > WORD_CHARS_MAX or not text.isprintable():
                raise RequestError("invalid_request", f"{word} has at most {WORD_CHARS_MAX} printable characters")
        try:
            found = await check_site(new, self._settings.fetch_policy)
        except JobError as error:
            raise RequestError("unavailable" if error.retryable else "unprocessable", error.message) from error
        holder = _name_holder(owner, found.root, new.login)
        row = SiteRow(
            id="",
            owner=owner,
            root=found.root,
            name=new.name or _tidy_name(found.name),
            url=found.home,
            login=new.login,
            secret=sealer.seal(new.password, holder=holder),
            is_default=int(new.is_default),
            created_at=0,
        )
        return await self._store.write(lambda tx: keep_site(tx, row))

    async def list_of(self, owner: int) -> list[SiteRow]:
        """The owner's sites, oldest first."""
        return await self._store.read(lambda reader: list_sites(reader, owner))

    async def remove(self, owner: int, site: str) -> None:
        """Forget a site and its password. RequestError item_not_found."""
        if not await self._store.write(lambda tx: delete_site(tx, owner, site)):
            raise RequestError("item_not_found", f"there is no site {site[:80]!r}; the list of sites has the ids")

    async def open_login(self, owner: int, site: str) -> tuple[SiteRow, SiteLogin]:
        """A site with the login to it. JobError site_removed, or site_locked where its key is not known here."""
        row = await self._store.read(lambda reader: find_site_row(reader, owner, site))
        if row is None:
            raise JobError("site_removed", "the site was disconnected before the export; connect it and export again")
        sealer = self._settings.sealer
        try:
            if sealer is None:
                raise KeyError(SITES_KEY)
            password = sealer.open(row.secret, holder=_name_holder(owner, row.root, row.login))
        except (KeyError, ValueError) as error:
            raise JobError(
                "site_locked", f"the password of {row.url} cannot be read any more; connect the site again"
            ) from error
        return row, SiteLogin(row.root, row.login, password)

    async def reseal(self) -> int:
        """Seal every password with the newest key; returns how many were not. RequestError for one of no key here."""
        sealer = self._require_sealer()
        old = [row for row in await self._store.read(list_all_sites) if not sealer.is_newest(row.secret)]
        for row in old:
            holder = _name_holder(row.owner, row.root, row.login)
            try:
                secret = sealer.seal(sealer.open(row.secret, holder=holder), holder=holder)
            except (KeyError, ValueError) as error:
                raise RequestError(
                    "conflict", f"no key of {SITES_KEY} opens the password of {row.url}; add its old key"
                ) from error
            await self._store.write(partial(change_secret, site=row, secret=secret))
        return len(old)

    def _require_sealer(self) -> Sealer:
        sealer = self._settings.sealer
        if sealer is None:
            raise RequestError(
                "unavailable",
                f"passwords of sites are not stored without a key: the operator sets {SITES_KEY} to 32 random "
                "characters or more (openssl rand -hex 32)",
            )
        return sealer


def choose_site(reader: Reader, owner: int, word: str | None) -> SiteRow:
    """The owner's site of this id or name, the default for None.

    RequestError forbidden for another owner's site, invalid_request for one there is not.
    """
    sites = list_sites(reader, owner)
    if word is None:
        chosen = next((site for site in sites if site.is_default), None)
        if chosen is None:
            raise RequestError("invalid_request", "no WordPress site is connected; connect one with POST /api/sites")
        return chosen
    for site in sites:
        if word in (site.id, site.name):
            return site
    if is_site(reader, word):
        raise RequestError("forbidden", "this site belongs to another account")
    raise RequestError("invalid_request", f"site is {word[:80]!r}; there is no such site, GET /api/sites lists yours")


async def check_site(new: NewSite, policy: FetchPolicy) -> FoundSite:
    """The site's REST API, which took the login. JobError says what is wrong."""
    async with Fetcher(policy) as fetcher:
        found = await find_site(fetcher, new.url)
        await WordPress(fetcher, SiteLogin(found.root, new.login, new.password)).check_login()
        return found


def _tidy_name(name: str) -> str:
    """What a stranger's site calls itself, as one may store and show it."""
    return "".join(char for char in name if char.isprintable())[:WORD_CHARS_MAX]


def _name_holder(owner: int, root: str, login: str) -> str:
    return f"{owner}\0{root}\0{login}"
