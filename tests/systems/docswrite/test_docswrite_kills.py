"""An attempt dies at every boundary of its work, before and after: one post, and each picture once."""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from docswrite_house import DEADLINE_S, SITES_KEY, Google, run_docswrite
from wordpress_site import WordPressSite

from house_engines import address_in, look_into
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
    assert [one["failedReason"] for one in ended if one["state"] != "completed"] == []
    assert deaths.died == set(plans)
    posts = [one["returnValue"]["data"]["id"] for one in ended]
    assert len(set(posts)) == len(jobs)
    for plan, post in zip(plans, posts, strict=True):
        newest = f"post_title = 'killed {plan}' AND post_type = 'post' AND ID >= {min(posts)}"
        assert site.count("posts", newest) == 1, (plan, post)
    assert site.count("posts", "post_type = 'attachment'") == pictures + PICTURES * len(jobs)


class Server:
    """`jobwire serve` in a process of its own, on the ledger of a folder."""

    def __init__(self, folder: Path, google: Google) -> None:
        self.environment = {
            **os.environ,
            "JOBWIRE_DB": address_in(folder),
            "JOBWIRE_FILES": str(folder / "files"),
            "JOBWIRE_FETCH_ALLOW": "127.0.0.0/8",
            "JOBWIRE_LEASE_MS": "1000",
            "DOCSWRITE_GOOGLE_URL": google.base,
            "DOCSWRITE_SITES_KEY": SITES_KEY,
        }
        self._log = folder / "server.log"

    @contextmanager
    def run(self) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
        """The process and its address; it is killed at the end, whatever it does."""
        command = [sys.executable, "-m", "jobwire", "serve", "--port", "0", "--systems", "docswrite"]
        with self._log.open("wb") as log:
            process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        try:
            yield process, self.await_seen(process, self._find_address)
        finally:
            process.kill()
            process.wait()

    def tell(self, *words: str, **more: str) -> str:
        """What a command says."""
        command = [sys.executable, "-m", "jobwire", *words]
        return subprocess.run(
            command, env={**self.environment, **more}, capture_output=True, text=True, check=True, timeout=DEADLINE_S
        ).stdout

    def await_steps(self, process: "subprocess.Popen[bytes]", count: int) -> None:
        """Wait until so many steps are kept."""
        sql = "SELECT count(*) FROM step"
        self.await_seen(process, lambda: look_into(self.environment["JOBWIRE_DB"], sql)[0][0] >= count or None)

    def has_ended(self) -> bool | None:
        """True once no job is unfinished."""
        sql = "SELECT count(*) FROM state WHERE finalized_at IS NULL"
        return look_into(self.environment["JOBWIRE_DB"], sql)[0][0] == 0 or None

    def _find_address(self) -> str | None:
        found = re.search(r"listens on (http://\S+)", self._log.read_text(errors="replace"))
        return found[1] if found else None

    def await_seen(self, process: "subprocess.Popen[bytes]", look: Callable[[], Any]) -> Any:
        """What `look` returns once it is not None."""
        give_up_at = time.monotonic() + DEADLINE_S
        while time.monotonic() < give_up_at and process.poll() is None:
            if (seen := look()) is not None:
                return seen
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
        raise AssertionError(self._log.read_text(errors="replace")[-2000:])


STEPS = 5


def test_a_process_that_is_killed_after_a_step_doubles_nothing(
    tmp_path: Path, google: Google, site: WordPressSite, house_engine: str
) -> None:
    server = Server(tmp_path, google)
    key = json.loads(server.tell("keys", "create", "--owner", "acme", "--json"))["key"]
    login = {"DOCSWRITE_SITE_PASSWORD": site.passwords["editor"]}
    server.tell("docswrite", "sites", "add", "--owner", "acme", "--url", site.url, "--user", "editor", **login)
    pictures = site.count("posts", "post_type = 'attachment'")
    posts = site.count("posts", "post_type = 'post'")
    jobs: list[str] = []
    for after in range(1, STEPS + 2):
        with (
            server.run() as (process, address),
            httpx.Client(base_url=f"{address}/api", headers={"x-access-token": key}, timeout=DEADLINE_S) as http,
        ):
            # The job of the last round first: three losses in a row would be its end.
            server.await_seen(process, server.has_ended)
            ended = [http.post("/job/status", json={"jobId": job}).json()["data"] for job in jobs]
            if after > STEPS:
                break
            name = f"doc-lost-{after}"
            url = google.share(name, pictures=tuple(f"{house_engine}-{name}-{number}" for number in range(PICTURES)))
            before = look_into(server.environment["JOBWIRE_DB"], "SELECT count(*) FROM step")[0][0]
            jobs.append(http.post("/export", json={"google_docs_url": url}).json()["data"]["jobId"])
            server.await_steps(process, before + after)
    assert [one["failedReason"] for one in ended if one["state"] != "completed"] == []
    assert site.count("posts", "post_type = 'attachment'") == pictures + PICTURES * STEPS
    assert site.count("posts", "post_type = 'post'") == posts + STEPS
