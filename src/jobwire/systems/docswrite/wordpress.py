"""The REST API of one WordPress site: what a post needs, and every refusal as a JobError (site_errors.py).

site_search.py finds the API; seo.py names the fields of plugins. Calls that create look first, so that a repeat
finds what was made before, and once more afterwards: of two that were made at once the older stays.
"""

import base64
import html
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from jobwire.net.fetch import Fetcher, Response
from jobwire.systems.docswrite.content import Media
from jobwire.systems.docswrite.marks import has_mark
from jobwire.systems.docswrite.pictures import PreparedPicture
from jobwire.systems.docswrite.site_errors import (
    explain_answer,
    explain_deleted,
    explain_missing_permission,
    explain_strange_answer,
    explain_unknown_author,
    read_refusal,
)

ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
UPLOAD_MS: Final = 60_000
TERMS_MAX: Final = 100
TERM_CHARS_MAX: Final = 200

PostType = Literal["post", "page"]
Status = Literal["publish", "future", "draft", "pending", "private"]
Taxonomy = Literal["categories", "tags"]

_PATHS: Final[Mapping[PostType, str]] = {"post": "posts", "page": "pages"}
_STATUSES: Final = "publish,future,draft,pending,private"
_POST_FIELDS: Final = "id,link,status,slug"
_TRASH: Final = "trash"
_NEEDED: Final[Mapping[str, str]] = {"edit_posts": "write posts", "upload_files": "upload files"}
_TWINS_MAX: Final = 9
_SEARCH_CHARS_MAX: Final = 60  # in an address a character takes up to twelve
_PAGE_MAX: Final = 100  # the most that WordPress gives at once

_Answer = TypeVar("_Answer")


class SiteLogin(msgspec.Struct, frozen=True):
    """Where a site's REST API is (FoundSite.root) and who we are there; never to be logged."""

    root: str
    user: str
    password: str

    def __repr__(self) -> str:
        return f"SiteLogin({self.root!r}, {self.user!r})"


class SiteUser(msgspec.Struct, frozen=True):
    """A user of the site; `capabilities` are known of ourselves only."""

    id: int
    name: str
    slug: str = ""
    username: str = ""
    capabilities: Any = None


