"""What the commands print with: colours only on a terminal, JSON where it was asked for."""

import logging
import sys
from typing import Any

import msgspec
from rich.console import Console
from rich.logging import RichHandler

console = Console()
errors = Console(stderr=True)


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
