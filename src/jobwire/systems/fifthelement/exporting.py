"""The job export: a repository's documents, or their chunks with vectors, become one file behind a signed link.

A long table is written part by part, each a kept file and a step: a retry goes on behind the last of them.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from jobwire.kinds.contract import ChildLimits, Context
from jobwire.service.services import Services
from jobwire.store.contract import Transaction
from jobwire.store.files import hold_files, name_job
from jobwire.systems.fifthelement.exporting_rows import ROW_SOURCES, RowSource, Walk
from jobwire.systems.fifthelement.subjects import require_repository, take_up
from jobwire.systems.fifthelement.views import moment
from jobwire.tables.feeding import encode_page, feed
from jobwire.tables.joining import JoinRequest, join_tables
from jobwire.tables.spec import CONTENT_TYPES, Format, explain_large
from jobwire.tables.writing import WriteRequest, Written, write_table

LINK_LIFETIME_S: Final = 24 * 3_600
PAGE_ROWS: Final = 500
PART_BYTES: Final = 128 << 20
"""Of rows on their way: what a kill makes the next attempt read and write again. Most tables are one part."""

PART_KEPT_MS: Final = 2 * 24 * 3_600_000
"""More than all attempts may take."""

FILE_BYTES_MAX: Final = 1 << 30
"""What a child process may write."""

CHILD_LIMITS: Final = ChildLimits(memory_bytes_max=1_000_000_000, cpu_s_max=900, wall_ms_max=1_800_000)


class ExportBody(msgspec.Struct, frozen=True, rename="camel"):
    """As what file; `include_vectors` asks for the chunks with their vectors, a row each."""

    format: Format = "jsonl"
    include_vectors: bool = False


class ExportInput(ExportBody, frozen=True, rename="camel", kw_only=True):
    """Which repository, and as what file."""

    repository: str


class _Part(msgspec.Struct, frozen=True):
    """What a step has written, and how far it came."""

    sha256: str
    size_bytes: int
    reached: Walk


class Exporting:
    """Exports the repositories of one house: rows go from the ledger through a pipe to the child that writes them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def run(self, ctx: Context, request: ExportInput) -> dict[str, Any]:
        """Write a repository's documents or chunks into one file."""
        await ctx.write(partial(take_up, owner=ctx.owner, job=ctx.number, repository=request.repository))
        source = ROW_SOURCES[request.include_vectors]()
        parts: list[_Part] = []
        while not parts or not parts[-1].reached.is_over:
            reached = parts[-1].reached if parts else Walk(source.first)
            work = partial(self._write_part, ctx, request, source, reached)
            parts.append(msgspec.convert(await ctx.step(f"part {len(parts) + 1}", work), _Part))
            if sum(part.size_bytes for part in parts) > FILE_BYTES_MAX:
                raise explain_large()
        whole = parts[0]
        if len(parts) > 1:
            whole = msgspec.convert(await ctx.step("join", partial(self._join, ctx, request, parts)), _Part)
        await self._services.store.read(lambda reader: require_repository(reader, ctx.owner, request.repository))
        return self._show(request, whole, name=source.name)

    async def _write_part(self, ctx: Context, request: ExportInput, source: RowSource, reached: Walk) -> _Part:
        """Write the rows from there on, PART_BYTES of them at the most, and keep the file."""
        walk = msgspec.structs.replace(reached)
        with ctx.scratch() as folder:
            wanted = WriteRequest(
                feed=str(folder / "rows"),
                path=str(folder / "table"),
                format=request.format,
                columns=list(source.columns),
                rows_before=walk.rows,
            )
            written: Written = await feed(
                folder / "rows",
                self._read(ctx, request.repository, source, walk=walk),
                work=lambda: ctx.isolate(write_table, wanted, limits=CHILD_LIMITS),
            )
            assert written.rows == walk.rows - reached.rows
            is_whole = walk.is_over and reached.rows == 0
            return await self._keep(ctx, folder / "table", walk, kept_ms=None if is_whole else PART_KEPT_MS)

    async def _join(self, ctx: Context, request: ExportInput, parts: Sequence[_Part]) -> _Part:
        blobs, last = self._services.blobs, parts[-1].reached
        with ctx.scratch() as folder:
            paths = [str(await asyncio.to_thread(blobs.bring, part.sha256, folder)) for part in parts]
            wanted = JoinRequest(paths, str(folder / "table"), request.format)
            await ctx.isolate(join_tables, wanted, limits=CHILD_LIMITS)
            return await self._keep(ctx, folder / "table", last, kept_ms=None)

    async def _keep(self, ctx: Context, path: Path, reached: Walk, *, kept_ms: int | None) -> _Part:
        blob = await asyncio.to_thread(self._services.blobs.put, path)

        def hold(tx: Transaction) -> None:
            expires_at = None if kept_ms is None else tx.now + kept_ms
            hold_files(tx, name_job(ctx.number), files=[blob.sha256], expires_at=expires_at)

        await ctx.write(hold)
        return _Part(blob.sha256, blob.size_bytes, reached)

    async def _read(
        self, ctx: Context, repository: str, source: RowSource, *, walk: Walk
    ) -> AsyncGenerator[bytes, None]:
        """The rows in pages by their keys: what is added or deleted meanwhile may be seen or not, each row whole."""
        store, blobs, owner = self._services.store, self._services.blobs, ctx.owner
        total = await store.read(lambda reader: source.count(reader, owner, repository))
        room_bytes = PART_BYTES
        while room_bytes > 0:
            look = partial(source.list_after, owner=owner, repository=repository, after=walk.after, limit=PAGE_ROWS)
            if not (rows := await store.read(look)):
                walk.is_over = True
                return
            ctx.check_cancelled()
            page: list[Any] = []
            for row in rows:
                if source.is_short(row):
                    page.append(source.show(row, blobs))
                    continue
                # A long text comes out of its blob only now and goes at once, so that there are never many.
                page.append(await asyncio.to_thread(source.show, row, blobs))
                yield (data := encode_page(page))
                room_bytes -= len(data)
                page = []
            yield (data := encode_page(page))
            room_bytes -= len(data)
            source.go_on(walk, rows)
            ctx.progress(done=walk.rows, total=max(walk.rows, total))

    def _show(self, request: ExportInput, whole: _Part, *, name: str) -> dict[str, Any]:
        link = self._services.links.sign(
            whole.sha256,
            name=f"{name}.{request.format}",
            content_type=CONTENT_TYPES[request.format],
            lifetime_s=LINK_LIFETIME_S,
        )
        return {
            "documentsProcessed": whole.reached.documents,
            "errors": 0,
            "table": name,
            "format": request.format,
            "rows": whole.reached.rows,
            "bytes": whole.size_bytes,
            "sha256": whole.sha256,
            "downloadUrl": link,
            "expiresAt": moment(self._services.clock() + LINK_LIFETIME_S * 1_000),
        }
