"""Bring the document of an export: Google's through its export form, an uploaded one from the kept files."""

from functools import partial
from pathlib import Path

import msgspec

from jobwire.blobs.contract import Blobs
from jobwire.domain.errors import JobError
from jobwire.kinds.contract import Context
from jobwire.net.fetch import Fetcher
from jobwire.systems.docswrite.links import build_export_url, explain_export, explain_private, is_login
from jobwire.systems.docswrite.records import take_document
from jobwire.systems.docswrite.source import SOURCE_BYTES_MAX, Form, SourceRequest, find_form


class BroughtFile(msgspec.Struct, frozen=True):
    """A document's file, which the job holds."""

    sha256: str
    form: Form


class Documents:
    """Brings documents to this house's kept files."""

    def __init__(self, blobs: Blobs, *, google_url: str) -> None:
        self._blobs = blobs
        self._google_url = google_url

    async def fetch_google(self, ctx: Context, fetcher: Fetcher, document: str, *, folder: Path) -> BroughtFile:
        """The document as it is now at Google. JobError document_private or document_gone, and the Fetcher's."""
        try:
            fetched = await fetcher.download(
                build_export_url(document, base=self._google_url),
                folder / "fetched",
                body_bytes_max=SOURCE_BYTES_MAX,
            )
        except JobError as error:
            raise explain_export(error) from error
        if is_login(fetched.url):
            raise explain_private()
        name = "document.html" if fetched.content_type == "text/html" else "document.zip"
        form = find_form(name, fetched.path)
        saved = await ctx.save_file(fetched.path, name=name, content_type=fetched.content_type)
        return BroughtFile(saved.sha256, form)

    async def take_upload(self, ctx: Context, document: str) -> BroughtFile:
        """The document as it was uploaded last. JobError document_deleted."""
        row = await ctx.write(partial(take_document, owner=ctx.owner, document=document, job=ctx.number))
        if row is None:
            raise JobError("document_deleted", "the document was deleted before it was exported; upload it again")
        return BroughtFile(row.sha256, row.form)

    def has(self, file: BroughtFile) -> bool:
        """Whether the file is in the kept files that this machine sees; blocks."""
        return self._blobs.find(file.sha256) is not None

    def describe(self, file: BroughtFile, *, folder: Path, pictures: Path) -> SourceRequest:
        """What reads the file, brought to `folder`, its pictures into `pictures`; blocks.

        JobError document_lost if it is not here.
        """
        try:
            source = self._blobs.bring(file.sha256, folder)
        except FileNotFoundError:
            raise JobError("document_lost", "the document's file is not on this machine; upload it again") from None
        return SourceRequest(str(source), file.form, str(pictures))
