"""A call in the languages customers use, ready to be copied: nothing to install, the key from the environment."""

import json
import shlex
from collections.abc import Callable, Mapping
from pprint import pformat
from typing import Any, NamedTuple

from jobwire.dialects.spec import Carrier

KEY_VARIABLE = "JOBWIRE_API_KEY"


class Request(NamedTuple):
    """One call: `url` is whole, `body` decoded JSON or None; `carrier` is where the key goes, None for no key."""

    method: str
    url: str
    carrier: Carrier | None
    body: Any = None


def write_curl(request: Request) -> str:
    """For a shell."""
    lines = [f"curl --fail-with-body -sS {shlex.quote(request.url)}"]
    if request.carrier is not None and request.carrier.place == "query":
        lines = [f'curl --fail-with-body -sS "{_with_key(request, f"${KEY_VARIABLE}")}"']
    if request.method != ("GET" if request.body is None else "POST"):
        lines[0] += f" -X {request.method}"
    if request.carrier is not None and request.carrier.place == "header":
        lines.append(f'-H "{request.carrier.name}: {_scheme(request.carrier)}${KEY_VARIABLE}"')
    if request.body is not None:
        lines.append('-H "Content-Type: application/json"')
        lines.append(f"-d {shlex.quote(_quote(request.body))}")
    return " \\\n  ".join(lines)


def write_python(request: Request) -> str:
    """For Python's own library."""
    headers = {name: _plus(words, f'os.environ["{KEY_VARIABLE}"]') for name, words in _headers(request).items()}
    lines = ["import json", "import os", "from urllib.request import Request, urlopen", "", "request = Request("]
    url = _quote(request.url)
    if request.carrier is not None and request.carrier.place == "query":
        url = _plus(_with_key(request, ""), f'os.environ["{KEY_VARIABLE}"]')
    lines.append(f"    {url},")
    if request.method != "GET":
        lines.append(f'    method="{request.method}",')
    if headers:
        inner = ", ".join(f"{_quote(name)}: {value}" for name, value in headers.items())
        lines.append(f"    headers={{{inner}}},")
    if request.body is not None:
        lines.append(f"    data=json.dumps({_indent(pformat(request.body, width=80, sort_dicts=False))}).encode(),")
    return "\n".join([*lines, ")", "with urlopen(request) as answer:", "    print(answer.status, json.load(answer))"])


def write_javascript(request: Request) -> str:
    """For Node.js 18 and later, as a module."""
    key = f"process.env.{KEY_VARIABLE}"
    url = _quote(request.url)
    if request.carrier is not None and request.carrier.place == "query":
        url = _plus(_with_key(request, ""), key)
    options = [] if request.method == "GET" else [f'  method: "{request.method}",']
    headers = {name: _plus(words, key) for name, words in _headers(request).items()}
    if headers:
        inner = ", ".join(f"{_quote(name)}: {value}" for name, value in headers.items())
        options.append(f"  headers: {{ {inner} }},")
    if request.body is not None:
        body = _indent(json.dumps(request.body, ensure_ascii=False, indent=2), "  ")
        options.append(f"  body: JSON.stringify({body}),")
    call = f"fetch({url})" if not options else "\n".join([f"fetch({url}, {{", *options, "})"])
    return f"const answer = await {call};\nconsole.log(answer.status, await answer.json());"


LANGUAGES: Mapping[str, Callable[[Request], str]] = {
    "curl": write_curl,
    "Python": write_python,
    "JavaScript": write_javascript,
}


def _quote(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _headers(request: Request) -> dict[str, str]:
    """What stands before the key in each header that has one; a whole value ends with a line feed."""
    headers: dict[str, str] = {}
    if request.carrier is not None and request.carrier.place == "header":
        headers[request.carrier.name] = _scheme(request.carrier)
    if request.body is not None:
        headers["Content-Type"] = "application/json\n"
    return headers


def _plus(words: str, key: str) -> str:
    if words.endswith("\n"):
        return _quote(words[:-1])
    return f"{_quote(words)} + {key}" if words else key


def _scheme(carrier: Carrier) -> str:
    return f"{carrier.scheme} " if carrier.scheme else ""


def _with_key(request: Request, key: str) -> str:
    assert request.carrier is not None
    return f"{request.url}{'&' if '?' in request.url else '?'}{request.carrier.name}={key}"


def _indent(text: str, space: str = "    ") -> str:
    return text.replace("\n", f"\n{space}")
