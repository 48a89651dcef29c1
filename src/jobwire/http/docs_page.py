"""A dialect's description as a page to read: HTML without scripts and without anything loaded from elsewhere.

It is made from the OpenAPI document alone, so that it can tell nothing else. pages.py serves it.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any, NamedTuple

from jobwire.dialects.spec import Carrier
from jobwire.http.snippets import LANGUAGES, Request

STYLE = (files("jobwire.http") / "docs.css").read_text(encoding="utf-8")
# Stands for the server's own address until the page is sent; in no text that people write.
BASE_URL = "\ue000"
_DEPTH_MAX = 3
# Told once, at the top.
_EVERYWHERE = "X-Request-Id"

Json = Mapping[str, Any]


class Link(NamedTuple):
    """A page of this server: its title and path."""

    title: str
    path: str


class Operation(NamedTuple):
    """One call of a document."""

    method: str
    path: str
    told: Json


def write_page(document: Json, carrier: Carrier, *, described_at: str, pages: Sequence[Link], here: str) -> str:
    """The whole page of a document; BASE_URL stands where the server's address belongs."""
    title = f"{escape(document['info']['title'].removesuffix(' API'))} API"
    operations = [
        Operation(method.upper(), path, told)
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    ]
    about = "".join(f"<p>{_code_names(part)}</p>" for part in document["info"]["description"].split("\n\n"))
    sections = "".join(_write_operation(document, one, carrier) for one in operations)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style>\n</head>\n'
        f'<body>\n<a class="skip" href="#main">Skip to the calls</a>\n<div class="frame">\n'
        f"{_write_menu(operations, pages, here, has_webhooks='webhooks' in document)}\n"
        f'<main id="main">\n<h1>{title}</h1>\n<p class="soft">Version {escape(document["info"]["version"])} at '
        f'<code>{BASE_URL}</code>; for machines: <a href="{escape(described_at)}">OpenAPI 3.1</a></p>\n'
        f"{about}\n{_write_key_hint()}\n{sections}\n"
        f"{_write_job(document)}\n{_write_webhooks(document)}\n</main>\n</div>\n</body>\n</html>\n"
    )


def _write_menu(operations: Sequence[Operation], pages: Sequence[Link], here: str, *, has_webhooks: bool) -> str:
    others = "".join(
        f'<li><a href="{escape(page.path)}"{" aria-current=page" if page.path == here else ""}>'
        f"{escape(page.title)}</a></li>"
        for page in pages
    )
    calls = "".join(
        f'<li><a href="#{escape(one.told["operationId"])}">{escape(one.told["summary"] or one.path)}</a></li>'
        for one in operations
    )
    apis = f"<h2>APIs</h2><ul>{others}</ul>" if len(pages) > 1 else ""
    shapes = _SHAPES + (_WEBHOOKS if has_webhooks else "")
    return f'<nav aria-label="Contents">{apis}<h2>Calls</h2><ul>{calls}</ul><h2>Shapes</h2><ul>{shapes}</ul></nav>'


_SHAPES = '<li><a href="#job">The job</a></li><li><a href="#error">A refusal</a></li>'
_WEBHOOKS = '<li><a href="#webhooks">Webhooks</a></li>'


def _write_key_hint() -> str:
    return (
        "<p>The examples read your key from the environment variable <code>JOBWIRE_API_KEY</code>. Those in Python "
        "need Python alone, those in JavaScript Node.js 18 or later.</p>"
    )


def _write_operation(document: Json, one: Operation, carrier: Carrier) -> str:
    told = one.told
    name = escape(told["operationId"])
    parts = [
        f'<section class="call" id="{name}" aria-labelledby="{name}-title">',
        f'<h2 id="{name}-title">{escape(told["summary"] or one.path)}</h2>',
        f'<p class="line"><b>{one.method}</b> <span>{escape(one.path)}</span></p>',
        f"<p>{_code_names(told['description'])}</p>" if "description" in told else "",
        _write_parameters(document, told["parameters"]),
        _write_bodies(document, told),
        _write_snippets(document, one, carrier),
        _write_responses(document, told["responses"]),
        "</section>",
    ]
    return "\n".join(filter(None, parts))


