"""Word files as a page, by way of mammoth: styles become elements, pictures go to the shelf."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import mammoth

from jobwire.domain.errors import JobError
from jobwire.pictures.decode import BYTES_MAX as PICTURE_BYTES_MAX
from jobwire.systems.docswrite.archive import explain_unreadable, open_archive

MAIN_PART: Final = "word/document.xml"
PLACE: Final = "docx:"

# What mammoth has no rule for; its own rules stay behind these.
_STYLE_MAP: Final = "\n".join(
    (
        "p[style-name='Title'] => p.title:fresh",
        "p[style-name='Subtitle'] => p.subtitle:fresh",
        "p[style-name='caption'] => p.caption:fresh",
        "p[style-name='Caption'] => p.caption:fresh",
        "p[style-name='Quote'] => blockquote > p:fresh",
        "p[style-name='Intense Quote'] => blockquote > p:fresh",
        "p[style-name='Block Text'] => blockquote > p:fresh",
        r"p[style-name='HTML Preformatted'] => pre:separator('\n')",
        r"p[style-name='Source Code'] => pre:separator('\n')",
        "r[style-name='HTML Code'] => code",
        "r[style-name='Verbatim Char'] => code",
        "u => u",
    )
)


class Pictures:
    """The pictures of one Word file under the places its page names them by."""

    def __init__(self) -> None:
        self._found: list[bytes | str] = []

    def take(self, image: Any) -> dict[str, str]:
        """What mammoth asks for each picture: the attributes of its `img`."""
        self._found.append(self._read(image))
        return {"src": f"{PLACE}{len(self._found) - 1}"}

    def find(self, place: str) -> bytes | None:
        """The bytes at a place of this file; ValueError says why there are none."""
        number = place.removeprefix(PLACE)
        if number == place or not number.isdecimal() or int(number) >= len(self._found):
            return None
        found = self._found[int(number)]
        if isinstance(found, str):
            raise ValueError(found)
        return found

    def _read(self, image: Any) -> bytes | str:
        try:
            with image.open() as file:
                data: bytes = file.read(PICTURE_BYTES_MAX + 1)
        except Exception:  # a link to a file of the author's machine, or no such part: the text is still good
            return "the picture is not in the file"
        return data if len(data) <= PICTURE_BYTES_MAX else f"more than {PICTURE_BYTES_MAX:,} bytes"


def read_docx(path: Path) -> tuple[str, Callable[[str], bytes | None]]:
    """A Word file as the text of a page, and what gives the pictures its `src` attributes name."""
    with open_archive(path) as archive:
        archive.check_word_parts()
        if MAIN_PART not in archive.names:
            raise explain_unreadable("the file is not a Word document (.docx)")
    pictures = Pictures()
    try:
        result = mammoth.convert_to_html(
            BytesIO(path.read_bytes()),
            style_map=_STYLE_MAP,
            include_embedded_style_map=False,
            convert_image=mammoth.images.img_element(pictures.take),
        )
    except (JobError, MemoryError, RecursionError):
        raise
    except Exception as error:  # its parsers raise anything at all on hostile files
        raise explain_unreadable("the Word document is damaged") from error
    return result.value, pictures.find
