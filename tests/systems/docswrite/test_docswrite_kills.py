"""An attempt dies at every boundary of its work, before and after: one post, and each picture once."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from docswrite_house import Google, run_docswrite
from wordpress_site import WordPressSite

from jobwire.worker.context import LoopContext

pytestmark = pytest.mark.slow

BOUNDARIES = 7
"""Five steps, and the ledger's two transactions around the post."""
PICTURES = 2


class Deaths:
    """Lets the first attempt of the document `kill-<n>` die at boundary n / 2: before it, or after for odd n."""

    def __init__(self) -> None:
        self.passed: Counter[int] = Counter()
        self.died: set[int] = set()

    def wrap(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(context: Any, *args: Any) -> Any:
            task = msgspec.json.decode(context._attempt.claim.input)
            _, _, plan = task["google_id"].rpartition("-")
            boundary, is_after = divmod(int(plan), 2)
            here = self.passed[int(plan)]
            self.passed[int(plan)] += 1
            dies = context.attempt == 1 and here == boundary
            if dies:
                self.died.add(int(plan))
            if dies and not is_after:
                raise RuntimeError("killed before it")
            result = await method(context, *args)
            if dies:
                raise RuntimeError("killed after it")
            return result

        return guarded


def test_a_death_at_every_boundary_doubles_nothing(
    tmp_path: Path, google: Google, site: WordPressSite, house_engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = Deaths()
    monkeypatch.setattr(LoopContext, "keep_step", deaths.wrap(LoopContext.keep_step))
    monkeypatch.setattr(LoopContext, "write", deaths.wrap(LoopContext.write))
    pictures = site.count("posts", "post_type = 'attachment'")
    with run_docswrite(tmp_path, google) as house:
        client = house.make_client("Unlucky", site)
        plans = range(2 * BOUNDARIES)
        jobs = []
        for plan in plans:
            own = tuple(f"{house_engine}-kill-{plan}-{number}" for number in range(PICTURES))
            jobs.append(client.export(google.share(f"doc-kill-{plan}", pictures=own), title=f"killed {plan}"))
        ended = [client.wait(job) for job in jobs]
    assert [one["state"] for one in ended] == ["completed"] * len(jobs), ended
    assert deaths.died == set(plans)
    posts = [one["returnValue"]["data"]["id"] for one in ended]
    assert len(set(posts)) == len(jobs)
    for plan, post in zip(plans, posts, strict=True):
        newest = f"post_title = 'killed {plan}' AND post_type = 'post' AND ID >= {min(posts)}"
        assert site.count("posts", newest) == 1, (plan, post)
    assert site.count("posts", "post_type = 'attachment'") == pictures + PICTURES * len(jobs)
