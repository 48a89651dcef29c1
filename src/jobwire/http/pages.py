"""The server's descriptions of itself: OpenAPI and a readable page for each dialect, and a catalogue of both.

They are made when first asked for, from what the server has then; kinds are added before it takes calls.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from jobwire.http.answer import Answer, Headers, Scope, json_answer
from jobwire.http.docs_page import BASE_URL, STYLE, Link, write_page
from jobwire.http.openapi import describe_site
from jobwire.http.requests import find_header, read_base_url
from jobwire.http.site import Site

OPENAPI_PATH, DOCS_PATH, CATALOG_PATH = "/openapi.json", "/docs", "/.well-known/api-catalog"

_LINKSET_TYPE = b'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"'
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_HTML_HEADERS: Headers = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'".encode(),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


class Description:
    """A site's two descriptions, made once."""

    def __init__(self, site: Site, pages: Sequence[Link]) -> None:
        self._site = site
        self._pages = pages

    @cached_property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document as plain data."""
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(describe_site(self._site)))
        return plain

    @cached_property
    def _json(self) -> bytes:
        return msgspec.json.encode(self.document)

    @cached_property
    def _html(self) -> str:
        site, mount = self._site, self._site.prefix + self._site.dialect.mount
        return write_page(
            self.document,
            site.dialect.credentials[0],
            described_at=mount + OPENAPI_PATH,
            pages=self._pages,
            here=mount + DOCS_PATH,
        )

    def answer_openapi(self, _: Scope) -> Answer:
        """The document for machines."""
        return json_answer(200, self._json)

    def answer_docs(self, scope: Scope) -> Answer:
        """The page for people, with the address they came by."""
        host = (find_header(scope, b"host") or b"").decode("latin-1")
        address = read_base_url(scope, {"host": host}) + self._site.prefix
        return Answer(200, [*_HTML_HEADERS], self._html.replace(BASE_URL, address).encode())


class Pages:
    """Every description by its path: each dialect's below its mount, the first one's at the root too."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self._sites = sites
        links = [
            Link(site.dialect.title or site.dialect.name, site.prefix + site.dialect.mount + DOCS_PATH)
            for site in sites
        ]
        self._by_path: dict[str, Callable[[Scope], Answer]] = {}
        for site in reversed(sites):
            described = Description(site, links)
            for mount in {site.dialect.mount, "" if site is sites[0] else site.dialect.mount}:
                self._add(site, mount, described)
            if site.dialect.documentation is not None:
                self._by_path[site.dialect.documentation] = described.answer_docs
        self._by_path[CATALOG_PATH] = self._answer_catalog

    def _add(self, site: Site, mount: str, described: Description) -> None:
        for path, answer in ((OPENAPI_PATH, described.answer_openapi), (DOCS_PATH, described.answer_docs)):
            # A vendor's own resource at this path wins.
            if site.router.match("GET", path.split("/")[1:]) is None:
                self._by_path[mount + path] = answer

    def answer(self, path: str, scope: Scope) -> Answer | None:
        """The description at a path, or None."""
        find = self._by_path.get(path)
        return None if find is None else find(scope)

    def _answer_catalog(self, _: Scope) -> Answer:
        """RFC 9727: where each API is described."""
        linkset = [_link_site(site) for site in self._sites]
        answer = json_answer(200, msgspec.json.encode({"linkset": linkset}))
        answer.headers[0] = (b"content-type", _LINKSET_TYPE)
        answer.headers.append((b"link", f'<{self._sites[0].prefix}{CATALOG_PATH}>; rel="api-catalog"'.encode()))
        return answer


def _link_site(site: Site) -> Mapping[str, Any]:
    mount = site.prefix + site.dialect.mount
    return {
        "anchor": mount,
        "service-desc": [{"href": mount + OPENAPI_PATH, "type": "application/json"}],
        "service-doc": [{"href": mount + DOCS_PATH, "type": "text/html"}],
    }
