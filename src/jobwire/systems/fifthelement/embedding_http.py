"""Embeds through a server of the operator's that speaks OpenAI's `POST …/embeddings`."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from jobwire.domain.errors import JobError
from jobwire.net.fetch import Fetcher
from jobwire.net.policy import FetchPolicy

BATCH_TEXTS: Final = 64
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
ANSWER_MS_MAX: Final = 60_000

# Only for the URL of the operator's settings, whose server often stands on a private net: redirects are not followed.
_ANYWHERE: Final = FetchPolicy.from_setting("0.0.0.0/0,::/0")


class _Item(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_Item]


async def embed_texts(texts: Sequence[str], *, url: str, key: str, model: str) -> list[bytes]:
    """The vectors of texts in their order, 32-bit floats, lowest byte first.

    Raises JobError: embedding_unavailable (retryable: no answer, 429 or 5xx), embedding_refused (any other status),
    embedding_invalid (an answer that is not of this form).
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with Fetcher(_ANYWHERE) as fetcher:
        answer = await fetcher.request(
            "POST",
            f"{url.rstrip('/')}/embeddings",
            headers=headers,
            json={"model": model, "input": list(texts), "encoding_format": "float"},
            body_bytes_max=ANSWER_BYTES_MAX,
            deadline_ms=ANSWER_MS_MAX,
        )
    if answer.status == 429 or answer.status >= 500:
        raise JobError(
            "embedding_unavailable", f"The embedding server answered {answer.status}; try later", retryable=True
        )
    if answer.status != 200:
        raise JobError("embedding_refused", f"The embedding server refused the texts with status {answer.status}")
    return _read(answer.body, len(texts))


def _read(body: bytes, count: int) -> list[bytes]:
    try:
        items = sorted(msgspec.json.decode(body, type=_Answer).data, key=lambda item: item.index)
    except (msgspec.DecodeError, RecursionError) as error:
        raise JobError("embedding_invalid", "The embedding server's answer is not of OpenAI's form") from error
    lengths = {len(item.embedding) for item in items}
    if [item.index for item in items] != list(range(count)) or len(lengths) != 1 or 0 in lengths:
        raise JobError(
            "embedding_invalid", f"The embedding server gave {len(items)} vectors of unequal form for {count} texts"
        )
    with np.errstate(over="ignore"):
        vectors = [np.asarray(item.embedding, "<f4") for item in items]
    if not all(np.isfinite(vector).all() for vector in vectors):
        raise JobError("embedding_invalid", "The embedding server gave a vector that is not finite")
    return [vector.tobytes() for vector in vectors]
