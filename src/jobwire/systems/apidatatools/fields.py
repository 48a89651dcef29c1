"""Names of this system that several of its modules use."""

from typing import Final

MOUNT: Final = "/apidatatools"
KIND_PREFIX: Final = "apidatatools."
QUEUE: Final = "apidatatools"
RETRY_AFTER_S: Final = 2
UPLOAD_EXTENSIONS: Final = (
    "json", "csv", "xml", "txt", "yml", "yaml", "html", "md", "js", "css", "xls", "xlsx", "jpg", "jpeg", "png", "gif",
    "webp", "sql", "log",
)  # fmt: skip


def name_kind(tool: str) -> str:
    """The kind of the jobs that run a tool."""
    return KIND_PREFIX + tool


def find_extension(name: str) -> str:
    """What stands behind the last dot of a name's last part, in lower case; empty without one."""
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    return ending.lower() if stem and dot else ""
