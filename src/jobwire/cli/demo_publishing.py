"""`jobwire demo docswrite`: a document with pictures and a table is published to a real WordPress, and again.

demo_wordpress.py runs the site, demo_server.py the server.
"""

import io
import json
import os
import re
import secrets
import shutil
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

from jobwire.cli.demo_server import make_key, run_server
from jobwire.cli.demo_story import PHOTOS
from jobwire.cli.demo_wordpress import Blog, run_wordpress
from jobwire.cli.output import console
from jobwire.config import SettingError

OWNER = "The garden"
POLL_S = 0.5
END_S = 120.0
SCREENSHOT_S = 60
PICTURES = {"pavilion": "The pavilion in the park", "balcony": "The view from our balcony"}
PAGE = """<html><head><title>A walk through the park</title></head><body>
<table><tr><td>docswrite_settings</td><td></td></tr><tr><td>categories</td><td>Walks</td></tr>
<tr><td>state</td><td>publish</td></tr><tr><td>slug</td><td>a-walk</td></tr></table>
<h1>A walk through the park</h1><p>{opening} <a href="https://www.openstreetmap.org/">Here is a map.</a></p>
<h2>What we saw</h2>{pictures}<h2>How long it takes</h2>
<table><tr><th>Way</th><th>Minutes</th></tr><tr><td>Around the lake</td><td>45</td></tr>
<tr><td>Up to the pavilion</td><td>20</td></tr></table>
<ul><li>Bring water</li><li>Dogs are welcome<ul><li>on a lead</li></ul></li></ul></body></html>"""


class Client:
    """Calls the demo's server with the customer's token, as any HTTP client would."""

    def __init__(self, address: str, key: str) -> None:
        self._address = address
        self._key = key

    def send(self, method: str, path: str, body: Any = None, *, upload: bytes | None = None) -> Any:
        """The `data` of the answer; SettingError with the server's words when it refuses."""
        data = upload if body is None else json.dumps(body).encode()
        headers = {
            "x-access-token": self._key,
            "Content-Type": "application/json" if upload is None else "application/zip",
        }
        request = urllib.request.Request(f"{self._address}/api{path}", data=data, headers=headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own loopback server
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise SettingError(f"{method} {path} was answered {error.code}: {error.read().decode()}") from error


def show_publishing(folder: Path) -> None:
    """Publish a document, look at its page, and publish it again."""
    environment = {"DOCSWRITE_SITES_KEY": secrets.token_hex(32)}
    with (
        run_wordpress() as blog,
        run_server(folder, systems="docswrite", workers=2, environment=environment) as address,
    ):
        _tell(1, f"A WordPress runs at {blog.url}, a server with its ledger and workers at {address}")
        client = Client(address, make_key(folder, owner=OWNER))
        _tell(2, "POST /api/sites: the site is looked at, and its password kept encrypted")
        connected = client.send("POST", "/sites", _describe(blog))
        console.print(f"   {connected['name']}: {connected['id']}", highlight=False)
        _tell(3, "POST /api/documents: a page with two pictures and a table, as Google exports it")
        document = client.send("POST", "/documents?name=walk.zip", upload=_make_document("We went early."))
        console.print(f"   {document['document_id']}, {document['size']:,} bytes", highlight=False)
        _tell(4, "POST /api/export, then POST /api/job/status, as the documentation polls it:")
        first = _export(client, document["document_id"])
        console.print_json(data=first)
        page = _read(first["returnValue"]["post_url"])
        _tell_page(first["returnValue"]["post_url"], page, folder)
        _tell(5, "The document is changed and exported again: the same post, no picture twice")
        changed = _make_document("We went late, and it was warmer.")
        client.send("PUT", f"/documents/{document['document_id']}?name=walk.zip", upload=changed)
        second = _export(client, document["document_id"])
        again = _read(second["returnValue"]["post_url"])
        same = second["returnValue"]["data"] == first["returnValue"]["data"]
        kept = _list_pictures(page) == _list_pictures(again)
        console.print(
            f"   post {second['returnValue']['data']['id']}, {'the same' if same else 'ANOTHER ONE'}; pictures "
            f"{'the same' if kept else 'OTHERS'}; the new words are {'there' if 'warmer' in again else 'MISSING'}",
            highlight=False,
        )
    console.print("\n[bold]Try next[/bold]")
    console.print("  docs/dialects/docswrite.md     every call of this demo", highlight=False)


def _describe(blog: Blog) -> dict[str, str]:
    return {"url": blog.url, "username": blog.login, "application_password": blog.password}


def _make_document(opening: str) -> bytes:
    packed = io.BytesIO()
    shown = "".join(f'<p><img src="images/{name}.jpg" alt="{text}"></p>' for name, text in PICTURES.items())
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Walk.html", PAGE.format(opening=opening, pictures=shown))
        for name in PICTURES:
            archive.write(PHOTOS / f"{name}.jpg", f"images/{name}.jpg")
    return packed.getvalue()


def _export(client: Client, document: str) -> Any:
    """The job of an export at its end; SettingError unless it completes."""
    settings = {"wp_content_editor": "gutenberg"}
    job = client.send("POST", "/export", {"document_id": document, "export_settings": settings})["jobId"]
    give_up_at, shown = time.monotonic() + END_S, ""
    while True:
        now = client.send("POST", "/job/status", {"jobId": job, "queueType": "post"})
        line = f"   {now['state']:<10} {now['progress']:3} %"
        if line != shown:
            console.print(line, highlight=False)
        shown = line
        if now["state"] == "completed":
            return now
        if now["state"] == "failed" or time.monotonic() > give_up_at:
            raise SettingError(f"the export did not complete: {now['failedReason'] or now['state']}")
        time.sleep(POLL_S)


def _tell_page(url: str, page: str, folder: Path) -> None:
    (folder / "page.html").write_text(page, encoding="utf-8")
    console.print(
        f"   The page {url} has {len(_list_pictures(page))} pictures; a copy is {folder}/page.html", highlight=False
    )
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        return
    target = folder / "page.png"
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    flags = ["--headless", "--disable-gpu", "--hide-scrollbars", "--window-size=900,1800", f"--screenshot={target}"]
    try:
        subprocess.run([browser, *as_root, *flags, url], capture_output=True, timeout=SCREENSHOT_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return
    if target.exists():
        console.print(f"   A screenshot of it is {target}", highlight=False)


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own loopback server
        page: str = answer.read().decode()
        return page


def _list_pictures(page: str) -> list[str]:
    return re.findall(r'<img[^>]* src="([^"]+/uploads/[^"]+)"', page)


def _tell(number: int, what: str) -> None:
    console.print(f"[bold]{number}[/bold]  {what}", highlight=False)
