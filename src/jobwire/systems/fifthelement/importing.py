"""The job import: the rows of a table, or the files of a zip archive, become documents of a repository.

First the file is read whole, by a child process, into documents-to-be (table_documents.py): a step, so that a retry
does not read it again. Then they are kept batch by batch (importing_rows.py), each with how far the import has come.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final, Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec

from jobwire.blobs.contract import Blobs
from jobwire.blobs.links import FileLinks
from jobwire.domain.errors import JobError, RequestError
from jobwire.kinds.contract import ChildLimits, Context
from jobwire.net.fetch import Fetcher
from jobwire.net.policy import FetchPolicy
from jobwire.service.services import Services
from jobwire.store.files import hold_files, name_job
from jobwire.systems.fifthelement.importing_rows import Batch, Target, keep_batch, keep_texts
from jobwire.systems.fifthelement.subjects import take_up
from jobwire.systems.fifthelement.table_documents import (
    DocumentLine,
    Mapping,
    ReadReport,
    ReadRequest,
    read_documents,
)
from jobwire.systems.fifthelement.table_records import ImportState, read_import
from jobwire.tables.checking import ColumnType
from jobwire.tables.spec import Format, Source

LINK_LIFETIME_S: Final = 24 * 3_600
FILE_BYTES_MAX: Final = 512 << 20
FETCH_MS: Final = 600_000
BATCH_ROWS: Final = 2_500
"""A commit writes whole pages of indexes: more rows share each. The ledger's one writer is held for 30 ms."""

BATCH_BYTES: Final = 2 << 20
PROCESSED_BATCH_ROWS: Final = 50
"""Rows that each start a job cost the ledger's one writer ten times as much."""

CHILD_LIMITS: Final = ChildLimits(memory_bytes_max=1_500_000_000, cpu_s_max=600, wall_ms_max=1_200_000)
"""Measured: 40 MB for CSV and JSON lines of any length, 150 MB for a million keys, 300 MB for Parquet."""

BAD_ROWS_NAME: Final = "bad-rows.csv"
BAD_ROWS_TYPE: Final = "text/csv; charset=utf-8"


Delimiter = Annotated[str, msgspec.Meta(pattern=r"^[^\"\r\n]$")]


class ImportInput(msgspec.Struct, frozen=True, rename="camel"):
    """What to import into which repository: `source` is a signed link to a file that is kept here, or else `url`.

    `mode` "all" keeps nothing if any row is bad, "valid" keeps the rows that are good. `title`, `content` and `key`
    name columns, `types` gives columns types. With `process`, each document is cut and made findable.
    """

    repository: str
    source: str | None = None
    url: str | None = None
    mode: Literal["valid", "all"] = "valid"
    format: Format | None = None
    title: str | None = None
    content: str | None = None
    key: str | None = None
    types: dict[str, ColumnType] = {}
    encoding: str | None = None
    delimiter: Delimiter | None = None
    sheet: str | None = None
    process: bool = True


class _Kept(msgspec.Struct, frozen=True):
    """What the step `read` gives: the report, and where rows and bad rows are kept."""

    report: ReadReport
    rows_sha256: str
    rows_bytes: int
    bad_sha256: str | None


