"""Hostile inputs over HTTP: each ends within 300 MB and 30 s of CPU with an error in the vendor's form, and the next
call is served by the same worker. Hostile URLs: nothing that is not public is ever connected to.
"""

import io
import json
import socket
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver
from apidatatools_house import Customer, RunningTools, run_tools

from house_fixtures import customer_of

pytestmark = pytest.mark.slow

MEMORY_BYTES_MAX = 300_000_000
CPU_S_MAX = 30
DEPTH = 100_000
PHOTO = {"source_format": "png", "destination_format": "jpg"}
LAUGHS = (
    '<!DOCTYPE r [<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)) + "]>"
)
ALIASES = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))


def make_book(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def make_png(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


HOSTILE: dict[str, tuple[str, dict[str, str], Callable[[], bytes], str | None]] = {
    "entities in entities": ("xml-to-json", {}, f"{LAUGHS}<r>&a9;</r>".encode, "NOT_REPRESENTABLE"),
    "entities in an attribute": ("xml-validator", {}, f'{LAUGHS}<r x="&a9;"/>'.encode, "INVALID_XML"),
    "one long entity, often": (
        "xml-validator",
        {},
        f'<!DOCTYPE r [<!ENTITY a "{"x" * 100_000}">]><r x="{"&a;" * 10_000}"/>'.encode,
        "INVALID_XML",
    ),
    "a file as an entity": (
        "xml-to-json",
        {},
        lambda: b'<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><r>&a;</r>',
        "NOT_REPRESENTABLE",
    ),
    "aliases of aliases": ("yaml-to-tsv", {}, ALIASES.encode, "INVALID_YAML"),
    "deep JSON": ("json-formatter", {}, lambda: b"[" * DEPTH + b"]" * DEPTH, "INVALID_JSON"),
    "wide margins": (
        "json-formatter",
        {"tab_space": "16"},
        lambda: b"[" * 60 + b"1," * 1_000_000 + b"1" + b"]" * 60,
        "PAYLOAD_TOO_LARGE",
    ),
    "deep JSON to convert": ("json-to-csv", {}, lambda: b'{"a":' * DEPTH + b"1" + b"}" * DEPTH, "INVALID_JSON"),
    "deep XML": ("xml-validator", {}, lambda: b"<a>" * DEPTH + b"</a>" * DEPTH, "INVALID_XML"),
    "deep YAML": ("yaml-to-tsv", {}, lambda: b"[" * DEPTH + b"]" * DEPTH, "INVALID_YAML"),
    "deep YAML lists": ("yaml-to-tsv", {}, lambda: b"- " * DEPTH + b"1", "INVALID_YAML"),
    "deep HTML to minify": ("html-minify", {}, lambda: b"<div>" * DEPTH, "INVALID_HTML"),
    "deep HTML to convert": ("html-to-markdown", {}, lambda: b"<div>" * 5_000, "INVALID_HTML"),
    "deep HTML": ("html-formatter", {}, lambda: b"<div>" * DEPTH, None),
    "tags without an end": ("html-formatter", {}, lambda: b"<div " * 10 * DEPTH, None),
    "ends of other tags": ("html-formatter", {}, lambda: b"<div>" * DEPTH + b"</p></section>" * DEPTH, None),
    "tags without an end to convert": ("html-to-markdown", {}, lambda: b"<div " * DEPTH, None),
    "comments without an end": ("html-formatter", {}, lambda: b"<!--" * DEPTH, None),
    "sections without a name": ("html-formatter", {}, lambda: b"<![" * DEPTH, None),
    "deep quotes": ("markdown-to-html", {}, lambda: b">" * DEPTH, None),
    "deep CSS": ("css-formatter", {}, lambda: b"a{" * DEPTH + b"}" * DEPTH, "RESOURCE_LIMIT_EXCEEDED"),
    "deep JavaScript": ("javascript-formatter", {}, lambda: b"{" * DEPTH + b"}" * DEPTH, "RESOURCE_LIMIT_EXCEEDED"),
    "deep SQL": ("sql-formatter", {}, lambda: b"select " + b"(" * DEPTH + b"1" + b")" * DEPTH, "INVALID_SQL"),
    "quotes in CSV": ("csv-to-json", {}, lambda: b"a,b\n" + b'"""' * 10_000_000, "INVALID_CSV"),
    "short rows under a wide header": (
        "csv-to-json",
        {},
        lambda: ",".join(f"c{n}" for n in range(10_000)).encode() + b"\n" + b"1\n" * 1_000,
        "PAYLOAD_TOO_LARGE",
    ),
    "a workbook that unpacks to 200 MB": (
        "excel-to-yaml",
        {},
        lambda: make_book("xl/worksheets/sheet1.xml", bytes(200 << 20)),
        "INVALID_EXCEL",
    ),
    "a workbook with entities": (
        "excel-to-yaml",
        {},
        lambda: make_book("xl/workbook.xml", LAUGHS.encode()),
        "INVALID_EXCEL",
    ),
    "a picture of 400 megapixels": ("image-converter", PHOTO, lambda: make_png(20_000, 20_000), "INVALID_IMAGE"),
    "a picture that lies": ("image-converter", PHOTO, lambda: make_png(7_000, 7_000), "INVALID_IMAGE"),
}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTools]:
    """A house with one worker slot, so that one that hangs would hold up all."""
    with run_tools(
        tmp_path_factory.mktemp("limited"),
        workers=1,
        APIDATATOOLS_MEMORY_BYTES=str(MEMORY_BYTES_MAX),
        APIDATATOOLS_CPU_S=str(CPU_S_MAX),
        APIDATATOOLS_FILE_BYTES="50000000",
        APIDATATOOLS_SYNC_BYTES="50000000",
    ) as house:
        yield house


attacker = customer_of("limited")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_input_costs_its_own_call_only(attacker: Customer, name: str) -> None:
    tool, headers, make, code = HOSTILE[name]
    answer = attacker.run(tool, make(), **headers)
    body = answer.json()
    if code is None:
        assert (answer.status_code, body["status"]) == (200, "success"), body
    else:
        assert answer.status_code in (400, 413)
        assert body.keys() == {"status", "error", "details"}
        assert (body["status"], body["error"]) == ("error", code), body
        assert body["details"]["message"]
        assert "Traceback" not in answer.text and 'File "' not in answer.text
    assert attacker.run("json-minify", "[ 1 ]").json()["preview"] == "[1]"
    assert attacker.get("/jobs/none").status_code == 400


class Streets:
    """Two servers on one port of loopback, of which only the one on 127.0.0.2 may be reached."""

    def __init__(self) -> None:
        self.touched = 0
        self.redirects: dict[str, str] = {}
        self._forbidden = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._forbidden.getsockname()[1]
        self._open = socket.create_server(("127.0.0.2", self.port))
        self._threads = [
            threading.Thread(target=self._serve, args=(listener,)) for listener in (self._forbidden, self._open)
        ]
        for thread in self._threads:
            thread.start()

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    self.touched += listener is self._forbidden
                    connection.settimeout(5)
                    path = connection.recv(65_536).split(b" ")[1].decode()
                    connection.sendall(self._answer(path))

    def _answer(self, path: str) -> bytes:
        if path in self.redirects:
            return f"HTTP/1.1 302 Found\r\nLocation: {self.redirects[path]}\r\nContent-Length: 0\r\n\r\n".encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"

    def close(self) -> None:
        for listener, thread in zip((self._forbidden, self._open), self._threads, strict=True):
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()


async def resolve(_: Any, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
    """A name leads where it says, `127-0-0-1.evil.test` to 127.0.0.1; no look-up leaves the machine."""
    addresses = [word.replace("-", ".") for word in host.removesuffix(".test").split(".") if word.count("-") == 3]
    return [
        ResolveResult(
            hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST
        )
        for address in addresses
    ]


@pytest.fixture(scope="module")
def streets() -> Iterator[Streets]:
    servers = Streets()
    yield servers
    servers.close()


@pytest.fixture
def fetching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Customer]:
    """A customer of a house that may fetch from 127.0.0.2 beside what is public."""
    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
    with run_tools(tmp_path, JOBWIRE_FETCH_ALLOW="127.0.0.2/32") as house:
        yield house.make_client("fetching")


NAMES = [
    "127-0-0-1.evil.test", "127-0-0-2.127-0-0-1.evil.test", "127-0-0-1.127-0-0-2.evil.test",
    "169-254-169-254.evil.test", "10-0-0-1.evil.test", "0-0-0-0.evil.test", "192-168-0-1.evil.test",
]  # fmt: skip
LOCATIONS = [
    "http://127.0.0.1:{port}/a.json", "http://localhost:{port}/a.json", "http://[::1]:{port}/a.json",
    "http://[::ffff:127.0.0.1]:{port}/a.json", "http://2130706433:{port}/a.json", "http://0177.0.0.1:{port}/a.json",
    "//127.0.0.1:{port}/a.json", "http://127-0-0-1.evil.test:{port}/a.json", "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd", "data:application/json,1", "gopher://127.0.0.1:{port}/_x", "ftp://127.0.0.1:{port}/a.json",
]  # fmt: skip


def test_a_name_or_redirect_that_leads_inside_is_never_connected_to(fetching: Customer, streets: Streets) -> None:
    port = streets.port
    jobs = {name: fetching.start("json-formatter", f"http://{name}:{port}/a.json") for name in NAMES}
    for place, location in enumerate(LOCATIONS):
        streets.redirects[f"/turn{place}.json"] = location.format(port=port)
        jobs[location] = fetching.start("json-formatter", f"http://127.0.0.2:{port}/turn{place}.json")
    for name, job in jobs.items():
        body = fetching.wait(job)
        assert (body["status"], body["error"]["code"]) == ("failed", "URL_FETCH_FAILED"), name
        assert "127.0.0.1" not in json.dumps(body["error"]) or "127.0.0.1" in name, body
    assert streets.touched == 0
    good = fetching.start("json-formatter", f"http://127-0-0-2.good.test:{port}/a.json")
    assert fetching.wait(good)["status"] == "success", "these names lead nowhere, so the test proves nothing"
