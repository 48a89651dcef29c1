"""The connected sites over HTTP: list, connect, disconnect. Passwords are taken and never given."""

from typing import Any

import msgspec

from jobwire.dialects.parse import read_form
from jobwire.service.call import Call, Reply
from jobwire.systems.docswrite.records_sites import SiteRow
from jobwire.systems.docswrite.settings import DocswriteSettings
from jobwire.systems.docswrite.sites import NewSite, Sites


class SiteForm(msgspec.Struct, frozen=True):
    """What a site is connected with."""

    url: str
    username: str
    application_password: str
    name: str = ""
    default: bool = False


async def get_sites(call: Call) -> Reply:
    """The owner's sites."""
    return Reply([show_site(row) for row in await _open(call).list_of(call.principal.owner)])


async def post_site(call: Call) -> Reply:
    """Connect a site after a look at it and a login."""
    form = read_form(SiteForm, call.body)
    new = NewSite(form.url, form.username, form.application_password, name=form.name, is_default=form.default)
    return Reply(show_site(await _open(call).connect(call.principal.owner, new)))


async def remove_site(call: Call) -> Reply:
    """Disconnect a site; its posts stay."""
    await _open(call).remove(call.principal.owner, call.params["id"])
    return Reply({"deleted": True})


def show_site(row: SiteRow) -> dict[str, Any]:
    """A site as its owner sees it."""
    return {
        "id": row.id,
        "name": row.name,
        "url": row.url,
        "username": row.login,
        "default": bool(row.is_default),
        "createdAt": row.created_at,
    }


def _open(call: Call) -> Sites:
    return Sites(call.services.store, DocswriteSettings(call.services.settings))
