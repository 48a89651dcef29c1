"""The job media_optimize: brings one picture in, makes its variants, keeps them. photos.py works on the pixels."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from jobwire.blobs.contract import Blobs
from jobwire.domain.errors import JobError
from jobwire.kinds.contract import ChildLimits, Context, FinalJob
from jobwire.net.fetch import Fetcher, FetchPolicy
from jobwire.store.contract import Store, Transaction
from jobwire.systems.rentix.photos import LIMITS, PhotoReport, PhotoRequest, optimise_photo
from jobwire.systems.rentix.records_media import (
    FAILED,
    PENDING,
    PROCESSING,
    SUCCESS,
    MediaRow,
    fail_unfinished,
    find_media,
    keep_report,
    mark_media,
)

MEDIA_OPTIMIZE: Final = "media_optimize"

_CHILD_LIMITS: Final = ChildLimits(
    memory_bytes_max=LIMITS.memory_bytes_max, cpu_s_max=LIMITS.cpu_s_max, wall_ms_max=LIMITS.wall_ms_max
)


class OptimizeInput(msgspec.Struct, frozen=True, rename="camel"):
    """Which file to optimise."""

    media_id: int


class PhotoWork:
    """Optimises the files of one house: fetched under `policy` or read from `blobs`, each in a child process."""

    def __init__(self, store: Store, blobs: Blobs, policy: FetchPolicy) -> None:
        self._store = store
        self._blobs = blobs
        self._policy = policy

    async def optimize(self, ctx: Context, file: OptimizeInput) -> dict[str, Any]:
        """Optimise a file and make its thumbnails."""
        media = await self._store.read(lambda reader: find_media(reader, ctx.owner, number=file.media_id))
        if media is None:
            raise JobError("media_deleted", "The file was deleted before it was optimised")
        await self.prepare(ctx, media)
        return {"mediaId": media.id, "finalStatus": SUCCESS}

    async def prepare(self, ctx: Context, media: MediaRow) -> PhotoReport:
        """The report of an optimised file; a file that is optimised already is neither fetched nor decoded again.

        Raises JobError and keeps its public part on the file.
        """
        if media.optimization == SUCCESS and media.report is not None:
            return msgspec.json.decode(media.report, type=PhotoReport)
        await ctx.write(_marking(ctx.owner, media.id, PROCESSING))
        try:
            report = await ctx.step(f"photo:{media.id}", lambda: self._make_variants(ctx, media))
        except JobError as error:
            state = PENDING if error.retryable else FAILED
            await ctx.write(_marking(ctx.owner, media.id, state, error=show_error(error)))
            raise
        return msgspec.convert(report, PhotoReport)

    async def _make_variants(self, ctx: Context, media: MediaRow) -> Any:
        with ctx.scratch() as folder:
            request = PhotoRequest(source=str(await self._bring(media, folder)), out_dir=str(folder / "out"))
            report: PhotoReport = await ctx.isolate(optimise_photo, request, limits=_CHILD_LIMITS)
            for file in (report.original, *report.variants):
                await ctx.save_file(folder / "out" / file.file, name=file.file, content_type=file.content_type)
        kept = msgspec.json.encode(report).decode()
        await ctx.write(
            lambda tx: keep_report(
                tx,
                ctx.owner,
                media.id,
                report=kept,
                content_type=report.original.content_type,
                size_bytes=report.original.size_bytes,
            )
        )
        return report

    async def _bring(self, media: MediaRow, folder: Path) -> Path:
        if media.upload_sha256 is not None:
            return await asyncio.to_thread(self._blobs.bring, media.upload_sha256, folder)
        if media.source_url is None:
            raise JobError("photo_missing", "The file was never uploaded")
        limits = PhotoRequest("", "").limits
        async with Fetcher(self._policy) as fetcher:
            fetched = await fetcher.download(
                media.source_url,
                folder / "source",
                body_bytes_max=limits.bytes_max,
                accept="image/*",
            )
        return fetched.path


def conclude_media(tx: Transaction, final: FinalJob) -> None:
    """The job of a file has ended: what is not optimised by now has failed."""
    if not final.completed:
        media = msgspec.json.decode(final.input, type=OptimizeInput).media_id
        fail_unfinished(tx, final.owner, [media])


def show_error(error: JobError) -> str:
    """The public part of an error, as it is kept on a file."""
    public = {"code": error.code, "message": error.message, "retryable": error.retryable}
    return msgspec.json.encode(public).decode()


def _marking(owner: int, media: int, state: str, *, error: str | None = None) -> Callable[[Transaction], None]:
    return lambda tx: mark_media(tx, owner, media, optimization=state, error=error)
