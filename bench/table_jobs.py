"""One import or export, by Jobwire's job or by a loop over the bare library, in a process of its own.

`python -m bench.table_jobs prepare|import|export jobwire|bare FORMAT FOLDER ROWS` prints a JSON object of figures.
The loop does the same work with the same durability: it reads, writes documents and row keys, 1,000 a commit.
"""

import asyncio
import csv
import hashlib
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import msgspec
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from jobwire.config import read_settings
from jobwire.domain.job import JobRow
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.store.contract import Transaction
from jobwire.systems.fifthelement.records import add_repository, list_repositories
from jobwire.systems.fifthelement.starting import EXPORT, IMPORT, start_job
from jobwire.tables.spec import Column, Format
from jobwire.tables.writing import write_rows
from jobwire.wiring import House, open_house

COLUMNS = ("title", "content", "carrier", "origin", "dest", "distance", "air_time", "time_hour")
EXPORTED = ("id", "title", "content", "media_type", "status", "source_url", "metadata", "created_at", "updated_at")
BATCH_ROWS = 1_000
PAGE_ROWS = 1_000
ENDED = FINAL_PHASES | {Phase.RETRYING}
"""Nothing is tried again here: a measurement with a failure in it is none."""

Row = tuple[str, ...]


def make_rows(rows: int) -> Iterator[Row]:
    """Rows like those of a timetable: each is different, a good part of each is not."""
    for number in range(rows):
        origin, dest, carrier = f"A{number % 3}", f"B{number % 100}", f"C{number % 16}"
        text = f"Flight {number} of {carrier} from {origin} to {dest}, on time; the weather at {dest} was fair."
        yield (
            f"Flight {number}", text, carrier, origin, dest, str(100 + number % 2_500), str(30 + number % 400),
            f"2031-{1 + number % 12:02}-{1 + number % 28:02}T{number % 24:02}:00:00Z",
        )  # fmt: skip


def _make_pages(rows: int) -> Iterator[list[list[Any]]]:
    made = map(list, make_rows(rows))
    while page := list(islice(made, PAGE_ROWS)):
        yield page


def prepare(folder: Path, rows: int) -> None:
    """The rows as a file of each format, and a ledger that has them as documents."""
    columns = [Column(name) for name in COLUMNS]
    for form in ("csv", "jsonl", "parquet", "xlsx"):
        write_rows(folder / f"rows.{form}", form, columns=columns, pages=_make_pages(rows))
    _run_job(folder, IMPORT, folder / "rows.csv")


def _open(folder: Path) -> House:
    settings = read_settings(
        {"JOBWIRE_FILES": str(folder / "files")}, db=str(folder / "jobs.db"), workers=1, systems="fifthelement"
    )
    return open_house(settings)


def _run_job(folder: Path, kind: str, file: Path | None = None, **wanted: Any) -> dict[str, float]:
    house = _open(folder)
    try:
        return asyncio.run(_work(house, kind, file, wanted))
    finally:
        house.close()


async def _work(house: House, kind: str, file: Path | None, wanted: dict[str, Any]) -> dict[str, float]:
    services = house.services
    if file is not None:
        blob = services.blobs.put(file)
        source = services.links.sign(blob.sha256, name="rows", content_type="text/csv", lifetime_s=3_600)
        wanted = {"source": source, "process": False, **wanted}
    loop, moved = asyncio.get_running_loop(), asyncio.Event()
    unlisten = house.store.listen(lambda _: loop.call_soon_threadsafe(moved.set))

    async def run(owner_name: str, kind: str, wanted: dict[str, Any]) -> JobRow:
        owner = (await services.owners.create_owner(owner_name)).id
        number = await house.store.write(partial(_submit, house=house, owner=owner, kind=kind, wanted=wanted))
        while (row := await services.jobs.read(owner, number=number)).phase not in ENDED:
            await moved.wait()
            moved.clear()
        return row

    async with house.make_children() as children:
        worker = house.make_worker(children)
        working = asyncio.create_task(worker.run())
        # An empty export first: a server has imported its children's modules long before.
        await run("warming", EXPORT, {})
        begun = time.perf_counter()
        row = await run("bench", kind, wanted)
        seconds = time.perf_counter() - begun
        unlisten()
        worker.stop()
        await working
    assert row.phase is Phase.COMPLETED, row.error
    assert row.output is not None
    result = json.loads(row.output)
    return {"rows": result["rows"], "seconds": seconds}


def _submit(tx: Transaction, *, house: House, owner: int, kind: str, wanted: dict[str, Any]) -> int:
    known = list_repositories(tx, owner, start=0, limit=1)
    repository = (
        known[0]
        if known
        else add_repository(tx, owner, name="bench", type="knowledge", vector_store="default", batch_model=None)
    )
    return start_job(tx, house.services.jobs, owner, kind, wanted, repository=repository.id).number


