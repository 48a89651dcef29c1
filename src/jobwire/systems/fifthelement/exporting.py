"""The job export: a repository's documents, or their chunks with vectors, become one file behind a signed link."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from jobwire.kinds.contract import ChildLimits, Context
from jobwire.service.services import Services
from jobwire.store.files import hold_files, name_job
from jobwire.systems.fifthelement.exporting_rows import ROW_SOURCES, RowSource
from jobwire.systems.fifthelement.subjects import require_repository, take_up
from jobwire.systems.fifthelement.views import moment
from jobwire.tables.feeding import feed
from jobwire.tables.spec import CONTENT_TYPES, Format
from jobwire.tables.writing import WriteRequest, Written, write_table

LINK_LIFETIME_S: Final = 24 * 3_600
PAGE_ROWS: Final = 500

CHILD_LIMITS: Final = ChildLimits(memory_bytes_max=1_000_000_000, cpu_s_max=900, wall_ms_max=1_800_000)


class ExportBody(msgspec.Struct, frozen=True, rename="camel"):
    """As what file; `include_vectors` asks for the chunks with their vectors, a row each."""

    format: Format = "jsonl"
    include_vectors: bool = False


class ExportInput(ExportBody, frozen=True, rename="camel", kw_only=True):
    """Which repository, and as what file."""

    repository: str


@dataclass(slots=True)
class _Runs:
    """How many different names were given, where equal ones follow each other."""

    count: int = 0
    last: str = ""

    def add(self, name: str) -> None:
        self.count += name != self.last
        self.last = name


class Exporting:
    """Exports the repositories of one house: rows go from the ledger through a pipe to the child that writes them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def run(self, ctx: Context, request: ExportInput) -> dict[str, Any]:
        """Write a repository's documents or chunks into one file."""
        await ctx.write(partial(take_up, owner=ctx.owner, job=ctx.number, repository=request.repository))
        source = ROW_SOURCES[request.include_vectors]
        written: dict[str, Any] = await ctx.step("export", lambda: self._write(ctx, request, source))
        await self._services.store.read(lambda reader: require_repository(reader, ctx.owner, request.repository))
        link = self._services.links.sign(
            written["sha256"],
            name=f"{source.name}.{request.format}",
            content_type=CONTENT_TYPES[request.format],
            lifetime_s=LINK_LIFETIME_S,
        )
        expires_at = moment(self._services.clock() + LINK_LIFETIME_S * 1_000)
        return written | {"downloadUrl": link, "expiresAt": expires_at}

    async def _write(self, ctx: Context, request: ExportInput, source: RowSource) -> dict[str, Any]:
        """Write the file and keep it: a retry before that is done starts anew, after that there is nothing to do."""
        documents = _Runs()
        with ctx.scratch() as folder:
            wanted = WriteRequest(
                feed=str(folder / "rows"),
                path=str(folder / "table"),
                format=request.format,
                columns=list(source.columns),
            )
            written: Written = await feed(
                folder / "rows",
                self._read(ctx, request.repository, source, documents=documents),
                work=lambda: ctx.isolate(write_table, wanted, limits=CHILD_LIMITS),
            )
            blob = await asyncio.to_thread(self._services.blobs.put, folder / "table")
        await ctx.write(partial(hold_files, holder=name_job(ctx.number), files=[blob.sha256]))
        return {
            "documentsProcessed": documents.count,
            "errors": 0,
            "table": source.name,
            "format": request.format,
            "rows": written.rows,
            "bytes": blob.size_bytes,
            "sha256": blob.sha256,
        }

    async def _read(
        self, ctx: Context, repository: str, source: RowSource, *, documents: _Runs
    ) -> AsyncGenerator[list[Any], None]:
        """The rows in pages by their keys: what is added or deleted meanwhile may be seen or not, each row whole."""
        store, blobs, owner = self._services.store, self._services.blobs, ctx.owner
        total = await store.read(lambda reader: source.count(reader, owner, repository))
        done, after = 0, source.first
        while rows := await store.read(
            partial(source.list_after, owner=owner, repository=repository, after=after, limit=PAGE_ROWS)
        ):
            ctx.check_cancelled()
            page: list[Any] = []
            for row in rows:
                documents.add(source.document(row))
                if source.is_short(row):
                    page.append(source.show(row, blobs))
                    continue
                # A long text comes out of its blob only now and goes at once, so that there are never many.
                page.append(await asyncio.to_thread(source.show, row, blobs))
                yield page
                page = []
            yield page
            after, done = source.key(rows[-1]), done + len(rows)
            ctx.progress(done=done, total=max(done, total))
