"""What a tool is: a pure function from a file to a file, with its options and errors; see source.py and sink.py.

Tools touch no network and no ledger. Files of strangers are read in limited child processes, and there alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from jobwire.systems.apidatatools.tools.faults import ToolError
from jobwire.systems.apidatatools.tools.sink import Sink
from jobwire.systems.apidatatools.tools.source import Source

OptionKind = Literal["integer", "boolean", "choice", "text"]
OptionValue = int | bool | str | None
Options = Mapping[str, OptionValue]
"""A value for every option of the tool, by header name."""

__all__ = [
    "Option",
    "OptionKind",
    "OptionValue",
    "Options",
    "Run",
    "Sink",
    "Source",
    "Tool",
    "ToolError",
    "ToolResult",
    "read_int",
    "read_text",
]

OPTION_CHARS_MAX: Final = 200

_BOOLEANS: Final[Mapping[str, bool]] = {
    "1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Option:
    """A header that a tool reads; `minimum` and `maximum` bound an integer, or the characters of a text."""

    header: str
    kind: OptionKind
    default: OptionValue = None
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = OPTION_CHARS_MAX
    required: bool = False
    check: Callable[[str], str | None] | None = None
    """What is wrong with a text, or None."""

    def parse(self, text: str | None) -> OptionValue:
        """The value of the header, or the default when it is absent; ToolError INVALID_HEADER."""
        if text is None or not text.strip():
            if self.required:
                raise self._refuse("is missing")
            return self.default
        value = text.strip()
        match self.kind:
            case "integer":
                return self._parse_integer(value)
            case "boolean":
                if value.lower() not in _BOOLEANS:
                    raise self._refuse(f"is {value[:40]!r}; send one of {', '.join(_BOOLEANS)}")
                return _BOOLEANS[value.lower()]
            case "choice":
                if value.lower() not in self.choices:
                    raise self._refuse(f"is {value[:40]!r}; send one of {', '.join(self.choices)}")
                return value.lower()
            case "text":
                # A delimiter may be a tab, which is white space.
                return self._check_text(text if text != " " else value)

    def _parse_integer(self, value: str) -> int:
        if not (value.isascii() and value.isdecimal()) or not self.minimum <= int(value[:9]) <= self.maximum:
            raise self._refuse(f"is {value[:40]!r}; send a whole number from {self.minimum} to {self.maximum}")
        return int(value)

    def _check_text(self, value: str) -> str:
        if not self.minimum <= len(value) <= self.maximum:
            raise self._refuse(f"has {len(value)} characters; it may have {self.minimum} to {self.maximum}")
        fault = None if self.check is None else self.check(value)
        if fault is not None:
            raise self._refuse(fault)
        return value

    def _refuse(self, fault: str) -> ToolError:
        return ToolError("INVALID_HEADER", f"{self.header} {fault}")


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool says beside the file it wrote: losses and other notes, each a sentence."""

    notes: tuple[str, ...] = ()


Run = Callable[[Source, Options, Sink], ToolResult]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool of the table: its path is `/<name>-api`, `aliases` are further names of the same."""

    name: str
    extensions: tuple[str, ...]
    """Endings of files and URLs it takes, without the dot."""

    output: str
    """Ending of the file it writes; `choose_output` where the options decide."""

    content_type: str
    run: Run
    options: tuple[Option, ...] = ()
    errors: tuple[str, ...] = ()
    """Codes of its own, beside INVALID_HEADER, INVALID_ENCODING, EMPTY_BODY and PAYLOAD_TOO_LARGE."""

    aliases: tuple[str, ...] = ()
    choose_output: Callable[[Options], tuple[str, str]] | None = None
    """Ending and content type by the options."""

    def read_options(self, headers: Mapping[str, str]) -> dict[str, OptionValue]:
        """The options from headers with lower-case names; ToolError INVALID_HEADER."""
        return {option.header: option.parse(headers.get(option.header)) for option in self.options}

    def name_output(self, options: Options) -> tuple[str, str]:
        """Ending and content type of the file it writes."""
        return self.choose_output(options) if self.choose_output else (self.output, self.content_type)


def read_int(options: Options, header: str) -> int:
    """The value of an integer option."""
    value: Any = options[header]
    return int(value)


def read_text(options: Options, header: str) -> str | None:
    """The value of a text or choice option."""
    value = options[header]
    return None if value is None else str(value)
