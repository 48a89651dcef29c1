"""Bring a document's pictures into the site's media library, each once: prepared in a child, looked up, uploaded."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import Context
from jobwire.net.fetch import Fetcher
from jobwire.pictures.decode import BYTES_MAX
from jobwire.systems.docswrite.content import Media
from jobwire.systems.docswrite.document import Document, Picture, walk_lines
from jobwire.systems.docswrite.fields import Fields
from jobwire.systems.docswrite.limits import LIMITS
from jobwire.systems.docswrite.pictures import PictureRequest, PreparedPicture, prepare_picture
from jobwire.systems.docswrite.shelf import PictureSource
from jobwire.systems.docswrite.wordpress import WordPress

_FEATURED: Final = "featured"


class Placed(msgspec.Struct, frozen=True):
    """What became of a picture: its place in the library, or why it was left out."""

    media: Media | None = None
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Placing:
    """Places the pictures of one attempt. `is_last` leaves out what an earlier attempt would wait for."""

    ctx: Context
    fetcher: Fetcher
    wordpress: WordPress
    folder: Path
    fields: Fields
    is_last: bool

    async def place(self, picture: PictureSource, *, alt: str, caption: str = "", step: str = "") -> Placed:
        """The picture in the library; kept, so that a retry does not look again.

        One that cannot be had or read is left out; what the site refuses raises JobError.
        """
        name = step or f"picture:{picture.key}:{self._compresses:d}{self._converts:d}"
        kept = await self.ctx.step(name, lambda: self._place(picture, alt=alt, caption=caption))
        return msgspec.convert(kept, Placed)

    async def place_featured(self, url: str) -> Placed:
        """The picture that a field names for the head of the post."""
        alt, caption = self.head_texts
        return await self.place(PictureSource(_FEATURED, url=url), alt=alt, caption=caption, step=_FEATURED)

    @property
    def head_texts(self) -> tuple[str, str]:
        """What the fields say of the picture at the head of the post: its description and its caption."""
        fields = self.fields
        return str(fields.get("featured_image_alt_text", "")), str(fields.get("featured_image_caption", ""))

    @property
    def _compresses(self) -> bool:
        return bool(self.fields["compress_images"])

    @property
    def _converts(self) -> bool:
        return bool(self.fields["convert_to_webp"])

    async def _place(self, picture: PictureSource, *, alt: str, caption: str) -> Placed:
        try:
            prepared = await self._prepare(picture)
        except JobError as error:
            if error.retryable and not self.is_last:
                raise
            return Placed(skipped=error.message)
        media = await self.wordpress.upload_picture(prepared, self.folder / "prepared", alt=alt)
        if caption:
            await self.wordpress.set_caption(media.id, html.escape(caption, quote=False))
        return Placed(media)

    async def _prepare(self, picture: PictureSource) -> PreparedPicture:
        source = self.folder / "source" / picture.file
        if not picture.file:
            source = self.folder / "picture"
            await self.fetcher.download(picture.url, source, body_bytes_max=BYTES_MAX, accept="image/*")
        request = PictureRequest(
            str(source),
            str(self.folder / "prepared"),
            compress=self._compresses,
            to_webp=self._converts,
        )
        prepared: PreparedPicture = await self.ctx.isolate(prepare_picture, request, limits=LIMITS)
        return prepared


def find_texts(document: Document) -> Mapping[str, str]:
    """What the document says that its pictures show, by key; the first that is said of each."""
    texts: dict[str, str] = {}
    for line in walk_lines(document.blocks):
        for part in line:
            if isinstance(part, Picture) and part.alt:
                texts.setdefault(part.key, part.alt)
    return texts