def _write_parameters(document: Json, parameters: Sequence[Json]) -> str:
    rows = []
    for parameter in (_resolve(document, one) for one in parameters):
        if parameter["name"] == _EVERYWHERE:
            continue
        must = ", required" if parameter.get("required") else ""
        rows.append(
            [
                f"<code>{escape(parameter['name'])}</code>",
                f"{parameter['in']}{must}",
                _show_type(document, parameter["schema"]),
                _code_names(parameter.get("description", "")),
            ]
        )
    return _write_table("Parameters", ["name", "where", "type", "meaning"], rows)


def _write_bodies(document: Json, told: Json) -> str:
    content = told.get("requestBody", {}).get("content", {})
    parts = []
    for media_type, one in content.items():
        schema = _resolve(document, one.get("schema", {}))
        parts.append(f"<p>The body is <code>{escape(media_type)}</code>.</p>")
        for choice in schema.get("oneOf", [schema]):
            parts.append(_write_choice(document, _resolve(document, choice), is_many="oneOf" in schema))
    return f"<h3>Body</h3>{''.join(parts)}" if parts else ""


def _write_choice(document: Json, schema: Json, *, is_many: bool) -> str:
    table = _write_fields(document, schema)
    if not is_many:
        return table
    title, text = schema.get("title", ""), schema.get("description", "")
    return (
        f"<details><summary>kind <code>{escape(title)}</code> {escape(text)}</summary>{table}</details>"
        if table
        else ""
    )


def _write_fields(document: Json, schema: Json) -> str:
    rows = [
        [
            f"<code>{escape(name)}</code>",
            _show_type(document, child) + (", required" if is_required else ""),
            _code_names(child.get("description", "")),
        ]
        for name, child, is_required in _walk(document, schema)
    ]
    return _write_table("", ["field", "type", "meaning"], rows)


def _walk(document: Json, schema: Json, prefix: str = "", depth: int = 0) -> Iterable[tuple[str, Json, bool]]:
    """The fields of an object and of the objects in it, by their dotted names."""
    required = schema.get("required", ())
    for name, told in schema.get("properties", {}).items():
        yield prefix + name, told, name in required
        target = _resolve(document, next((one for one in told.get("anyOf", ()) if "$ref" in one), told))
        if depth < _DEPTH_MAX and "properties" in target:
            yield from _walk(document, target, f"{prefix}{name}.", depth + 1)


def _write_snippets(document: Json, one: Operation, carrier: Carrier) -> str:
    content = one.told.get("requestBody", {}).get("content", {})
    if content and "application/json" not in content:
        return ""
    body: Any = None
    if content:
        examples = content["application/json"].get("examples", {})
        body = next((example["value"] for example in examples.values()), {})
    is_open = one.told.get("security") == []
    request = Request(one.method, BASE_URL + _fill(document, one), None if is_open else carrier, body)
    texts = [
        f"<details{' open' if index == 0 else ''}><summary>{language}</summary>"
        f'<pre tabindex="0"><code data-language="{language}">{escape(write(request))}</code></pre></details>'
        for index, (language, write) in enumerate(LANGUAGES.items())
    ]
    return f"<h3>Example</h3>{''.join(texts)}"


def _fill(document: Json, one: Operation) -> str:
    """The path with the examples of what it needs."""
    path, query = one.path, []
    for parameter in (_resolve(document, told) for told in one.told["parameters"]):
        sample = str(parameter.get("example", parameter["name"]))
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", sample)
        elif parameter["in"] == "query" and parameter.get("required"):
            query.append(f"{parameter['name']}={sample}")
    return "?".join(filter(None, (path, "&".join(query))))


