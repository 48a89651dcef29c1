"""Where a ledger went and where it came from, as rows of `ledger`: what keeps two of one from being served."""

import msgspec

from jobwire.config import SettingError
from jobwire.store.contract import Rows


class Mark(msgspec.Struct, frozen=True):
    """The other side of a move. `id` is the move's own, the same on both sides."""

    id: str
    address: str
    at: int
    is_finished: bool = True


def read_mark(reader: Rows, name: str) -> Mark | None:
    """The mark of that name: moved_to or moved_from."""
    rows = reader.query("SELECT value FROM ledger WHERE name = :name", name=name)
    return parse_mark(rows[0][0]) if rows else None


def parse_mark(value: str) -> Mark:
    """The mark that a row of `ledger` holds."""
    return msgspec.json.decode(value, type=Mark)


def write_mark(writer: Rows, name: str, mark: Mark) -> None:
    """Set a mark."""
    drop_mark(writer, name)
    value = msgspec.json.encode(mark).decode()
    writer.query("INSERT INTO ledger (name, value) VALUES (:name, :value)", name=name, value=value)


def drop_mark(writer: Rows, name: str) -> None:
    """Take a mark away."""
    writer.query("DELETE FROM ledger WHERE name = :name", name=name)


def refuse_moved(reader: Rows, address: str) -> None:
    """SettingError if the ledger at `address` was moved away, or is being moved: it is not to be served."""
    mark = read_mark(reader, "moved_to")
    if mark is not None:
        raise SettingError(f"{say_moved(address, mark)}; or keep this one: jobwire move --from {address} --take-back")


def say_moved(address: str, mark: Mark) -> str:
    """What became of a ledger with that mark."""
    if mark.is_finished:
        return f"the ledger {address} was moved to {mark.address}; set JOBWIRE_DB to that"
    return f"the ledger {address} is being moved to {mark.address}; if that was interrupted, run `jobwire move` again"