class Importing:
    """Imports into the repositories of one house; `policy` says what URLs may reach."""

    def __init__(self, services: Services, policy: FetchPolicy) -> None:
        self._services = services
        self._policy = policy

    async def run(self, ctx: Context, request: ImportInput) -> dict[str, Any]:
        """Import the rows of a file, or the files of an archive, as documents."""
        await ctx.write(partial(take_up, owner=ctx.owner, job=ctx.number, repository=request.repository))
        ctx.progress(stage="read")
        read = msgspec.convert(await ctx.step("read", lambda: self._read(ctx, request)), _Kept)
        result = self._show_reading(read)
        if request.mode == "all" and read.report.bad:
            raise _refuse_bad(read.report, result)
        state = await self._keep(ctx, request, read)
        return result | {"added": state.added, "changed": state.changed, "unchanged": state.unchanged}

    async def _read(self, ctx: Context, request: ImportInput) -> _Kept:
        blobs = self._services.blobs
        with ctx.scratch() as folder:
            (folder / "files").mkdir()
            source = Source(
                str(await self._bring(request, folder)), request.format, request.encoding, request.delimiter,
                request.sheet,
            )  # fmt: skip
            wanted = ReadRequest(
                source,
                rows=str(folder / "rows"),
                bad=str(folder / BAD_ROWS_NAME),
                folder=str(folder / "files"),
                mapping=Mapping(request.title, request.content, request.key, request.types),
                mark=f"{ctx.owner}/{ctx.number}",
            )
            report: ReadReport = await ctx.isolate(read_documents, wanted, limits=CHILD_LIMITS)
            for file in sorted((folder / "files").iterdir()):
                await asyncio.to_thread(blobs.put, file)
            rows = await asyncio.to_thread(blobs.put, folder / "rows")
            bad = await asyncio.to_thread(blobs.put, folder / BAD_ROWS_NAME) if report.bad else None
        kept = [rows.sha256, *([bad.sha256] if bad else [])]
        await ctx.write(partial(hold_files, holder=name_job(ctx.number), files=kept))
        return _Kept(report, rows.sha256, rows.size_bytes, bad.sha256 if bad else None)

    async def _bring(self, request: ImportInput, folder: Path) -> Path:
        if request.source is not None:
            sha256 = check_source(self._services.links, request.source)
            try:
                return await asyncio.to_thread(self._services.blobs.bring, sha256, folder)
            except FileNotFoundError:
                raise JobError("source_gone", "The file to import is no longer kept; upload it again") from None
        if request.url is None:
            raise JobError("source_missing", "There is nothing to import: give a source or a url")
        async with Fetcher(self._policy) as fetcher:
            fetched = await fetcher.download(request.url, folder / "source")
        return fetched.path

    async def _keep(self, ctx: Context, request: ImportInput, read: _Kept) -> ImportState:
        """Keep the rows from where the last attempt came to, batch by batch under the fence."""
        services, report = self._services, read.report
        processes = request.process or report.format == "zip"
        target = Target(ctx.owner, request.repository, ctx.number, processes)
        state = await services.store.read(lambda reader: read_import(reader, ctx.owner, ctx.number))
        if state.kept_bytes == read.rows_bytes or report.bad == report.rows:
            return state
        with (
            ctx.scratch() as folder,
            (await asyncio.to_thread(services.blobs.bring, read.rows_sha256, folder)).open("rb") as file,
        ):
            file.seek(state.kept_bytes)
            batches = _read_batches(file, services.blobs, rows_max=PROCESSED_BATCH_ROWS if processes else BATCH_ROWS)
            async for state in self._write_batches(ctx, target, batches):
                done = report.bad + state.added + state.changed + state.unchanged
                ctx.progress(stage="keep", done=done, total=report.rows)
        return state

    async def _write_batches(
        self, ctx: Context, target: Target, batches: Iterator[Batch]
    ) -> AsyncIterator[ImportState]:
        """How far the import has come, after each batch; while one is on its way to the disk, the next is read.

        Never two at a time: in one transaction they would have one time, and the documents no order.
        """
        writing: asyncio.Task[ImportState] | None = None
        try:
            while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                if writing is not None:
                    yield await writing
                ctx.check_cancelled()
                work = partial(keep_batch, jobs=self._services.jobs, target=target, batch=batch)
                writing = asyncio.create_task(ctx.write(work))
            if writing is not None:
                yield await writing
        except RequestError as error:
            raise _put_off(error) from error
        finally:
            await asyncio.gather(*filter(None, [writing]), return_exceptions=True)

    def _show_reading(self, read: _Kept) -> dict[str, Any]:
        report = read.report
        shown: dict[str, Any] = {
            "documentsProcessed": report.rows - report.bad,
            "errors": report.bad,
            "format": report.format,
            "rows": report.rows,
        }
        if read.bad_sha256 is None:
            return shown
        link = self._services.links.sign(
            read.bad_sha256, name=BAD_ROWS_NAME, content_type=BAD_ROWS_TYPE, lifetime_s=LINK_LIFETIME_S
        )
        return shown | {"badRows": msgspec.to_builtins(report.first_bad), "badRowsUrl": link}


def check_source(links: FileLinks, source: str) -> str:
    """The address of the file that a signed link leads to, which proves that its sender may read it; JobError."""
    try:
        parts = urlsplit(source)
        return links.check(parts.path, dict(parse_qsl(parts.query))).sha256
    except (RequestError, ValueError):
        raise JobError(
            "source_gone", "The link to the file to import is not valid, or has expired; upload the file again"
        ) from None


def _read_batches(file: BinaryIO, blobs: Blobs, *, rows_max: int) -> Iterator[Batch]:
    """The rows from here on, so many at a time or BATCH_BYTES of them, their texts kept. Blocks."""
    decode = msgspec.json.Decoder(list[DocumentLine]).decode
    start = file.tell()
    if start == 0:
        file.readline()  # the mark that makes these rows nobody else's
    while lines := _read_lines(file, rows_max):
        rows = decode(b"[%b]" % b",".join(lines))
        end = file.tell()
        yield Batch(start, end, rows, keep_texts(blobs, rows))
        start = end


def _read_lines(file: BinaryIO, rows_max: int) -> list[bytes]:
    lines: list[bytes] = []
    size = 0
    while len(lines) < rows_max and size < BATCH_BYTES and (line := file.readline()):
        lines.append(line)
        size += len(line)
    return lines


def _refuse_bad(report: ReadReport, result: dict[str, Any]) -> JobError:
    first = report.first_bad[0]
    place = f"line {first.line}" + (f", field {first.field!r}" if first.field else "")
    return JobError(
        "rows_refused",
        f"{report.bad:,} of {report.rows:,} rows are bad, so none was imported; the first: {place}: {first.reason}",
        details=result | {"documentsProcessed": 0},
    )


def _put_off(error: RequestError) -> JobError:
    wait_ms = None if error.retry_after_s is None else error.retry_after_s * 1_000
    return JobError(error.code, error.message, retryable=True, details=error.details, retry_after_ms=wait_ms)
