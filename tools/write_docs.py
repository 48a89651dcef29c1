"""Writes the generated parts of docs/: settings.md, the tables of limits.md and the refused calls of errors.md.

    python tools/write_docs.py           write them
    python tools/write_docs.py --check   exit code 1 if they differ from the source

Values come from the source, the words from the pages themselves: a new limit gets a row with an empty last column, a
new code one with two, and tests/docs asks for its words.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
SETTINGS_PAGE = ROOT / "docs" / "settings.md"
LIMITS_PAGE = ROOT / "docs" / "limits.md"
ERRORS_PAGE = ROOT / "docs" / "errors.md"
SYSTEMS = ("rentix", "fifthelement", "docswrite", "apidatatools")

_LIMIT = re.compile(r"(?!_)(?:.*_)?(?:MAX|MIN|DEFAULT)(?:_.*)?")
_TIME = re.compile(r"(?!_|DAY_)[A-Z0-9_]+_(?:MS|S)")
_ROW = re.compile(r"\| `([^`]+)` \| [^|]* \| (.*?) ?\|")
_TABLES = re.compile(r"(<!-- begin {0} -->\n).*?(<!-- end {0} -->)".format("(?:limits|times)"), re.DOTALL)
_CODE = re.compile(r"\| `([a-z_]+)` \| [^|]* \| (.*)")
_REFUSED = re.compile(r"(<!-- begin refused -->\n)(.*?)(<!-- end refused -->)", re.DOTALL)

_SETTINGS_HEAD = """# Settings

Every setting is an environment variable. `jobwire serve`, `jobwire worker` and the other commands read them when they
start; a flag of the same name (`--db`, `--host`, `--port`, `--workers`, `--systems`) wins. A value that cannot be
used stops the command with exit code 2 and a sentence that says why.

What counts, for your own app as for the commands that are given one (`jobwire serve tasks:app`): a flag, then
`Jobwire(db=…)` and `Jobwire(systems=…)`, then `Jobwire(settings=…)` where a whole set is given, else the environment,
then the default. With an app of your own no vendor system is served unless one of them names it.

`JOBWIRE_APP` names your app (`tasks:app`) for `jobwire submit` and `jobwire rerun`, like their `--app`. `JOBWIRE_URL`
and `JOBWIRE_API_KEY` are a customer's: the server and key of the [client](client.md) and of `jobwire watch`.

