"""The jobs: one kind a tool. Each brings its file in, runs the tool in a child process and keeps what it wrote."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from jobwire.blobs.contract import Blobs
from jobwire.blobs.links import FileLinks
from jobwire.domain.errors import JobError
from jobwire.kinds.contract import ChildLimits, Context, FinalJob
from jobwire.net.fetch import Fetcher
from jobwire.store.contract import Transaction
from jobwire.store.files import hold_files, name_job, release_files
from jobwire.systems.apidatatools.fields import MOUNT
from jobwire.systems.apidatatools.quota import return_unit
from jobwire.systems.apidatatools.results import Result, name_result, read_result
from jobwire.systems.apidatatools.running import ToolReport, ToolRequest, run_tool
from jobwire.systems.apidatatools.settings import ToolSettings
from jobwire.systems.apidatatools.tools.contract import Tool

_ENDED_CHILDREN: Final[Mapping[str, str]] = {
    "child_memory": "more memory",
    "child_cpu": "more processor time",
    "child_timeout": "more time",
}


class ToolInput(msgspec.Struct, frozen=True):
    """One call: the file is behind `url`, or kept as `sha256`. `month` is the one its unit was taken from.

    `base_url` is what stands in front of the result's path, `extension` the ending the file came with.
    """

    request_id: str
    base_url: str
    month: str
    options: dict[str, bool | int | str | None]
    extension: str | None = None
    url: str | None = None
    sha256: str | None = None


class ToolWork:
    """Runs one tool on what its callers name: fetched within the settings' policy, or read from `blobs`."""

    def __init__(
        self, tool: Tool, blobs: Blobs, settings: ToolSettings, *, links: FileLinks, clock: Callable[[], int]
    ) -> None:
        self._tool = tool
        self._blobs = blobs
        self._settings = settings
        self._links = links
        self._clock = clock

    async def run(self, ctx: Context, call: ToolInput) -> dict[str, Any]:
        """Run the tool and keep its file, which `conclude` holds: what ends before that has told nobody of it."""
        with ctx.scratch() as folder:
            target = folder / "result"
            report = await self._run_limited(
                ctx,
                ToolRequest(
                    tool=self._tool.name,
                    source=str(await self._bring(call, folder)),
                    extension=call.extension,
                    options=call.options,
                    target=str(target),
                    output_bytes_max=self._settings.file_bytes_max,
                ),
            )
            blob = await asyncio.to_thread(self._blobs.put, target)
        ending, _ = self._tool.name_output(call.options)
        made = Result(blob.sha256, ending, self._clock() // 1_000 + self._settings.kept_s)
        return {
            "status": "success",
            "request_id": call.request_id,
            "file": f"{call.base_url}{MOUNT}/downloads/{name_result(self._links, made)}",
            "preview": report.preview,
        }

    async def _run_limited(self, ctx: Context, request: ToolRequest) -> ToolReport:
        settings = self._settings
        limits = ChildLimits(
            memory_bytes_max=settings.memory_bytes_max,
            cpu_s_max=settings.cpu_s_max,
            wall_ms_max=settings.cpu_s_max * 2_000,
        )
        try:
            report: ToolReport = await ctx.isolate(run_tool, request, limits=limits)
        except JobError as error:
            if error.code not in _ENDED_CHILDREN:
                raise
            message = f"This input needs {_ENDED_CHILDREN[error.code]} than the tool may take; send it in parts."
            raise JobError("resource_limit_exceeded", message) from error
        return report

    async def _bring(self, call: ToolInput, folder: Path) -> Path:
        if call.sha256 is not None:
            try:
                return await asyncio.to_thread(self._blobs.bring, call.sha256, folder)
            except FileNotFoundError:
                raise JobError("file_not_found", "The file is no longer kept; upload it again.") from None
        assert call.url is not None
        try:
            async with Fetcher(self._settings.fetch_policy) as fetcher:
                fetched = await fetcher.download(call.url, folder / "source")
        except JobError as error:
            raise JobError(
                "url_fetch_failed",
                error.message,
                retryable=error.retryable,
                details={"reason": error.code},
                retry_after_ms=error.retry_after_ms,
            ) from error
        return fetched.path


class _Shown(msgspec.Struct, frozen=True):
    file: str


def conclude(tx: Transaction, final: FinalJob) -> None:
    """What was sent ends a day later, what was made with its link; what did not succeed costs no unit."""
    release_files(tx, name_job(final.number))
    if not final.completed:
        return_unit(tx, final.owner, month=msgspec.json.decode(final.input, type=ToolInput).month)
    elif made := read_result(msgspec.json.decode(final.output or "", type=_Shown).file.rpartition("/")[2]):
        holder = f"apidatatools:result:{final.number}"
        hold_files(tx, holder, files=[made.sha256], expires_at=made.expires_at_s * 1_000)
