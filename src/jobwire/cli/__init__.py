"""The command line: one file a group of commands. serve.py is the one most people start with."""

from jobwire.cli.main import main

__all__ = ["main"]
