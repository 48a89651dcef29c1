"""What the commands print with: colours only on a terminal, JSON where it was asked for."""

import logging
import sys
from typing import Any

import msgspec
from rich.console import Console
from rich.logging import RichHandler

PIPE_COLUMNS = 160

# A pipe or a log has no width of its own; 80 would cut job ids in half.
console = Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS)
errors = Console(stderr=True, width=None if sys.stderr.isatty() else PIPE_COLUMNS)


def print_json(value: Any) -> None:
    """One line of JSON on stdout."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def configure_logging(level: str) -> None:
    """Log to stderr: with colours on a terminal, plain lines with times elsewhere."""
    if errors.is_terminal:
        handler: logging.Handler = RichHandler(console=errors, show_path=False)
        form = "%(name)s: %(message)s"
    else:
        handler = logging.StreamHandler()
        form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=level.upper(), format=form, handlers=[handler], force=True)
    # Our own lines say that the server has started and stops.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
