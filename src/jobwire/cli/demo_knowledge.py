"""`jobwire demo fifthelement`: a site is crawled, PDFs in three languages are read, and questions are answered.

The site is a part of Jobwire's own documentation, served on loopback; each repository is asked in another language
than that of its documents. demo_server.py runs the server.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from jobwire.cli.demo_server import make_key, run_server, serve_folder
from jobwire.cli.output import console
from jobwire.config import SettingError

WORKSPACE = "Codru Library"
MOUNT = "/v1/api"
POLL_S = 0.5
END_S = 300.0
SITE_PAGES = 60


@dataclass(frozen=True, slots=True)
class Shelf:
    """A repository: the language of its documents, and a question to it in another one."""

    language: str
    ending: str
    asked_in: str
    question: str


SHELVES = (
    Shelf("English", "en", "Russian", "Когда лечат пчёл от клеща варроа?"),
    Shelf("Romanian", "ro", "English", "How do I get a library card, and what does it cost?"),
    Shelf("Russian", "ru", "Romanian", "La ce temperatură se păstrează merele iarna?"),
)
"""One language in each: a small model likes passages in the question's own language best, whatever they say."""


class Client:
    """Calls the demo's server with the workspace's key, as any HTTP client would."""

    def __init__(self, address: str, key: str) -> None:
        self._address = address
        self._key = key

    def send(self, method: str, path: str, body: Any = None, *, upload: bytes | None = None) -> Any:
        """The `data` of the answer; SettingError with the server's words when it refuses."""
        headers = {"Authorization": f"Bearer {self._key}"}
        sent = upload
        if body is not None:
            headers["Content-Type"], sent = "application/json", json.dumps(body).encode()
        elif upload is not None:
            headers["Content-Type"] = "application/octet-stream"
        request = urllib.request.Request(self._address + MOUNT + path, data=sent, headers=headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own loopback server
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise SettingError(f"{method} {path} was answered {error.code}: {error.read().decode()}") from error

    def fetch(self, path: str) -> bytes:
        """The bytes behind a signed link."""
        with urllib.request.urlopen(self._address + path, timeout=60) as answer:  # noqa: S310 - our own loopback server
            content: bytes = answer.read()
            return content


def show_knowledge(folder: Path) -> None:
    """Crawl a site, process PDFs, embed, ask, export, rerun."""
    corpus = Path(str(files("jobwire.systems") / "fifthelement" / "demo_corpus"))
    environment = {"FIFTHELEMENT_CRAWL_DELAY_MS": "0"}
    with (
        serve_folder(corpus / "site") as site,
        run_server(folder, systems="fifthelement", workers=2, environment=environment) as address,
    ):
        _tell(1, f"A server with its ledger and workers runs at {address}, a small site at {site}")
        client = Client(address, make_key(folder, owner=WORKSPACE))
        _tell(2, "POST /repositories: one for each language")
        paths = {shelf: _make_repository(client, shelf) for shelf in SHELVES}
        first = paths[SHELVES[0]]
        _tell(3, "POST …/crawl: the pages of the site become documents")
        wanted = {"url": f"{site}/index.html", "maxPages": SITE_PAGES, "maxDepth": 3}
        _tell_result(follow(client, client.send("POST", f"{first}/crawl", wanted)))
        _tell(4, "POST …/documents/upload: PDFs in English, Romanian and Russian")
        for job in [_upload(client, paths[shelf], file) for shelf in SHELVES for file in _find_files(corpus, shelf)]:
            _tell_result(follow(client, job))
        _tell(5, "POST …/regenerate: every passage gets its vector")
        for path in paths.values():
            _tell_result(follow(client, client.send("POST", f"{path}/regenerate", {})))
        _tell(6, "POST …/documents/query, in another language than the answer's:")
        for shelf, path in paths.items():
            _ask(client, path, shelf)
        _tell(7, "POST …/export: the documents as one file")
        exported = follow(client, client.send("POST", f"{first}/export", {"format": "jsonl"}))
        content = client.fetch(exported["result"]["downloadUrl"])
        (folder / "documents.jsonl").write_bytes(content)
        lines = content.count(b"\n")
        console.print(f"   {lines} documents, {len(content):,} bytes in {folder}/documents.jsonl", highlight=False)
        _tell(8, "POST /jobs/{id}/rerun: the export once more, as a new job")
        again = client.send("POST", f"/jobs/{exported['id']}/rerun")
        console.print_json(data=again)
        follow(client, again)
    console.print("\n[bold]Try next[/bold]")
    console.print(f"  jobwire serve --db {folder}/jobwire.db     and ask your own question", highlight=False)
    console.print("  docs/dialects/fifthelement.md              every call of this demo", highlight=False)


def follow(client: Client, job: Mapping[str, Any]) -> Any:
    """Poll a job to its end with a bar; Exit with its message when it does not complete."""
    columns = (TextColumn("   [bold]{task.fields[kind]:<20}{task.fields[status]:<10}"), BarColumn(40))
    bar = Progress(*columns, TextColumn("{task.percentage:>4.0f} %"), TimeElapsedColumn(), console=console)
    give_up_at = time.monotonic() + END_S
    with bar if console.is_terminal else nullcontext() as live:
        task = None if live is None else live.add_task("job", total=100, status="pending", kind=job["type"])
        while True:
            now = client.send("GET", f"/jobs/{job['id']}")
            if live is not None and task is not None:
                live.update(task, completed=now["progress"], status=now["status"])
            if now["status"] in ("completed", "failed", "cancelled"):
                break
            if time.monotonic() > give_up_at:
                raise SettingError(f"the job {job['id']} did not end within {END_S:g} s")
            time.sleep(POLL_S)
    if not console.is_terminal:
        console.print(f"   {now['type']} {now['status']} {now['progress']} %", highlight=False)
    if now["status"] != "completed":
        console.print(f"[red]The job {now['status']}:[/red] {now['result']}", highlight=False)
        raise typer.Exit(1)
    return now


def _make_repository(client: Client, shelf: Shelf) -> str:
    """The path of a new repository."""
    made = client.send("POST", "/repositories", {"name": f"What we know in {shelf.language}"})
    console.print(f"   {made['name']}: {made['id']}", highlight=False)
    return f"/repositories/{made['id']}"


def _find_files(corpus: Path, shelf: Shelf) -> list[Path]:
    return sorted(corpus.glob(f"*.{shelf.ending}.pdf"))


def _upload(client: Client, path: str, file: Path) -> Mapping[str, Any]:
    made = client.send("POST", f"{path}/documents/upload?name={quote(file.name)}", upload=file.read_bytes())
    console.print(f"   {made['title']}: {made['id']}, job {made['jobId']}", highlight=False)
    return {"id": made["jobId"], "type": "document_processing"}


def _ask(client: Client, path: str, shelf: Shelf) -> None:
    found = client.send("POST", f"{path}/documents/query", {"query": shelf.question, "limit": 1})["results"]
    if not found:
        raise SettingError(f"nothing was found for {shelf.question!r}")
    best = found[0]
    words = escape(" ".join(best["text"].split()))
    place = f"{best['title']}, characters {best['start']} to {best['end']}, score {best['score']:.2f}"
    console.print(
        Panel(f"{words}\n[dim]{place}[/dim]", title=f"{shelf.asked_in}: {shelf.question}", title_align="left")
    )


def _tell(number: int, what: str) -> None:
    console.print(f"[bold]{number}[/bold]  {what}", highlight=False)


def _tell_result(job: Mapping[str, Any]) -> None:
    counts = {name: value for name, value in job["result"].items() if isinstance(value, int)}
    console.print("   " + ", ".join(f"{name} {value}" for name, value in counts.items()), highlight=False)
