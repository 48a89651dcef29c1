"""The objects of a part of a bucket; nothing else knows the client of the storage. bucket.py keeps files in them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from jobwire.config import Bucket

WINDOW_BYTES = 4 << 20
"""A download is made of requests for so many bytes, so that none takes long and each can be tried again."""

CONNECT_TIMEOUT = "5s"
REQUEST_TIMEOUT = "60s"
RETRIES_MAX = 3
RETRYING_S = 60


class Entry(NamedTuple):
    """One object."""

    key: str
    size_bytes: int
    changed_at: datetime


class Objects:
    """The objects below the prefix of a bucket; methods block. Trouble is an OSError, absence a FileNotFoundError."""

    def __init__(self, bucket: Bucket, region: str, credentials: Mapping[str, str]) -> None:
        self.place = str(bucket)
        options: dict[str, Any] = {**credentials, **({"endpoint": bucket.endpoint} if bucket.endpoint else {})}
        self._store = S3Store(
            bucket.name,
            prefix=bucket.prefix or None,
            region=region,
            virtual_hosted_style_request=not bucket.endpoint,
            client_options={
                "allow_http": bucket.endpoint.startswith("http://"),
                "connect_timeout": CONNECT_TIMEOUT,
                "timeout": REQUEST_TIMEOUT,
            },
            retry_config={"max_retries": RETRIES_MAX, "retry_timeout": timedelta(seconds=RETRYING_S)},
            **options,
        )

    def put(self, key: str, data: bytes | Iterator[bytes]) -> None:
        """Write an object whole or not at all; pieces are sent in parts, an error of theirs ends it."""
        with self._told_as_os_errors():
            obstore.put(self._store, key, data)

    def create(self, key: str, data: bytes) -> bool:
        """Write an object unless there is one."""
        with self._told_as_os_errors():
            try:
                obstore.put(self._store, key, data, mode="create")
            except AlreadyExistsError:
                return False
        return True

    def find(self, key: str) -> Entry | None:
        """The object of that key."""
        with self._told_as_os_errors():
            try:
                return _read_entry(obstore.head(self._store, key))
            except FileNotFoundError:
                return None

    def list(self, start: str) -> Iterator[Entry]:
        """The objects below the folder `start`."""
        with self._told_as_os_errors():
            for page in obstore.list(self._store, start or None):
                yield from map(_read_entry, page)

    def read(self, key: str, start: int, length: int) -> bytes:
        """A part of an object."""
        if not length:
            return b""
        with self._told_as_os_errors():
            return bytes(obstore.get_range(self._store, key, start=start, length=length))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; one that is not there is none less."""
        if together := list(keys):
            with self._told_as_os_errors():
                obstore.delete(self._store, together)

    @contextmanager
    def _told_as_os_errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{self.place}: {_first_line(error)}") from None
        except BaseError as error:
            raise OSError(f"{self.place}: {_first_line(error)}") from None


def cut_windows(first: int, end: int) -> Iterator[tuple[int, int]]:
    """Start and length of each request for the bytes from `first` up to `end`."""
    for start in range(first, end, WINDOW_BYTES):
        yield start, min(WINDOW_BYTES, end - start)


def _read_entry(said: Mapping[str, Any]) -> Entry:
    return Entry(said["path"], said["size"], said["last_modified"])


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:500]