This page is written by `tools/write_docs.py`.
"""


class Constant(NamedTuple):
    """A numeric constant: `name` is module and constant, as in `store.writer.GROUP_MAX`."""

    name: str
    value: int | float


def render_settings() -> str:
    """The whole of settings.md."""
    general = import_module("jobwire.config").SETTINGS
    known = {setting.name for setting in general}
    systems = [
        f"\n## {name}\n\nRead when the system [{name}](dialects/{name}.md) is served.\n\n"
        + _settings_table([one for one in _find_settings(name) if one.name not in known])
        for name in SYSTEMS
    ]
    return f"{_SETTINGS_HEAD}\n## Jobwire\n\n{_settings_table(general)}{''.join(systems)}"


def _find_settings(system: str) -> Iterable[Any]:
    found: Iterable[Any] = import_module(f"jobwire.systems.{system}.settings").SETTINGS
    return found


def _settings_table(settings: Iterable[Any]) -> str:
    rows = [f"| `{s.name}` | {f'`{s.default}`' if s.default else 'empty'} | {s.meaning} |" for s in settings]
    return "\n".join(["| name | default | what it does |", "|---|---|---|", *rows, ""])


@cache
def find_constants() -> list[Constant]:
    """Every public numeric limit and time at the top of a module, in the order of modules and names."""
    found: list[Constant] = []
    for path in sorted((SOURCE / "jobwire").rglob("*.py")):
        names = [name for name in _assigned(path) if _LIMIT.fullmatch(name) or _is_time(path, name)]
        if names:
            module = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
            values = vars(import_module(module))
            found += [
                Constant(f"{module.removeprefix('jobwire.')}.{name}", values[name])
                for name in names
                if isinstance(values[name], int | float)
            ]
    return found


def _is_time(path: Path, name: str) -> bool:
    # How long the demo waits bounds nothing anybody relies on.
    return "cli" not in path.parts and _TIME.fullmatch(name) is not None


def _assigned(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            for leaf in target.elts if isinstance(target, ast.Tuple) else (target,):
                if isinstance(leaf, ast.Name) and leaf.id.isupper():
                    yield leaf.id


def read_words(page: str) -> dict[str, str]:
    """What limits.md says of each constant, by name."""
    return {row[1]: row[2].strip() for row in map(_ROW.match, page.splitlines()) if row is not None}


def render_limits(page: str) -> str:
    """limits.md with the values of today."""
    words = read_words(page)
    constants = find_constants()
    is_time = {c.name: _LIMIT.fullmatch(c.name.rpartition(".")[2]) is None for c in constants}
    tables = iter([[c for c in constants if not is_time[c.name]], [c for c in constants if is_time[c.name]]])
    return _TABLES.sub(lambda m: f"{m[1]}{_limits_table(next(tables), words)}{m[2]}", page)


def _limits_table(constants: Iterable[Constant], words: Mapping[str, str]) -> str:
    rows = [f"| `{c.name}` | {c.value:,} | {words.get(c.name, '')} |" for c in constants]
    return "\n".join(["| constant | value | what it bounds |", "|---|---|---|", *rows, ""])


def find_codes() -> dict[str, int]:
    """The status of every code that a call may be refused with: the native dialect's, else that of its system."""
    spec, errors = import_module("jobwire.dialects.spec"), import_module("jobwire.http.errors")
    native = import_module("jobwire.dialects.native").NATIVE
    own: dict[str, int] = {}
    for name in SYSTEMS:
        dialect = getattr(import_module(f"jobwire.systems.{name}.dialect"), name.upper())
        # The codes of apidatatools' tools stand with the tools.
        words = getattr(import_module(f"jobwire.systems.{name}.error_words"), "OWN", dialect.errors)
        own |= {code: word.status for code, word in words.items()}
    return own | {code: errors.find_word(native, code).status for code in (*spec.CODES, *spec.REFINED_CODES)}


def render_errors(page: str) -> str:
    """errors.md with the codes and statuses of today, by status and then as they stood."""

    def render(match: re.Match[str]) -> str:
        words = {row[1]: row[2] for row in map(_CODE.fullmatch, match[2].splitlines()) if row is not None}
        places = {code: place for place, code in enumerate(words)}
        codes = sorted(find_codes().items(), key=lambda item: (item[1], places.get(item[0], len(places)), item[0]))
        rows = [f"| `{code}` | {status} | {words.get(code, ' |  |')}" for code, status in codes]
        head = ["| code | status | meaning | what to do |", "|---|---|---|---|"]
        return match[1] + "\n".join([*head, *rows, ""]) + match[3]

    return _REFUSED.sub(render, page)


def render_pages() -> dict[Path, str]:
    """Every page this program writes, as it should be."""
    return {
        SETTINGS_PAGE: render_settings(),
        LIMITS_PAGE: render_limits(LIMITS_PAGE.read_text(encoding="utf-8")),
        ERRORS_PAGE: render_errors(ERRORS_PAGE.read_text(encoding="utf-8")),
    }


def main() -> int:
    """Write the pages, or with --check say which differ."""
    stale = [
        page for page, text in render_pages().items() if not page.exists() or page.read_text(encoding="utf-8") != text
    ]
    if "--check" not in sys.argv[1:]:
        for page, text in render_pages().items():
            page.write_text(text, encoding="utf-8")
        return 0
    for page in stale:
        print(f"{page.relative_to(ROOT)} is not what the source says: run python tools/write_docs.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
