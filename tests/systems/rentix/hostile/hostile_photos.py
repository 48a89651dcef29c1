"""A server of photos that lies, stalls, floods and redirects: each path gives the very bytes it was told."""

import gzip
import io
import socket
import struct
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from itertools import chain, repeat
from types import TracebackType
from typing import Self

from hostile_house import PHOTO_ADDRESS
from PIL import Image

Reply = bytes | Callable[[], Iterable[bytes]]

SEND_S = 30
"""How long a reader may keep this server waiting."""


def answer(body: bytes, *, status: str = "200 OK", length: int | None = None, **headers: str) -> bytes:
    """A whole HTTP answer; `length` is what it claims to have, `headers` may replace its type."""
    size = len(body) if length is None else length
    given = {"Content-Type": "image/jpeg", "Content-Length": str(size), "Connection": "close"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return answer(b"", status=status, Location=location)


class HostilePhotos:
    """Serves `pages` by path on PHOTO_ADDRESS, and a good photo at every path `/good/…`."""

    def __init__(self) -> None:
        self.pages: dict[str, Reply] = {}
        self.hits: Counter[str] = Counter()
        self._listener = socket.create_server((PHOTO_ADDRESS, 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self.base = f"http://{PHOTO_ADDRESS}:{self.port}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._answers: list[threading.Thread] = []

    def put(self, path: str, reply: Reply) -> str:
        """Serve this reply; its URL."""
        self.pages[path] = reply
        return self.base + path

    def good(self, name: str) -> str:
        """The URL of a good photo, a different picture for each name."""
        return f"{self.base}/good/{name}"

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._answer, args=(connection,))
                self._answers.append(thread)
                thread.start()

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(SEND_S)
        with connection, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                if not (part := connection.recv(4096)):
                    return
                head += part
            path = head.split(b" ")[1].decode().partition("?")[0]
            self.hits[path] += 1
            reply = answer(good_photo(path)) if path.startswith("/good/") else self.pages[path]
            for part in (reply,) if isinstance(reply, bytes) else reply():
                connection.sendall(part)
                if self._stop.is_set():
                    return

    def stall(self) -> Iterator[bytes]:
        """A reply that never begins."""
        self._stop.wait()
        yield b""

    def drip(self, body: bytes) -> Callable[[], Iterator[bytes]]:
        """A whole answer with this body, a byte at a time."""

        def parts() -> Iterator[bytes]:
            for byte in answer(body):
                yield bytes((byte,))
                self._stop.wait(0.02)

        return parts

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._thread, *self._answers):
            thread.join()


@cache
def good_photo(name: str) -> bytes:
    """A small photo of its own for each name."""
    seed = zlib.crc32(name.encode())
    noise = Image.effect_noise((160, 120), 40 + seed % 60).convert("RGB")
    body = io.BytesIO()
    noise.save(body, "JPEG", quality=85)
    return body.getvalue()


def png(width: int, height: int, packed: bytes, *, bits: int = 8, before: bytes = b"") -> bytes:
    """A grey PNG that claims that size; `packed` is its compressed content, whatever it unpacks to."""
    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def swollen_jpeg(width: int, height: int) -> bytes:
    """A small JPEG whose header claims another size."""
    body = bytearray(good_photo("swollen"))
    at = body.index(b"\xff\xc0")
    body[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(body)


def webp_canvas(side: int) -> bytes:
    size = (side - 1).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + size + size
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def zip_bomb() -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("photo.jpg", bytes(10_000_000))
    return body.getvalue()


@cache
def hostile_files() -> Mapping[str, tuple[bytes, str]]:
    """Files that are no photo anybody could show, each with the code of its refusal; all of them are permanent."""
    photo = good_photo("victim")
    page_of_zeros = (30_000 // 8 + 1) * 30_000  # what one bit a pixel unpacks to: 112 MB from 110 KB
    text = chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(20_000_000)))
    small = zlib.compress(bytes(101 * 100))
    return {
        "a PNG of 30,000 x 30,000 that unpacks whole": (
            png(30_000, 30_000, zlib.compress(bytes(page_of_zeros), 1), bits=1),
            "photo_too_many_pixels",
        ),
        "a PNG of 2 x 2 thousand million": (png(2, 2_000_000_000, small), "photo_too_many_pixels"),
        "a PNG of 1 x 20,001": (png(1, 20_001, small), "photo_too_many_pixels"),
        "a PNG of 0 x 0": (png(0, 0, small), "photo_unreadable"),
        "a PNG whose text unpacks to 20 MB": (png(100, 100, small, before=text), "photo_unreadable"),
        "a PNG without pixels": (png(100, 100, zlib.compress(b"")), "photo_truncated"),
        "a PNG of broken deflate": (png(100, 100, b"not deflate at all"), "photo_unreadable"),
        "a JPEG of 65,000 x 65,000": (swollen_jpeg(65_000, 65_000), "photo_too_many_pixels"),
        "a JPEG of 0 x 0": (swollen_jpeg(0, 0), "photo_unreadable"),
        "a WebP canvas of 16,383 x 16,383": (webp_canvas(16_383), "photo_too_many_pixels"),
        "a GIF of 65,000 x 65,000": (
            b"GIF89a" + struct.pack("<HH", 65_000, 65_000) + b"\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
            "photo_too_many_pixels",
        ),
        "PHP": (b"<?php system($_GET['c']); ?>", "photo_type_unsupported"),
        "PHP behind the first bytes of a JPEG": (b"\xff\xd8\xff" + b"<?php evil(); ?>" * 40, "photo_truncated"),
        "PHP in a closed JPEG": (b"\xff\xd8\xff" + b"<?php evil(); ?>" * 40 + b"\xff\xd9", "photo_unreadable"),
        "HTML": (b"<!DOCTYPE html><script>alert(1)</script>", "photo_type_unsupported"),
        "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "photo_type_unsupported"),
        "SVG with an entity": (
            b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
            "photo_type_unsupported",
        ),
        "a ZIP bomb": (zip_bomb(), "photo_type_unsupported"),
        "gzip of a photo": (gzip.compress(photo), "photo_type_unsupported"),
        "TIFF": (b"II*\0\x08\0\0\0" + bytes(100), "photo_type_unsupported"),
        "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n(%pipe%id) (w) file", "photo_type_unsupported"),
        "an executable": (b"\x7fELF" + bytes(100), "photo_type_unsupported"),
        "zeros": (bytes(100_000), "photo_type_unsupported"),
        "half a JPEG": (photo[: len(photo) // 2], "photo_truncated"),
    }


def endless(first: bytes, part: bytes) -> Callable[[], Iterator[bytes]]:
    """A reply without an end."""
    return lambda: chain((first,), repeat(part))
