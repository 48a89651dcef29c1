"""The job docswrite_export: fetches a document, brings its pictures to the site, and makes or updates its post.

fetching.py, placing.py and wordpress.py do the parts. Each part that changes something outside is a step, and looks
first whether it was done: a retry doubles nothing.
"""

import asyncio
import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, cast

import msgspec

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import SNOOZE_S_MAX, Context
from jobwire.net.fetch import Fetcher
from jobwire.service.services import Services
from jobwire.systems.docswrite.content import ContentOptions, ContentRequest, Media, write_content
from jobwire.systems.docswrite.fetching import BroughtFile, Documents
from jobwire.systems.docswrite.fields import DEFAULTS, Fields, Value, read_fields, read_moment, split_names
from jobwire.systems.docswrite.limits import LIMITS
from jobwire.systems.docswrite.marks import add_mark, make_mark
from jobwire.systems.docswrite.placing import Placing, find_texts
from jobwire.systems.docswrite.records import PostPlace, find_post, keep_post
from jobwire.systems.docswrite.records_sites import SiteRow
from jobwire.systems.docswrite.seo import META_NAMES, split_fields
from jobwire.systems.docswrite.settings import DocswriteSettings
from jobwire.systems.docswrite.sites import Sites
from jobwire.systems.docswrite.source import Source, load_document, read_source
from jobwire.systems.docswrite.wordpress import PostFields, PostType, SavedPost, Status, WordPress

DOCSWRITE_EXPORT: Final = "docswrite_export"
STAGES: Final = {"fetch": 15.0, "convert": 10.0, "pictures": 50.0, "publish": 25.0}

_TERMS: Final = ("categories", "tags")

Editor = Literal["classic", "gutenberg"]


