"""One import or export, by Jobwire's job or by a loop over the bare library, in a process of its own.

`python -m bench.table_jobs prepare|import|export jobwire|bare FORMAT FOLDER ROWS` prints a JSON object of figures.
The loop does the same work with the same durability: it reads, writes documents and row keys, 1,000 a commit.
"""

import asyncio
import csv
import hashlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import apsw
import msgspec
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from bench.system_jobs import Timed, finish_job, make_repository, open_system, time_job, working
from jobwire.store.contract import Transaction
from jobwire.systems.fifthelement.records import list_repositories
from jobwire.systems.fifthelement.starting import EXPORT, IMPORT
from jobwire.tables.spec import Column, Format
from jobwire.tables.writing import write_rows
from jobwire.wiring import House

COLUMNS = ("title", "content", "carrier", "origin", "dest", "distance", "air_time", "time_hour")
EXPORTED = ("id", "title", "content", "media_type", "status", "source_url", "metadata", "created_at", "updated_at")
BATCH_ROWS = 1_000
PAGE_ROWS = 1_000
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


def _run_job(folder: Path, kind: str, file: Path | None = None, **wanted: Any) -> dict[str, float]:
    house = open_system(folder)
    try:
        timed = asyncio.run(_work(house, kind, file, wanted))
    finally:
        house.close()
    return {"rows": timed.result["rows"], "seconds": timed.seconds, "peak MiB": timed.peak_mib}


async def _work(house: House, kind: str, file: Path | None, wanted: dict[str, Any]) -> Timed:
    services = house.services
    if file is not None:
        blob = services.blobs.put(file)
        source = services.links.sign(blob.sha256, name="rows", content_type="text/csv", lifetime_s=3_600)
        wanted = {"source": source, "process": False, **wanted}
    async with working(house):
        # An empty export first: a server has imported its children's modules long before.
        owner, repository = await _open_repository(house, "warming")
        await finish_job(house, owner, EXPORT, {}, repository=repository)
        owner, repository = await _open_repository(house, "bench")
        return await time_job(house, owner, kind, wanted, repository=repository)


async def _open_repository(house: House, name: str) -> tuple[int, str]:
    """An owner and their one repository, which they may have already."""
    owner = (await house.services.owners.create_owner(name)).id

    def find(tx: Transaction) -> str:
        known = list_repositories(tx, owner, start=0, limit=1)
        return known[0].id if known else make_repository(tx, owner)

    return owner, await house.store.write(find)


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
    open_system(folder).close()
    connection = apsw.Connection(str(folder / "jobs.db"))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    document = (
        "INSERT INTO fifthelement_document (id, owner, repository, title, media_type, status, content, metadata,"
        " content_sha256, revision, created_at, updated_at)"
        " VALUES (?, 1, ?, ?, 'text/plain', 'Ready', ?, ?, ?, 1, 0, 0)"
    )
    key = "INSERT INTO fifthelement_row_key (owner, repository, row_key, row_hash, document) VALUES (1, ?, ?, ?, ?)"
    # As long as any: the entries of indexes, and what a commit writes, are as large as the job's.
    repository = uuid4().hex
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
            documents.append((f"{done:032x}", repository, title, content, metadata, digest))
            keys.append((repository, mark, mark, f"{done:032x}"))
        with connection:
            connection.executemany(document, documents)
            connection.executemany(key, keys)
    seconds = time.perf_counter() - begun
    connection.close()
    return {"rows": done, "seconds": seconds}


def export_bare(folder: Path, form: Format, target: Path) -> dict[str, float]:
    """A loop over the table's rows into the library, whose file is on the disk at the end, as the job's is."""
    connection = apsw.Connection(str(folder / "jobs.db"))
    begun = time.perf_counter()
    cursor = connection.execute(f"SELECT {', '.join(EXPORTED)} FROM fifthelement_document ORDER BY id")
    pages = iter(lambda: list(islice(cursor, PAGE_ROWS)), [])
    rows = _BARE[form](target, pages)
    with target.open("rb") as file:
        os.fsync(file.fileno())
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
    os.setsid()
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
    own_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows/s": rows / figures["seconds"], "peak MiB": figures.get("peak MiB", own_mib)}))


if __name__ == "__main__":
    main(sys.argv[1:])