def _write_responses(document: Json, responses: Json) -> str:
    rows, examples = [], []
    for status, response in responses.items():
        headers = ", ".join(
            f"<code>{escape(name)}</code>" for name in response.get("headers", ()) if name != _EVERYWHERE
        )
        mark = ' class="bad"' if status[0] in "45" else ""
        rows.append([f"<span{mark}>{status}</span>", _tell_response(response["description"]), headers])
        if status[0] == "2":
            examples += _find_examples(response)
    shown = "".join(
        f"<details><summary>Answer: {escape(name)}</summary>"
        f'<pre tabindex="0"><code>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</code></pre></details>'
        for name, value in examples
    )
    return _write_table("Answers", ["status", "meaning", "headers"], rows) + shown


def _tell_response(text: str) -> str:
    """A sentence, or a phrase with the codes that a refusal may have."""
    phrase, _, codes = text.partition(": ")
    if not codes:
        return _code_names(text)
    return f"{escape(phrase)}: {', '.join(f'<code>{escape(code)}</code>' for code in codes.split(', '))}"


def _find_examples(response: Json) -> list[tuple[str, Any]]:
    return [
        (name, example["value"])
        for content in response.get("content", {}).values()
        for name, example in content.get("examples", {}).items()
    ]


def _write_job(document: Json) -> str:
    schemas = document["components"]["schemas"]
    return (
        '<section class="call" id="job"><h2>The job</h2>'
        f"<p>A field without “required” is there in some phases only.</p>{_write_fields(document, schemas['Job'])}"
        '</section>\n<section class="call" id="error"><h2>A refusal</h2>'
        f"{_write_fields(document, schemas['Error'])}</section>"
    )


def _write_webhooks(document: Json) -> str:
    webhooks = {type_: item["post"] for type_, item in document.get("webhooks", {}).items()}
    if not webhooks:
        return ""
    rows = [[f"<code>{escape(type_)}</code>", escape(told["summary"])] for type_, told in webhooks.items()]
    first = next(iter(webhooks.values()))
    return (
        '<section class="call" id="webhooks"><h2>Webhooks</h2>'
        f"<p>What is sent to your own addresses, by POST.</p>{_write_table('', ['type', 'meaning'], rows)}"
        f"{_write_parameters(document, first['parameters'])}{_write_bodies(document, first)}"
        f"{_write_responses(document, first['responses'])}</section>"
    )


def _write_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    caption = f"<h3>{escape(title)}</h3>" if title else ""
    return f'{caption}<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _show_type(document: Json, schema: Json) -> str:
    schema = _resolve(document, schema)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(_show_type(document, one) for one in choices))
    if "const" in schema:
        return f"<code>{escape(json.dumps(schema['const']))}</code>"
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(one))}</code>" for one in schema["enum"])
    named = schema.get("type", "anything")
    word = " or ".join(named) if isinstance(named, list) else str(named)
    if word == "array" and "items" in schema:
        word = f"list of {_show_type(document, schema['items'])}"
    return word + _show_bounds(schema)


def _show_bounds(schema: Json) -> str:
    if schema.get("format") == "date-time":
        return ", a time"
    for low, high, unit in _BOUNDS:
        match schema.get(low), schema.get(high):
            case (None, None):
                continue
            case (least, None):
                return f", {least} or more{unit}"
            case (None, most):
                return f", at most {most}{unit}"
            case (least, most):
                return f", {least} to {most}{unit}"
    return ""


_BOUNDS = (("minimum", "maximum", ""), ("minLength", "maxLength", " characters"), ("minItems", "maxItems", ""))


def _resolve(document: Json, schema: Json) -> Json:
    while "$ref" in schema:
        target: Any = document
        for name in schema["$ref"].split("/")[1:]:
            target = target[name]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


_NAMES = re.compile(
    r"\b(?:[A-Z][A-Za-z]*-)+[A-Z][A-Za-z]*\b|\b(?:ETag|Location|Allow)\b|\b[a-z0-9]+(?:_[a-z0-9]+)+\b|\b[a-z]+:[a-z]+\b"
)


def _code_names(text: str) -> str:
    """A sentence with the names of headers and fields set as code."""
    return _NAMES.sub(lambda found: f"<code>{found[0]}</code>", escape(text))
