"""`jobwire demo`: a real server, a real listing with real photographs, polled as rentix documents it.

Everything runs on loopback: the server is this program's own `serve` in a process of its own, the photographs come
from a small web server here. demo_story.py has the listing and prints what was done; demo_knowledge.py is the demo of
fifthelement, demo_publishing.py that of docswrite, demo_tools.py that of apidatatools.
"""

import json
import shutil
import time
import urllib.error
import urllib.request
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, assert_never

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from jobwire.cli.demo_knowledge import show_knowledge
from jobwire.cli.demo_publishing import show_publishing
from jobwire.cli.demo_server import make_key, run_server, serve_folder
from jobwire.cli.demo_story import AGENCY, PHOTOS, make_listings, print_listing, print_next_steps
from jobwire.cli.demo_tools import show_tools
from jobwire.cli.output import console
from jobwire.config import SettingError

POLL_S = 0.5
END_S = 90.0
MARK = ".jobwire-demo"


class DemoSystem(StrEnum):
    """What there is a demo of."""

    RENTIX = "rentix"
    FIFTHELEMENT = "fifthelement"
    DOCSWRITE = "docswrite"
    APIDATATOOLS = "apidatatools"


def demo(
    system: Annotated[DemoSystem, typer.Argument(help="Whose work to show.")] = DemoSystem.RENTIX,
    folder: Annotated[
        Path, typer.Option(help="Where what the demo makes goes: a new folder, or that of an earlier demo.")
    ] = Path("demo-output"),
) -> None:
    """Work end to end, with a server and workers: a property listing (rentix), a crawled site and documents in three
    languages that answer questions (fifthelement), a document that is published to a real WordPress (docswrite), or
    files that are formatted, converted and judged (apidatatools).

    It takes about ten seconds, docswrite twice that, fifthelement a minute. docswrite needs a WordPress of Debian's
    packages, the others nothing but this program.
    """
    folder = folder.resolve()
    clear_folder(folder)
    match system:
        case DemoSystem.RENTIX:
            show_listing(folder)
        case DemoSystem.FIFTHELEMENT:
            show_knowledge(folder)
        case DemoSystem.DOCSWRITE:
            show_publishing(folder)
        case DemoSystem.APIDATATOOLS:
            show_tools(folder)
        case _:
            assert_never(system)


def clear_folder(folder: Path) -> None:
    """An empty folder for a demo; SettingError for one with contents that no demo has made."""
    mark = folder / MARK
    try:
        if folder.exists() and not mark.is_file() and any(folder.iterdir()):
            raise SettingError(f"{folder} is not empty and no demo has made it; give --folder a new one, or empty it")
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        mark.touch()
    except OSError as error:
        raise SettingError(f"{folder} cannot be made anew: {error.strerror}; give another --folder") from error


def show_listing(folder: Path) -> None:
    """Publish a property listing: translation, location, photographs."""
    with serve_folder(PHOTOS) as photos, run_server(folder, systems="rentix") as address:
        console.print(f"[bold]1[/bold]  A server with its ledger and worker runs at {address}", highlight=False)
        key = make_key(folder, owner=AGENCY)
        console.print(f"[bold]2[/bold]  An agency, {AGENCY}, has its API key: {key[:16]}…", highlight=False)
        client = Client(address, key)
        published = [client.send("PUT", "/api/v1/listings", listing) for listing in make_listings(photos)]
        mine = published[-1]
        console.print(
            f"[bold]3[/bold]  PUT /api/v1/listings, {len(published)} times; ours is listing {mine['id']}, "
            f"{mine['status']}, job {mine['jobId']}",
            highlight=False,
        )
        console.print("[bold]4[/bold]  GET /api/v1/job/status, as the documentation polls it:", highlight=False)
        job = follow(client, mine["jobId"])
        if job["status"] != "completed":
            console.print(f"[red]The job failed:[/red] {job.get('publicErrorMessage')}", highlight=False)
            raise typer.Exit(1)
        console.print_json(data=job)
        print_listing(client.send("GET", f"/api/v1/listings/{mine['id']}"), client.media, folder)
    print_next_steps(folder, key)


class Client:
    """Calls the demo's server with the agency's key, as any HTTP client would."""

    def __init__(self, address: str, key: str) -> None:
        self._address = address
        self._key = key

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer; SettingError with the server's words when it refuses."""
        scheme = "Bearer" if path.startswith("/v1") else "ApiKey"
        headers = {"Authorization": f"{scheme} {self._key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._address + path, data=data, headers=headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own loopback server
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise SettingError(f"{method} {path} was answered {error.code}: {error.read().decode()}") from error

    def media(self, number: int) -> Any:
        """One stored photograph."""
        return self.send("GET", f"/api/v1/media/{number}")

    def native_progress(self, created_at: str) -> dict[str, Any]:
        """Stage and percent of the same job, which the native dialect shows and rentix has no words for."""
        for job in self.send("GET", "/v1/jobs?kind=announcement_finalize&limit=20")["jobs"]:
            if job["created_at"] == created_at:
                return dict(job["progress"])
        return {}


def follow(client: Client, number: int) -> Any:
    """Poll the job to its end, with its place in the queue, its stage and a bar."""
    columns = (
        TextColumn("   [bold]{task.fields[status]:<10}"),
        BarColumn(40),
        TextColumn("{task.percentage:>4.0f} %"),
    )
    bar = Progress(*columns, TextColumn("{task.fields[note]}"), TimeElapsedColumn(), console=console)
    is_live = console.is_terminal
    give_up_at = time.monotonic() + END_S
    shown = ""
    with bar if is_live else nullcontext() as live:
        task = live.add_task("job", total=100, status="pending", note="") if isinstance(live, Progress) else None
        while True:
            job = client.send("GET", f"/api/v1/job/status?id={number}")
            percent, note = 0.0, ""
            if job["status"] == "pending":
                note = f"{job['queuePosition']} ahead in the queue"
            elif job["status"] == "processing":
                progress = client.native_progress(job["createdAt"])
                percent = progress.get("percent") or 0.0
                counted = f" {progress['done']}/{progress['total']}" if progress.get("total") else ""
                note = f"{progress.get('stage') or ''}{counted}"
            elif job["status"] == "completed":
                percent = 100.0
            if isinstance(live, Progress) and task is not None:
                live.update(task, completed=percent, status=job["status"], note=note)
            line = f"   {job['status']:<10} {percent:4.0f} % {note}".rstrip()
            if line != shown and not is_live:
                console.print(line, highlight=False)
            shown = line
            if job["status"] in ("completed", "failed"):
                return job
            if time.monotonic() > give_up_at:
                raise SettingError(f"the job did not end within {END_S:g} s; its last status was {job['status']}")
            time.sleep(POLL_S)
