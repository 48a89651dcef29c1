"""The mark by which the post made from a document is found again on its site, kept inside the post's content.

WordPress stores no field of ours without a plugin, and a slug belongs to its author: the same slug may be somebody
else's post. A comment in the content is written in the same request that creates the post, and can be searched for.
"""

import hashlib
from typing import Final, Literal

PREFIX: Final = "docswrite-document-"
MARK_CHARS: Final = 32


def make_mark(document: str) -> str:
    """The mark of a document by whatever names it (a Google id, a content's hash); it does not tell that name."""
    return PREFIX + hashlib.sha256(b"docswrite\0" + document.encode()).hexdigest()[:MARK_CHARS]


def add_mark(content: str, mark: str, *, editor: Literal["classic", "gutenberg"]) -> str:
    """The content with the mark at its end."""
    comment = f"<!-- {mark} -->"
    # Alone it would be a block of the classic editor; as a block of HTML it stays what it is when the post is edited.
    if editor == "gutenberg":
        comment = f"<!-- wp:html -->\n{comment}\n<!-- /wp:html -->"
    return f"{content}\n\n{comment}" if content else comment


def has_mark(content: str, mark: str) -> bool:
    """Whether the content was made from the mark's document."""
    return f"<!-- {mark} -->" in content
