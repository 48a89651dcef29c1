"""`jobwire demo apidatatools`: formats, converts an upload of 336,776 rows, shows where a broken file is broken."""

import json
import lzma
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from jobwire.cli.demo_server import make_key, run_server
from jobwire.cli.output import console
from jobwire.config import SettingError

OWNER = "The warehouse"
POLL_S = 0.5
END_S = 120.0
BROKEN = '{\n  "sku": "A-17",\n  "price": 1.10,\n}\n'
_BOUNDARY = "jobwire-demo"


class Client:
    """Calls the demo's server as any HTTP client would."""

    def __init__(self, address: str, key: str) -> None:
        self._base = f"{address}/apidatatools"
        self._key = key

    def run(self, tool: str, body: bytes, **headers: str) -> Any:
        """The decoded answer of a tool, also where it refuses the input."""
        named = {f"x-{name.replace('_', '-')}": value for name, value in headers.items()}
        return json.loads(self._send(f"{self._base}/{tool}-api", body, headers=named))

    def upload(self, filename: str, content: bytes) -> str:
        """The key of an uploaded file."""
        announced = json.loads(self._send(f"{self._base}/upload-api", json.dumps({"filename": filename}).encode()))
        parts = [*announced["upload"]["fields"].items()]
        head = "".join(
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in parts
        )
        head += f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'
        form = head.encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()
        self._send(
            announced["upload"]["url"], form, headers={"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        )
        return str(announced["upload"]["fields"]["key"])

    def follow(self, job: str) -> Any:
        """The job at its end, polled as the documentation does."""
        give_up_at = time.monotonic() + END_S
        while time.monotonic() < give_up_at:
            body = json.loads(self._send(f"{self._base}/status-api/{job}"))
            console.print(f"   {body['status']}", highlight=False)
            if body["status"] in ("success", "failed"):
                return body
            time.sleep(min(POLL_S, body["retry_after"]))
        raise SettingError(f"the job did not end within {END_S:g} s")

    def fetch(self, url: str) -> bytes:
        """The bytes of a result."""
        return self._send(url)

    def _send(self, url: str, body: bytes | None = None, *, headers: Mapping[str, str] | None = None) -> bytes:
        request = urllib.request.Request(url, data=body, headers={"x-api-key": self._key, **(headers or {})})  # noqa: S310 - our own loopback server
        try:
            with urllib.request.urlopen(request, timeout=END_S) as answer:  # noqa: S310 - our own loopback server
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            if error.code != 400:
                raise SettingError(f"{url} was answered {error.code}: {error.read().decode()}") from error
            return error.read()


def show_tools(folder: Path) -> None:
    """Format, convert, break: at once, by upload, and with the place of the fault."""
    with run_server(folder, systems="apidatatools") as address:
        console.print(f"[bold]1[/bold]  A server with its ledger and worker runs at {address}", highlight=False)
        client = Client(address, make_key(folder, owner=OWNER))
        console.print("[bold]2[/bold]  POST /json-formatter-api, at once:", highlight=False)
        formatted = client.run("json-formatter", b'{"sku":"A-17","price":1.10}', tab_space="2")
        console.print(formatted["preview"].rstrip(), highlight=False, markup=False)
        console.print("[bold]3[/bold]  The same with a comma too many:", highlight=False)
        console.print_json(data=client.run("json-formatter", BROKEN.encode()))
        rows = read_flights()
        count = rows.count(b"\n") - 1
        console.print(
            f"[bold]4[/bold]  An upload, the {count:,} flights of a year ({len(rows):,} bytes), converted by a job:",
            highlight=False,
        )
        key = client.upload("flights.csv", rows)
        queued = client.run("csv-to-json", json.dumps({"file": key}).encode(), source_type="file")
        done = client.follow(queued["job_id"])
        if done["status"] != "success":
            raise SettingError(f"the conversion failed: {done['error']['message']}")
        target = folder / "flights.json"
        target.write_bytes(client.fetch(done["result"]["file"]))
        console.print(
            f"   {target} has {target.stat().st_size:,} bytes and {len(json.loads(target.read_bytes())):,} objects",
            highlight=False,
            soft_wrap=True,
        )


def read_flights() -> bytes:
    """What departed from New York in 2013, as CSV; demo_data/SOURCES.md says whose data that is."""
    data = resources.files("jobwire.systems.apidatatools").joinpath("demo_data", "flights.csv.xz")
    return lzma.decompress(data.read_bytes())
