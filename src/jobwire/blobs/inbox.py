"""Where customers post files straight to the storage. What has come is no kept file before somebody takes it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from jobwire.blobs.objects import Objects, cut_windows
from jobwire.blobs.post_policy import Signer, sign_post

INCOMING = "incoming/"


class BucketInbox:
    """The objects below INCOMING, which customers know with the bucket's own prefix. See contract.Inbox."""

    def __init__(
        self, objects: Objects, signer: Signer, *, url: str, prefix: str, clock_s: Callable[[], float]
    ) -> None:
        self.url = url
        self._objects = objects
        self._signer = signer
        self._start = f"{prefix}/{INCOMING}" if prefix else INCOMING
        self._clock_s = clock_s

    def sign_form(self, name: str, fields: Mapping[str, str], *, bytes_max: int, lifetime_s: int) -> dict[str, str]:
        """See Inbox.sign_form."""
        named = {"key": self._start + name, **fields}
        return sign_post(self._signer, named, bytes_max=bytes_max, now_s=self._clock_s(), lifetime_s=lifetime_s)

    def find_name(self, key: str) -> str | None:
        """See Inbox.find_name."""
        return key.removeprefix(self._start) if key.startswith(self._start) else None

    def list_arrived(self, start: str) -> dict[str, int]:
        """See Inbox.list_arrived."""
        found = self._objects.list(INCOMING + start)
        return {entry.key.removeprefix(INCOMING): entry.size_bytes for entry in found}

    def bring(self, name: str, folder: Path) -> Path:
        """See Inbox.bring."""
        found = self._objects.find(INCOMING + name)
        if found is None:
            raise FileNotFoundError(f"nothing has come as {name}")
        target = folder / "arrived"
        with target.open("wb") as file:
            for start, length in cut_windows(0, found.size_bytes):
                file.write(self._objects.read(found.key, start, length))
        return target

    def forget(self, name: str) -> None:
        """See Inbox.forget."""
        self._objects.delete([INCOMING + name])
