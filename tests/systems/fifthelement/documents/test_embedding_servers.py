"""An embedding server of the operator's own: what it answers, what it refuses, and models that do not mix."""

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from documents_house import DocumentHouse, run_documents

from jobwire.domain.errors import RequestError
from jobwire.systems.fifthelement.records import RepositoryRow, change_repository
from loopback_site import Asked, LoopbackSite, Reply

MODEL = "test-embedding"
FLOATS = 64


def embed(text: str) -> list[float]:
    """A vector of the words of a text: the more they share, the nearer."""
    vector = [0.0] * FLOATS
    for word in text.lower().split():
        vector[hashlib.sha256(word.strip(".,?").encode()).digest()[0] % FLOATS] += 1
    return vector


class EmbeddingServer(LoopbackSite):
    """Speaks OpenAI's form; `faults` are answered first, one a request."""

    def __init__(self) -> None:
        super().__init__()
        self.url = f"{self.base}/v1"
        self.faults: list[tuple[int, Any]] = []
        self.seen: list[dict[str, Any]] = []
        self.keys: set[str] = set()

    def answer(self, asked: Asked) -> Reply:
        assert asked.path == "/v1/embeddings"
        status, answer = self.embed_all(json.loads(asked.body), asked.headers.get("Authorization", ""))
        return Reply(json.dumps(answer).encode(), status, {"Content-Type": "application/json"})

    def embed_all(self, body: dict[str, Any], key: str) -> tuple[int, Any]:
        self.seen.append(body)
        self.keys.add(key)
        if self.faults:
            return self.faults.pop(0)
        items = [{"index": n, "embedding": embed(text)} for n, text in enumerate(body["input"])]
        return 200, {"object": "list", "model": body["model"], "data": items[::-1]}


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddingServer]:
    opened = EmbeddingServer()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def house(server: EmbeddingServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DocumentHouse]:
    folder = tmp_path_factory.mktemp("embedding")
    environment = {
        "FIFTHELEMENT_EMBEDDING_URL": server.url,
        "FIFTHELEMENT_EMBEDDING_KEY": "sesame",
        "FIFTHELEMENT_EMBEDDING_MODEL": MODEL,
    }
    with run_documents(folder, str(folder / "jobs.db"), **environment) as opened:
        yield opened


def add_texts(house: DocumentHouse, *texts: str) -> RepositoryRow:
    repository = house.add_repository()
    house.result(house.start_batch(repository, [house.add_text(repository, text, title=text[:9]) for text in texts]))
    return repository


def test_the_operators_server_embeds_and_its_vectors_are_found(house: DocumentHouse, server: EmbeddingServer) -> None:
    repository = add_texts(house, "The pump runs dry.", "Bread rests for two hours.")
    result = house.result(house.start_embedding(repository))
    assert (result["chunksEmbedded"], result["model"]) == (2, f"{MODEL}@{server.url}")
    assert server.seen[-1]["model"] == MODEL and server.keys == {"Bearer sesame"}
    best = house.ask(repository, "how long rests bread")[0]
    assert best["text"] == "Bread rests for two hours."


def test_a_server_that_is_busy_is_asked_again(house: DocumentHouse, server: EmbeddingServer) -> None:
    repository = add_texts(house, "One.", "Two.")
    server.faults = [(429, {}), (503, {})]
    assert house.result(house.start_embedding(repository))["chunksEmbedded"] == 2


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ((401, {"error": "no"}), "embedding_refused"),
        ((200, {"data": []}), "embedding_invalid"),
        ((200, {"data": "x"}), "embedding_invalid"),
        ((200, {"data": [{"index": 0, "embedding": []}]}), "embedding_invalid"),
        ((200, {"data": [{"index": 1, "embedding": [1.0]}]}), "embedding_invalid"),
        ((200, {"data": [{"index": 0, "embedding": [1e300]}]}), "embedding_invalid"),
    ],
)
def test_an_answer_that_is_no_use_ends_the_job(
    house: DocumentHouse, server: EmbeddingServer, fault: tuple[int, Any], code: str
) -> None:
    repository = add_texts(house, "One.")
    server.faults = [fault]
    assert house.error(house.start_embedding(repository))["code"] == code


def test_vectors_of_two_models_do_not_mix(house: DocumentHouse) -> None:
    repository = add_texts(house, "The pump runs dry.")
    house.result(house.start_embedding(repository))
    house.write(
        lambda tx: change_repository(tx, house.owner, repository._replace(batch_model="multilingual-e5-small"))
    )
    house.result(house.start_processing(house.add_text(repository, "More.")))
    error = house.error(house.start_embedding(repository))
    assert error["code"] == "embedding_model_mixed"
    with pytest.raises(RequestError, match="cannot be compared") as refused:
        house.ask(repository, "pump")
    assert refused.value.code == "conflict"
    anew = house.result(house.start_embedding(repository, replace=True))
    assert (anew["chunksEmbedded"], anew["chunks"]) == (2, 2)
    assert house.ask(repository, "Что будет с насосом без воды?")[0]["text"] == "The pump runs dry."


def test_vectors_keep_their_bits(house: DocumentHouse, tmp_path: Path) -> None:
    repository = add_texts(house, "The pump runs dry.")
    house.result(house.start_embedding(repository))
    ((blob,),) = house.store.read(
        lambda r: r.query("SELECT vector FROM fifthelement_vector WHERE repository = :r", r=repository.id)
    ).result()
    assert list(struct.unpack(f"<{FLOATS}f", blob)) == embed("The pump runs dry.")