def _read_bare(path: Path, form: Format) -> Iterator[dict[str, Any]]:
    match form:
        case "csv":
            with path.open(newline="", encoding="utf-8") as file:
                yield from csv.DictReader(file, strict=True)
        case "jsonl":
            with path.open("rb") as file:
                yield from map(msgspec.json.decode, file)
        case "parquet":
            for batch in pq.ParquetFile(path).iter_batches(batch_size=PAGE_ROWS):
                yield from batch.to_pylist()
        case "xlsx":
            rows = openpyxl.load_workbook(path, read_only=True)["Rows"].iter_rows(values_only=True)
            header = next(rows)
            for cells in rows:
                yield dict(zip(header, cells, strict=True))


def import_bare(folder: Path, form: Format, source: Path) -> dict[str, float]:
    """A loop over the library's rows into the same tables."""
    _open(folder).close()
    connection = apsw.Connection(str(folder / "jobs.db"))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    document = (
        "INSERT INTO fifthelement_document (id, owner, repository, title, media_type, status, content, metadata,"
        " content_sha256, revision, created_at, updated_at)"
        " VALUES (?, 1, 'r', ?, 'text/plain', 'Ready', ?, ?, ?, 1, 0, 0)"
    )
    key = "INSERT INTO fifthelement_row_key (owner, repository, row_key, row_hash, document) VALUES (1, 'r', ?, ?, ?)"
    begun = time.perf_counter()
    rows = _read_bare(source, form)
    done = 0
    while batch := list(islice(rows, BATCH_ROWS)):
        documents, keys = [], []
        for row in batch:
            title, content = row.pop("title"), row.pop("content")
            metadata = json.dumps(row)
            digest = hashlib.sha256(content.encode()).hexdigest()
            mark = hashlib.sha256(f"{title}\0{digest}\0{metadata}".encode()).hexdigest()[:32]
            done += 1
            documents.append((f"{done:032x}", title, content, metadata, digest))
            keys.append((mark, mark, f"{done:032x}"))
        with connection:
            connection.executemany(document, documents)
            connection.executemany(key, keys)
    seconds = time.perf_counter() - begun
    connection.close()
    return {"rows": done, "seconds": seconds}


def export_bare(folder: Path, form: Format, target: Path) -> dict[str, float]:
    """A loop over the table's rows into the library."""
    connection = apsw.Connection(str(folder / "jobs.db"))
    begun = time.perf_counter()
    cursor = connection.execute(f"SELECT {', '.join(EXPORTED)} FROM fifthelement_document ORDER BY id")
    pages = iter(lambda: list(islice(cursor, PAGE_ROWS)), [])
    rows = _BARE[form](target, pages)
    seconds = time.perf_counter() - begun
    connection.close()
    return {"rows": rows, "seconds": seconds}


def _write_csv(target: Path, pages: Iterator[Sequence[Any]]) -> int:
    done = 0
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(EXPORTED)
        for page in pages:
            writer.writerows(page)
            done += len(page)
    return done


def _write_jsonl(target: Path, pages: Iterator[Sequence[Any]]) -> int:
    done = 0
    with target.open("w", encoding="utf-8") as file:
        for page in pages:
            for row in page:
                shown = dict(zip(EXPORTED, row, strict=True))
                shown["metadata"] = json.loads(shown["metadata"])
                file.write(json.dumps(shown) + "\n")
            done += len(page)
    return done


def _write_parquet(target: Path, pages: Iterator[Sequence[Any]]) -> int:
    done = 0
    fields = [(name, pa.int64() if name.endswith("_at") else pa.string()) for name in EXPORTED]
    with pq.ParquetWriter(target, pa.schema(fields), compression="zstd") as writer:
        while part := [row for page in islice(pages, 20) for row in page]:
            arrays = [
                pa.array(values, field[1]) for field, values in zip(fields, zip(*part, strict=True), strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, names=list(EXPORTED)))
            done += len(part)
    return done


def _write_xlsx(target: Path, pages: Iterator[Sequence[Any]]) -> int:
    done = 0
    with xlsxwriter.Workbook(target, {"constant_memory": True, "tmpdir": str(target.parent)}) as book:
        sheet = book.add_worksheet("Rows")
        sheet.write_row(0, 0, EXPORTED)
        for page in pages:
            for row in page:
                done += 1
                for place, value in enumerate(row):
                    if value is not None:
                        sheet.write_string(done, place, str(value))
    return done


_BARE: dict[Format, Callable[[Path, Iterator[Sequence[Any]]], int]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
    "xlsx": _write_xlsx,
}


def main(words: list[str]) -> None:
    """Do what the words say and print the figures."""
    action, side, form, place, rows = words[0], words[1], words[2], Path(words[3]), int(words[4])
    shared = place.parent
    match action, side:
        case "prepare", _:
            prepare(place, rows)
            return
        case "import", "jobwire":
            figures = _run_job(place, IMPORT, shared / f"rows.{form}")
        case "import", _:
            figures = import_bare(place, form, shared / f"rows.{form}")  # type: ignore[arg-type]
        case "export", "jobwire":
            figures = _run_job(shared, EXPORT, format=form)
        case _:
            figures = export_bare(shared, form, place / "out")  # type: ignore[arg-type]
    if figures["rows"] != rows:
        raise SystemExit(f"{action} by {side} had {figures['rows']} rows, not {rows}")
    kib = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"rows/s": rows / figures["seconds"], "peak MiB": kib / 1024}))


if __name__ == "__main__":
    main(sys.argv[1:])