class PostFields(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a post is created with or changed to; what is None stays as it is, or as WordPress has it.

    `date_gmt` is `YYYY-MM-DDTHH:MM:SS` in UTC; with `status` future and less than a minute ahead WordPress publishes
    at once. `meta` may hold only what the site has registered (`read_meta_names`).
    """

    title: str | None = None
    content: str | None = None
    status: Status | None = None
    slug: str | None = None
    excerpt: str | None = None
    date_gmt: str | None = None
    author: int | None = None
    categories: list[int] | None = None
    tags: list[int] | None = None
    featured_media: int | None = None
    meta: dict[str, str] | None = None


class SavedPost(msgspec.Struct, frozen=True):
    """A post as the site has it; `link` is where it is read."""

    id: int
    link: str
    status: str
    slug: str = ""


class _Rendered(msgspec.Struct, frozen=True):
    raw: str = ""


class _Post(SavedPost, frozen=True):
    content: _Rendered = _Rendered()


class _Term(msgspec.Struct, frozen=True):
    id: int
    name: str


class _Picture(msgspec.Struct, frozen=True):
    id: int
    source_url: str
    slug: str = ""
    alt_text: str = ""
    media_details: Any = None  # an object, or an empty list where WordPress knows nothing

    def to_media(self) -> Media:
        details = self.media_details if isinstance(self.media_details, dict) else {}
        width, height = (value if isinstance(value := details.get(name), int) else 0 for name in ("width", "height"))
        return Media(self.id, self.source_url, width, height)


class WordPress:
    """One site under one login. Every call raises JobError for what the site says or does, and for nothing else.

    site_unavailable and the Fetcher's unreachable ones are retryable, every other refusal of the site is permanent.
    """

    def __init__(self, fetcher: Fetcher, login: SiteLogin) -> None:
        self._fetcher = fetcher
        self._root = login.root
        secret = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {secret}", "Accept": "application/json"}

    @property
    def host(self) -> str:
        return urlsplit(self._root).hostname or ""

    async def check_login(self) -> SiteUser:
        """Who we are, if we may write posts and upload files; site_permission_missing says what we may not."""
        user = await self._read("users/me", SiteUser, {"context": "edit"})
        capabilities = user.capabilities if isinstance(user.capabilities, dict) else {}
        for capability, what in _NEEDED.items():
            if not capabilities.get(capability):
                raise explain_missing_permission(self.host, what)
        return user

    async def find_author(self, name: str) -> int:
        """The id of the user with this user name, full name or slug, in any letter case; author_unknown for none."""
        wanted = name.strip().casefold()
        for context in ("edit", "view"):  # user names are shown to those who may list users
            query = {"search": name.strip()[:_SEARCH_CHARS_MAX], "context": context, "per_page": _PAGE_MAX}
            response = await self._send("GET", "users", query=query)
            if response.status == 403 and context == "edit":
                continue
            for user in _decode(response, list[SiteUser]):
                if wanted in (user.username.casefold(), html.unescape(user.name).casefold(), user.slug.casefold()):
                    return user.id
        raise explain_unknown_author(self.host, name)

    async def ensure_terms(self, taxonomy: Taxonomy, names: Iterable[str]) -> list[int]:
        """The ids of the categories or tags of these names, in their order; those the site lacks are created.

        Names are cut to TERM_CHARS_MAX characters, empty ones and repeats left out, TERMS_MAX taken at most.
        """
        tidied = (" ".join(name.split())[:TERM_CHARS_MAX] for name in names)
        unique = {name.casefold(): name for name in tidied if name}
        return [await self._ensure_term(taxonomy, name) for name in list(unique.values())[:TERMS_MAX]]

    async def upload_picture(self, picture: PreparedPicture, folder: Path, *, alt: str, title: str = "") -> Media:
        """The picture in the media library: uploaded if it is not there yet, found by its marker otherwise.

        The text `alt` is set in either case, unless it is empty; `title` is that of a new upload.
        """
        found = await self._find_picture(picture.marker)
        if found is None:
            found = await self._upload_once(picture, folder, title)
        elif not found.media_details:
            # Its upload was cut off before its smaller sizes were made. Where they cannot be, it is shown without.
            await self._send("POST", f"media/{found.id}/post-process", json={"action": "create-image-subsizes"})
        if alt and found.alt_text != alt:
            found = await self._change(f"media/{found.id}", _Picture, {"alt_text": alt})
        return found.to_media()

    async def set_caption(self, media: int, caption: str) -> None:
        """The caption that the library has for a picture."""
        await self._change(f"media/{media}", _Picture, {"caption": caption})

    async def find_post(self, mark: str, kind: PostType) -> SavedPost | None:
        """The post that was made from the mark's document, the oldest if somebody copied it; none in the trash."""
        query: dict[str, str | int] = {"search": mark, "status": _STATUSES, "context": "edit", "per_page": _PAGE_MAX}
        shown = {"orderby": "id", "order": "asc", "_fields": f"{_POST_FIELDS},content.raw"}
        posts = await self._read(_PATHS[kind], list[_Post], {**query, **shown})
        return next((_to_saved(post) for post in posts if has_mark(post.content.raw, mark)), None)

    async def save_post(
        self, post: PostFields, *, kind: PostType, mark: str, known_id: int | None = None
    ) -> tuple[SavedPost, bool]:
        """The post as saved, and whether it is new: the one with `known_id` or with the mark is changed, else made.

        `post.content` must carry the mark (marks.py): with it a repeat after a lost answer finds the post.
        """
        if known_id is not None and (known := await self.get_post(known_id, kind)) is not None:
            return await self.update_post(known.id, post, kind=kind), False
        if (found := await self.find_post(mark, kind)) is not None:
            return await self.update_post(found.id, post, kind=kind), False
        made = await self.create_post(post, kind=kind)
        first = await self.find_post(mark, kind)
        if first is None or first.id == made.id:
            return made, True
        await self._delete(f"{_PATHS[kind]}/{made.id}")
        return await self.update_post(first.id, post, kind=kind), False

    async def get_post(self, number: int, kind: PostType) -> SavedPost | None:
        """The post of this id; None if it was deleted or lies in the trash."""
        query = {"context": "edit", "_fields": _POST_FIELDS}
        response = await self._send("GET", f"{_PATHS[kind]}/{number}", query=query)
        if response.status == 404 and read_refusal(response).code == "rest_post_invalid_id":
            return None
        saved = _decode(response, SavedPost)
        return saved if saved.status != _TRASH else None

    async def create_post(self, post: PostFields, *, kind: PostType) -> SavedPost:
        """A new post; a repeat makes another one, see save_post."""
        return await self._change(_PATHS[kind], SavedPost, post)

    async def update_post(self, number: int, post: PostFields, *, kind: PostType) -> SavedPost:
        """The post after the change; post_deleted if it is gone or in the trash."""
        if await self.get_post(number, kind) is None:
            raise explain_deleted(self.host)
        return await self._change(f"{_PATHS[kind]}/{number}", SavedPost, post)

    async def read_meta_names(self, kind: PostType) -> frozenset[str]:
        """The names of the fields that plugins have opened to the REST API for posts of this kind."""
        response = await self._send("OPTIONS", _PATHS[kind])
        schema = _decode(response, dict[str, Any]).get("schema")
        for name in ("properties", "meta", "properties"):
            schema = schema.get(name) if isinstance(schema, dict) else None
        return frozenset(schema if isinstance(schema, dict) else ())

    async def _ensure_term(self, taxonomy: Taxonomy, name: str) -> int:
        if (found := await self._find_term(taxonomy, name)) is not None:
            return found
        response = await self._send("POST", taxonomy, json={"name": name})
        refusal = read_refusal(response)
        # Somebody was faster, or the name differs in what WordPress does not tell apart.
        if refusal.code == "term_exists" and isinstance(refusal.data, dict) and "term_id" in refusal.data:
            return int(refusal.data["term_id"])
        made = _decode(response, _Term).id
        first = await self._find_term(taxonomy, name)
        if first is None or first == made:
            return made
        # An author may make a tag and not delete it: then it stays without posts.
        await self._send("DELETE", f"{taxonomy}/{made}", query={"force": "true"})
        return first

    async def _find_term(self, taxonomy: Taxonomy, name: str) -> int | None:
        query: dict[str, str | int] = {"search": name[:_SEARCH_CHARS_MAX], "per_page": _PAGE_MAX}
        terms = await self._read(taxonomy, list[_Term], {**query, "orderby": "id", "order": "asc"})
        wanted = name.casefold()
        return next((term.id for term in terms if html.unescape(term.name).casefold() == wanted), None)

    async def _find_picture(self, marker: str) -> _Picture | None:
        # The second of two uploads at once gets a number behind its slug.
        slugs = ",".join((marker, *(f"{marker}-{number}" for number in range(2, _TWINS_MAX + 1))))
        found = await self._read("media", list[_Picture], {"slug": slugs, "orderby": "id", "order": "asc"})
        return found[0] if found else None

    async def _upload_once(self, picture: PreparedPicture, folder: Path, title: str) -> _Picture:
        made = await self._upload(picture, folder, title)
        first = await self._find_picture(picture.marker)
        if first is None or first.id == made.id:
            return made
        await self._delete(f"media/{made.id}")
        return first

    async def _upload(self, picture: PreparedPicture, folder: Path, title: str) -> _Picture:
        headers = {
            "Content-Type": picture.content_type,
            "Content-Disposition": f'attachment; filename="{picture.file}"',
        }
        body = (folder / picture.file).read_bytes()
        # The marker travels with the file: an answer that is lost leaves no picture that cannot be found again.
        query = {"slug": picture.marker, **({"title": title[:_SEARCH_CHARS_MAX]} if title else {})}
        return _decode(await self._send("POST", "media", headers=headers, body=body, query=query), _Picture)

    async def _delete(self, path: str) -> None:
        _decode(await self._send("DELETE", path, query={"force": "true"}), Any)

    async def _read(self, path: str, type_: type[_Answer], query: Mapping[str, str | int]) -> _Answer:
        return _decode(await self._send("GET", path, query=query), type_)

    async def _change(self, path: str, type_: type[_Answer], json: Any) -> _Answer:
        return _decode(await self._send("POST", path, json=json), type_)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> Response:
        return await self._fetcher.request(
            method,
            self._address(path, query or {}),
            headers={**self._headers, **(headers or {})},
            json=json,
            body=body,
            body_bytes_max=ANSWER_BYTES_MAX,
            deadline_ms=UPLOAD_MS,
        )

    def _address(self, path: str, query: Mapping[str, str | int]) -> str:
        address = f"{self._root}wp/v2/{path}"
        if not query:
            return address
        return f"{address}{'&' if '?' in self._root else '?'}{urlencode(query)}"


def _decode(response: Response, type_: type[_Answer]) -> _Answer:
    if not 200 <= response.status < 300:
        raise explain_answer(response)
    try:
        return msgspec.json.decode(response.body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise explain_strange_answer(response) from None


def _to_saved(post: _Post) -> SavedPost:
    return SavedPost(post.id, post.link, post.status, post.slug)
