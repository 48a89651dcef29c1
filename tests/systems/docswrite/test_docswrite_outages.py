"""The site dies at every boundary of an export, and in the midst of its requests, and comes back: one post, each
picture once. The worker's own deaths are in test_docswrite_kills.py."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from docswrite_house import Client, Google, run_docswrite
from wordpress_site import WordPressSite

from jobwire.cli.demo_wordpress import Part
from jobwire.worker.context import LoopContext

pytestmark = pytest.mark.slow


BOUNDARIES = 7
"""Five steps, and the ledger's two transactions around the post."""
NEEDING_THE_SITE = 5
"""The transactions before and behind which the site is still asked."""
PICTURES = 2
CUTS: tuple[tuple[str, Part], ...] = (
    ("add_attachment", "web"),
    ("rest_after_insert_attachment", "web"),
    ("created_category", "web"),
    ("save_post", "web"),
    ("rest_after_insert_post", "web"),
    ("save_post", "database"),
)
"""In which hook of WordPress what of it dies."""


@pytest.fixture(autouse=True)
def revived(site: WordPressSite) -> Iterator[None]:
    yield
    site.revive()


class Outages:
    """At the n-th boundary that an export of the document `doc-…-<n>` reaches, a part of the site is ended."""

    def __init__(self, site: WordPressSite, part: Part) -> None:
        self._site, self._part = site, part
        self._passed: Counter[str] = Counter()

    def wrap(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def guarded(context: Any, *args: Any) -> Any:
            name = msgspec.json.decode(context._attempt.claim.input)["google_id"]
            if self._passed[name] == int(name.rpartition("-")[2]):
                self._site.kill(self._part)
            self._passed[name] += 1
            return await method(context, *args)

        return guarded


def export(client: Client, google: Google, name: str) -> str:
    own = tuple(f"{name}-{number}" for number in range(PICTURES))
    return client.export(google.share(name, pictures=own), title=name, categories=f"Kept {name}")


def check_one_of_each(site: WordPressSite, names: list[str], *, pictures_before: int) -> None:
    listed = ", ".join(f"'{name}'" for name in names)
    assert site.count("posts", f"post_title IN ({listed}) AND post_type = 'post'") == len(names)
    kept = ", ".join(f"'Kept {name}'" for name in names)
    assert site.count("terms", f"name IN ({kept})") == len(names)
    pictures = site.count("posts", "post_type = 'attachment'")
    assert pictures == pictures_before + PICTURES * len(names)
    # Also those whose upload was cut off are whole.
    assert site.count("postmeta", "meta_key = '_wp_attachment_metadata'") == pictures


@pytest.mark.parametrize("part", ["web", "database"])
def test_a_site_that_dies_at_any_boundary_gets_one_post_and_each_picture_once(
    part: Part, tmp_path: Path, google: Google, site: WordPressSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    outages = Outages(site, part)
    monkeypatch.setattr(LoopContext, "keep_step", outages.wrap(LoopContext.keep_step))
    monkeypatch.setattr(LoopContext, "write", outages.wrap(LoopContext.write))
    names = [f"doc-{part}-{number}" for number in range(BOUNDARIES)]
    pictures = site.count("posts", "post_type = 'attachment'")
    with run_docswrite(tmp_path, google, DOCSWRITE_ATTEMPTS="20") as house:
        client = house.make_client(f"Without {part}", site)
        for number, name in enumerate(names):
            job = export(client, google, name)
            client.wait(job, *(("delayed",) if number < NEEDING_THE_SITE else ("completed", "failed")))
            site.revive()
            ended = client.wait(job)
            assert ended["state"] == "completed", (name, ended)
    check_one_of_each(site, names, pictures_before=pictures)


def test_a_site_that_dies_before_it_can_answer_gets_one_post_and_each_picture_once(
    tmp_path: Path, google: Google, site: WordPressSite
) -> None:
    names = [f"doc-{hook.replace('_', '-')}-{part}" for hook, part in CUTS]
    pictures = site.count("posts", "post_type = 'attachment'")
    with run_docswrite(tmp_path, google, DOCSWRITE_ATTEMPTS="20") as house:
        client = house.make_client("Cut off", site)
        for name, (hook, part) in zip(names, CUTS, strict=True):
            with site.death(part, hook=hook):
                job = export(client, google, name)
            client.wait(job, "delayed")
            site.revive()
            ended = client.wait(job)
            assert ended["state"] == "completed", (name, ended)
    check_one_of_each(site, names, pictures_before=pictures)
