"""Drafts between Romanian and English by the Apertium programs of the machine, through Spanish.

Debian packages: apertium, apertium-eng-spa, apertium-es-ro. No package leads to or from Russian.
"""

import asyncio
import os
import re
import shutil
import signal
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Literal

from jobwire.domain.errors import JobError

DATA_DIRECTORY = Path("/usr/share/apertium")
DEADLINE_MS = 20_000
STAGE_BYTES_MAX = 4 * 1024 * 1024

# Spanish is only a station on the way: nobody's listing starts or ends in it.
_ENDS = frozenset({"ro", "en"})

# Words starting with "@" are paths below the data directory. es->ro is installed by Debian without a mode of its
# own, so its pipeline is spelled out; the others are modes of the `apertium` program (-u: no marks on unknown words).
_PIPELINES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("ro", "es"): ("apertium -u -d @ ro-es",),
    ("es", "en"): ("apertium -u -d @ spa-eng",),
    ("en", "es"): ("apertium -u -d @ eng-spa",),
    ("es", "ro"): (
        "apertium-destxt",
        "lt-proc @apertium-es-ro/es-ro.automorf.bin",
        "apertium-tagger -g @apertium-es-ro/es-ro.prob",
        "apertium-pretransfer",
        "apertium-transfer @apertium-es-ro/apertium-es-ro.es-ro.t1x @apertium-es-ro/es-ro.t1x.bin"
        " @apertium-es-ro/es-ro.autobil.bin",
        "apertium-interchunk @apertium-es-ro/apertium-es-ro.es-ro.t2x @apertium-es-ro/es-ro.t2x.bin",
        "apertium-postchunk @apertium-es-ro/apertium-es-ro.es-ro.t3x @apertium-es-ro/es-ro.t3x.bin",
        "lt-proc -n @apertium-es-ro/es-ro.autogen.bin",
        "lt-proc -p @apertium-es-ro/es-ro.autopgen.bin",
        "apertium-retxt",
    ),
}

# The Romanian generator leaves both forms of "în" standing: "-n/în".
_BOTH_FORMS = re.compile(r"(?<!\w)-[nN]/([îÎ]n)\b")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class ApertiumTranslator:
    """Translates ro<->en where the programs and data are installed; always labelled a draft."""

    name = "apertium"
    quality: Literal["draft"] = "draft"

    def __init__(self, data_directory: Path = DATA_DIRECTORY, *, deadline_ms: int = DEADLINE_MS) -> None:
        self._deadline_ms = deadline_ms
        self._stages = {
            pair: tuple(_spell_stage(stage, data_directory) for stage in stages)
            for pair, stages in _PIPELINES.items()
            if all(_is_installed(_spell_stage(stage, data_directory), data_directory) for stage in stages)
        }

    @property
    def installed(self) -> bool:
        """Whether any listing language can be drafted on this machine."""
        return any(self.route(source, target) for source in _ENDS for target in _ENDS)

    def route(self, source: str, target: str) -> tuple[str, ...] | None:
        """The shortest way from `source` to `target` over the installed pairs, None when there is none."""
        if source == target or not {source, target} <= _ENDS:
            return None
        return _find_route(self._stages, source, target)

    async def translate(self, text: str, source: str, target: str) -> str:
        """Draft `text`; JobError when there is no route, a program fails or the deadline passes (retryable)."""
        route = self.route(source, target)
        if route is None:
            raise JobError("translation_refused", f"apertium has no way from {source} to {target}")
        # Apertium's filters let go of whole lines: an unfinished last one may be dropped.
        data = f"{_CONTROLS.sub(' ', text)}\n".encode()
        try:
            async with asyncio.timeout(self._deadline_ms / 1000):
                for pair in pairwise(route):
                    for stage in self._stages[pair]:
                        data = await _run_stage(stage, data)
        except TimeoutError as error:
            message = f"apertium did not finish within {self._deadline_ms} ms"
            raise JobError("translation_engine_busy", message, retryable=True) from error
        return _BOTH_FORMS.sub(r"\1", data.decode(errors="replace").removesuffix("\n"))


def _spell_stage(stage: str, data_directory: Path) -> tuple[str, ...]:
    return tuple(str(data_directory / word[1:]) if word[0] == "@" else word for word in stage.split())


def _is_installed(stage: tuple[str, ...], data_directory: Path) -> bool:
    paths = [Path(word) for word in stage if word.startswith("/")]
    if stage[0] == "apertium":
        paths.append(data_directory / "modes" / f"{stage[-1]}.mode")
    return shutil.which(stage[0]) is not None and all(path.exists() for path in paths)


def _find_route(pairs: Iterable[tuple[str, str]], source: str, target: str) -> tuple[str, ...] | None:
    routes: deque[tuple[str, ...]] = deque([(source,)])
    seen = {source}
    while routes:
        route = routes.popleft()
        if route[-1] == target:
            return route
        for start, end in pairs:
            if start == route[-1] and end not in seen:
                seen.add(end)
                routes.append((*route, end))
    return None


async def _run_stage(stage: tuple[str, ...], data: bytes) -> bytes:
    """Run one program over `data`; its whole process group is gone when this returns or is cancelled."""
    try:
        process = await asyncio.create_subprocess_exec(
            *stage,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
    except OSError as error:
        raise JobError("translation_engine_failed", "apertium could not be started") from error
    try:
        output, _ = await asyncio.gather(_read_all(process), _feed(process, data))
        status = await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if status != 0:
        raise JobError("translation_engine_failed", "apertium could not translate the text")
    return output


async def _feed(process: asyncio.subprocess.Process, data: bytes) -> None:
    if process.stdin is None:
        raise AssertionError("the process was started with a pipe")
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _read_all(process: asyncio.subprocess.Process) -> bytes:
    if process.stdout is None:
        raise AssertionError("the process was started with a pipe")
    try:
        await process.stdout.readexactly(STAGE_BYTES_MAX + 1)
    except asyncio.IncompleteReadError as error:
        return error.partial
    raise JobError("translation_engine_failed", f"apertium wrote more than {STAGE_BYTES_MAX} bytes")
