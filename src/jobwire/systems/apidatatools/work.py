"""The jobs: one kind a tool. Each brings its file in, runs the tool in a child process and keeps what it wrote."""

import asyncio
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from jobwire.blobs.contract import Blobs
from jobwire.domain.errors import JobError
from jobwire.kinds.contract import ChildLimits, Context, FinalJob
from jobwire.net.fetch import Fetcher
from jobwire.store.contract import Transaction
from jobwire.store.files import name_job, release_files
from jobwire.systems.apidatatools.fields import MOUNT
from jobwire.systems.apidatatools.quota import return_unit
from jobwire.systems.apidatatools.records import add_download
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

    def __init__(self, tool: Tool, blobs: Blobs, settings: ToolSettings) -> None:
        self._tool = tool
        self._blobs = blobs
        self._settings = settings

    async def run(self, ctx: Context, call: ToolInput) -> dict[str, Any]:
        """Run the tool and keep its file."""
        ending, content_type = self._tool.name_output(call.options)
        name = f"apidatatools_convert_{secrets.token_hex(16)}.{ending}"
        with ctx.scratch() as folder:
            target = folder / name
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
            kept_s = self._settings.kept_s
            saved = await ctx.save_file(target, name=name, content_type=content_type, keep_s=kept_s)

        def publish(tx: Transaction) -> None:
            expires_at = tx.now + kept_s * 1_000
            add_download(
                tx, ctx.owner, name=name, sha256=saved.sha256, content_type=content_type, expires_at=expires_at
            )

        await ctx.write(publish)
        return {
            "status": "success",
            "request_id": call.request_id,
            "file": f"{call.base_url}{MOUNT}/downloads/{name}",
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


def conclude(tx: Transaction, final: FinalJob) -> None:
    """The job's files end a day later, and what did not succeed costs no unit."""
    release_files(tx, name_job(final.number))
    if not final.completed:
        return_unit(tx, final.owner, month=msgspec.json.decode(final.input, type=ToolInput).month)
