"""Files that jobs keep: a result that is reported is readable and its hash matches (G13)."""

import hashlib
import os

import msgspec
import pytest
from worker_house import error_of, kind_of, run, working_house
from worker_targets import save_in_child

from jobwire.domain.phases import Phase
from jobwire.kinds.contract import Context


async def save_in_loop(ctx: Context, source: str, keep_s: float | None = None) -> dict:
    saved = await ctx.save_file(source, name="made.txt", content_type="text/plain", keep_s=keep_s)
    return {"sha256": saved.sha256, "size_bytes": saved.size_bytes}


def save_in_thread(ctx: Context, source: str, keep_s: float | None = None) -> dict:
    saved = ctx.save_file(source, name="made.txt", content_type="text/plain", keep_s=keep_s)
    return {"sha256": saved.sha256, "size_bytes": saved.size_bytes}


FORMS = pytest.mark.parametrize(
    ("handler", "isolation"), [(save_in_loop, "none"), (save_in_thread, "none"), (save_in_child, "process")]
)


def save(handler, isolation, source, files):
    async def look():
        kind = kind_of(handler, name="work", isolation=isolation)
        async with working_house(kind, files=files, with_children=isolation == "process") as house:
            row = await house.finish("work", {"source": str(source)})
            kept = None
            if row.phase is Phase.COMPLETED:
                sha256 = msgspec.json.decode(row.output)["sha256"]
                blobs = house.tools.blobs
                kept = blobs.path_of(sha256).read_bytes(), blobs.verify(sha256)
            return row, kept

    return run(look())


@FORMS
def test_a_saved_file_is_readable_under_its_hash(handler, isolation, tmp_path):
    data = os.urandom(300_000)
    (tmp_path / "made").write_bytes(data)
    row, kept = save(handler, isolation, tmp_path / "made", tmp_path / "files")
    assert msgspec.json.decode(row.output) == {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
    assert kept == (data, True)


@FORMS
def test_a_file_that_is_not_there_fails_the_job_and_shows_no_path(handler, isolation, tmp_path):
    row, _ = save(handler, isolation, tmp_path / "secret-folder" / "made", tmp_path / "files")
    assert error_of(row)["code"] == "file_unreadable"
    assert "secret-folder" not in row.error


@pytest.mark.parametrize("handler", [save_in_loop, save_in_thread])
def test_a_worker_without_a_folder_says_so(handler, tmp_path):
    row, _ = save(handler, "none", tmp_path, None)
    assert error_of(row)["code"] == "no_file_store"


@FORMS
@pytest.mark.parametrize("keep_s", [None, 60])
def test_the_job_holds_what_it_saved(handler, isolation, keep_s, tmp_path):
    (tmp_path / "made").write_bytes(b"made")

    async def look():
        kind = kind_of(handler, name="work", isolation=isolation)
        async with working_house(kind, files=tmp_path / "files", with_children=isolation == "process") as house:
            row = await house.finish("work", {"source": str(tmp_path / "made"), "keep_s": keep_s})
            return row, await house.store.read(lambda r: r.query("SELECT holder, sha256, expires_at FROM file_hold"))

    row, ((holder, sha256, expires_at),) = run(look())
    assert (holder, sha256) == (f"job:{row.number}", hashlib.sha256(b"made").hexdigest())
    assert expires_at is None if keep_s is None else row.created_at < expires_at - 60_000 <= row.finalized_at


@pytest.mark.parametrize("keep_s", [0, -1, float("nan")])
def test_a_file_is_kept_for_some_time_or_not_at_all(keep_s, tmp_path):
    (tmp_path / "made").write_bytes(b"made")

    async def keep_badly(ctx: Context) -> None:
        await ctx.save_file(tmp_path / "made", name="made.txt", content_type="text/plain", keep_s=keep_s)

    async def look():
        async with working_house(kind_of(keep_badly, attempts=1), files=tmp_path / "files") as house:
            row = await house.finish("keep_badly")
            return row, await house.store.attempts(row.number)

    row, attempts = run(look())
    assert row.phase is Phase.FAILED and "more than 0 seconds" in attempts[0].internal
