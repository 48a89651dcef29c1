"""The run's real WordPress, and calls to it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from wordpress_site import LOOPBACK, WordPressSite, start_site

from jobwire.net.fetch import Fetcher
from jobwire.systems.docswrite.wordpress import SiteLogin, WordPress

Work = Callable[[WordPress], Coroutine[Any, Any, Any]]


@pytest.fixture(scope="session")
def site() -> WordPressSite:
    return start_site()


@pytest.fixture
def ask(site: WordPressSite) -> Callable[..., Any]:
    """Run `work(client)` as a user of the site: `ask(work, user="editor", password=…, root=…)`."""

    def run(work: Work, *, user: str = "editor", password: str | None = None, root: str | None = None) -> Any:
        async def talk() -> Any:
            async with Fetcher(LOOPBACK) as fetcher:
                secret = site.passwords[user] if password is None else password
                return await work(WordPress(fetcher, SiteLogin(root or f"{site.url}/wp-json/", user, secret)))

        return asyncio.run(talk())

    return run