class ExportInput(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which document goes to which site, what was said of the post (fields.py), and when."""

    site: str
    google_id: str = ""
    document_id: str = ""
    fields: dict[str, str | bool] = {}
    asked_at: int | None = None


class Heading(msgspec.Struct, frozen=True):
    """What the site calls the categories, tags and author of a post, the fields of its plugins that it takes, and
    those that it does not."""

    categories: list[int] | None
    tags: list[int] | None
    author: int | None
    meta: dict[str, str]
    refused: list[str]


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt at one export; `said` is what its request says."""

    ctx: Context
    task: ExportInput
    said: Fields
    site: SiteRow
    fetcher: Fetcher
    wordpress: WordPress
    folder: Path
    mark: str


class Exporting:
    """Exports documents to the sites of one house's owners."""

    def __init__(self, services: Services, settings: DocswriteSettings) -> None:
        self._clock: Callable[[], int] = services.clock
        self._settings = settings
        self._sites = Sites(services.store, settings)
        self._documents = Documents(services.blobs, google_url=settings.google_url)

    async def export(self, ctx: Context, task: ExportInput) -> dict[str, Any]:
        """Publish a document: fetch it, convert it, upload its pictures, make or update its post."""
        said = _read(task.fields, "the request")
        self._await_date(ctx, said)
        site, login = await self._sites.open_login(ctx.owner, task.site)
        with ctx.scratch() as folder:
            async with Fetcher(self._settings.fetch_policy) as fetcher:
                mark = make_mark(f"{ctx.owner}\0{name_document(task)}")
                work = Work(ctx, task, said, site, fetcher, WordPress(fetcher, login), folder, mark)
                return await self._publish(work)

    async def _publish(self, work: Work) -> dict[str, Any]:
        ctx = work.ctx
        ctx.progress(percent=50, stage="fetch")
        brought = msgspec.convert(await ctx.step("fetch", lambda: self._fetch(work)), BroughtFile)
        if work.task.google_id and not await asyncio.to_thread(self._documents.has, brought):
            # An earlier attempt ran on another machine, with kept files of its own.
            brought = await self._fetch(work)
        ctx.progress(stage="convert")
        describe = partial(self._documents.describe, folder=work.folder, pictures=work.folder / "source")
        request = await asyncio.to_thread(describe, brought)

        source: Source = await ctx.isolate(read_source, request, limits=LIMITS)
        fields = {**DEFAULTS, **_read(source.settings, "the table in the document"), **work.said}
        self._await_date(ctx, fields)
        # A site that does not know us answers later calls as if we might not do what they ask.
        await work.wordpress.check_login()
        media, featured, warnings = await self._place_pictures(work, source, fields)
        ctx.progress(stage="publish")
        heading = msgspec.convert(await ctx.step("heading", lambda: _resolve(work, fields)), Heading)
        content = await _write(work, media, fields)
        status = _find_status(fields, asked_at=work.task.asked_at, now=self._clock())
        post = _describe_post(source, fields, heading)
        post = msgspec.structs.replace(post, content=content, featured_media=featured, status=status)
        ctx.check_cancelled()
        saved = msgspec.convert(await ctx.step("post", lambda: _save(work, post, _kind_of(fields))), SavedPost)
        warnings += [f"the site has no field for {name}; activate its plugin there" for name in heading.refused]
        if _kind_of(fields) == "page":
            warnings += [f"{name} are left out: pages of WordPress have none" for name in _TERMS if fields.get(name)]
        told = {"error": False, "post_url": saved.link, "data": {"id": saved.id}}
        return {**told, "warnings": warnings} if warnings else told

    def _await_date(self, ctx: Context, fields: Fields) -> None:
        """Put the job off until its date, unless the site is to wait."""
        if "date" in fields and fields.get("schedule_mode", self._settings.schedule_mode) == "delay":
            ahead_ms = read_moment(str(fields["date"])) - self._clock()
            if ahead_ms > 0:
                ctx.snooze(min(ahead_ms / 1_000, SNOOZE_S_MAX))

    async def _fetch(self, work: Work) -> BroughtFile:
        if work.task.document_id:
            return await self._documents.take_upload(work.ctx, work.task.document_id)
        return await self._documents.fetch_google(work.ctx, work.fetcher, work.task.google_id, folder=work.folder)

    async def _place_pictures(
        self, work: Work, source: Source, fields: Fields
    ) -> tuple[dict[str, Media], int | None, list[str]]:
        """What became of each picture by its key, which of them heads the post, and what was left out."""
        ctx = work.ctx
        is_last = ctx.attempt >= self._settings.attempts_max
        placing = Placing(ctx, work.fetcher, work.wordpress, work.folder, fields, is_last)
        texts = find_texts(await asyncio.to_thread(load_document, work.folder / "source"))
        heads = fields["first_image_as_featured_image"] and not fields.get("featured_image_url")
        media: dict[str, Media] = {}
        warnings = [f"a picture was left out ({one.place}): {one.reason}" for one in source.skipped]
        for place, picture in enumerate(source.pictures):
            ctx.check_cancelled()
            ctx.progress(stage="pictures", done=place, total=len(source.pictures))
            alt, caption = placing.head_texts if heads and not media else ("", "")
            placed = await placing.place(picture, alt=alt or texts.get(picture.key, ""), caption=caption)
            if placed.media is not None:
                media[picture.key] = placed.media
            else:
                warnings.append(f"picture {place + 1} was left out: {placed.skipped}")
        featured = next(iter(media.values())).id if media and fields["first_image_as_featured_image"] else None
        if url := fields.get("featured_image_url"):
            head = await placing.place_featured(str(url))
            if head.media is not None:
                featured = head.media.id
            else:
                warnings.append(f"the featured image was left out: {head.skipped}")
        return media, featured, warnings


def name_document(task: ExportInput) -> str:
    """What tells the documents of an owner apart."""
    return f"upload:{task.document_id}" if task.document_id else f"google:{task.google_id}"


def _find_status(fields: Fields, *, asked_at: int | None, now: int) -> Status | None:
    """What the post becomes; None leaves a post as it is and makes a new one a draft.

    Who names a date that is still ahead, and no state, wants it published then.
    """
    date = read_moment(str(fields["date"])) if "date" in fields else None
    is_for_later = date is not None and asked_at is not None and date > asked_at
    state = fields.get("state", "publish" if is_for_later else None)
    if state in ("publish", "future"):
        return "future" if date is not None and date > now else "publish"
    return cast(Status | None, state)


def _describe_post(source: Source, fields: Fields, heading: Heading) -> PostFields:
    """The post without its content and status. What nobody said stays as it is."""
    return PostFields(
        # As text: from a user with all rights WordPress takes any markup in these, scripts included.
        title=html.escape(str(fields.get("title") or source.title), quote=False),
        slug=str(fields["slug"]) if "slug" in fields else None,
        excerpt=html.escape(str(fields["excerpt"]), quote=False) if "excerpt" in fields else None,
        date_gmt=str(fields["date"]).partition("+")[0] if "date" in fields else None,
        author=heading.author,
        categories=heading.categories,
        tags=heading.tags,
        meta=heading.meta or None,
    )


async def _resolve(work: Work, fields: Fields) -> Heading:
    """The numbers that the site has for names; categories and tags it lacks are made."""
    site, kind = work.wordpress, _kind_of(fields)
    # Pages have neither categories nor tags.
    names = {name: split_names(fields[name]) for name in _TERMS if name in fields and kind == "post"}
    categories = await site.ensure_terms("categories", names["categories"]) if "categories" in names else None
    tags = await site.ensure_terms("tags", names["tags"]) if "tags" in names else None
    author = await site.find_author(str(fields["author"])) if fields.get("author") else None
    told = {name: str(fields[name]) for name in META_NAMES if name in fields}
    split = split_fields(told, await site.read_meta_names(kind)) if told else None
    return Heading(
        categories,
        tags,
        author,
        {} if split is None else split.meta,
        [] if split is None else split.refused,
    )


async def _write(work: Work, media: Mapping[str, Media], fields: Fields) -> str:
    editor = cast(Editor, fields["wp_content_editor"])
    options = ContentOptions(
        editor=editor,
        demote_headings=bool(fields["demote_headings"]),
        nofollow=bool(fields["add_no_follow_to_external_links"]),
        bold_as_strong=bool(fields["bold_as_strong"]),
        site_host=work.wordpress.host,
    )
    request = ContentRequest(str(work.folder / "source"), dict(media), options)
    content: str = await work.ctx.isolate(write_content, request, limits=LIMITS)
    return add_mark(content, work.mark, editor=editor)


async def _save(work: Work, post: PostFields, kind: PostType) -> SavedPost:
    """The post, made or updated; the ledger knows its number afterwards, and its mark finds it before."""
    place = PostPlace(work.ctx.owner, work.site.root, work.mark, kind)
    known = await work.ctx.write(partial(find_post, place=place))
    saved, _ = await work.wordpress.save_post(post, kind=kind, mark=work.mark, known_id=known)
    await work.ctx.write(partial(keep_post, place=place, post=saved.id))
    return saved


def _kind_of(fields: Fields) -> PostType:
    return "page" if fields["post_type"] == "page" else "post"


def _read(said: Mapping[str, Any], where: str) -> dict[str, Value]:
    try:
        return read_fields(said)
    except ValueError as error:
        raise JobError(
            "settings_invalid", f"{where} cannot be followed: {error}; correct it and export again"
        ) from None
