"""Every `jobwire …` of the documents is a command that exists, with options that it has."""

from pathlib import Path
from typing import Any

import pytest
import typer.main
from doc_pages import PAGES, find_commands, find_inline_commands, name_of, read_page

from jobwire.cli.main import app

ROOT_COMMAND: Any = typer.main.get_command(app)


def complaint_of(arguments: list[str], *, is_whole: bool) -> str | None:
    """What the command line would say against these arguments; a whole call also needs its required ones."""
    command, words = ROOT_COMMAND, list(arguments)
    while getattr(command, "commands", None) and words and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in command.commands:
            return f"there is no command {name!r}"
        command = command.commands[name]
    if getattr(command, "commands", None):
        return None if words in ([], ["--help"]) or not is_whole else f"{words} is no command"
    try:
        command.make_context(command.name, words)
    except Exception as error:
        if type(error).__name__ == "Exit" or (type(error).__name__ == "MissingParameter" and not is_whole):
            return None
        return str(getattr(error, "format_message", error.__str__)())
    return None


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_commands_of_a_page_exist_with_their_options(page: Path) -> None:
    text = read_page(page)
    faults = [(call, complaint_of(call, is_whole=True)) for call in find_commands(text, "jobwire")]
    faults += [(call, complaint_of(call, is_whole=False)) for call in find_inline_commands(text, "jobwire")]
    assert [fault for fault in faults if fault[1] is not None] == []


def test_every_command_is_documented() -> None:
    calls = [
        call
        for page in PAGES
        for find in (find_commands, find_inline_commands)
        for call in find(read_page(page), "jobwire")
    ]
    named = {tuple(call[:1]) for call in calls} | {tuple(call[:2]) for call in calls}
    every = {
        (name, sub) if sub else (name,)
        for name, command in ROOT_COMMAND.commands.items()
        for sub in getattr(command, "commands", {"": None})
    }
    assert every - named == set()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["sevre"], "sevre"),
        (["serve", "--prot", "1"], "--prot"),
        (["serve", "--port", "x"], "--port"),
        (["show"], "JOB_ID"),
    ],
)
def test_a_wrong_command_would_be_noticed(arguments: list[str], part: str) -> None:
    assert part in (complaint_of(arguments, is_whole=True) or "")
