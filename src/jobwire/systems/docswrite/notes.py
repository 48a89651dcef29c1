"""Footnotes: marks in the text and the notes they lead to, taken out of the tree before it is read.

Google's pages, Word's by way of mammoth, Markdown's and most others have the same two links: from the mark to the
note, and from the note back to the mark. Google's comments look alike and are never published.
"""

from functools import cache
from typing import Final, NamedTuple

from lxml.html import HtmlElement

_BLOCKS: Final = ("li", "p", "div", "dd", "aside")
_COMMENT: Final = "cmnt"


class Notes(NamedTuple):
    """`marks` are the links in the text with their numbers, `bodies` the notes in the order of the numbers."""

    marks: dict[HtmlElement, int]
    bodies: list[HtmlElement]


def take_notes(root: HtmlElement) -> Notes:
    """Cut the notes and comments out of the tree; what is left of their surroundings without text goes, too."""
    drop_comments(root)
    by_id: dict[str, HtmlElement] = {}
    for element in root.iter():
        if name := _name_of(element):
            by_id.setdefault(name, element)
    marks: dict[HtmlElement, int] = {}
    back_links: set[HtmlElement] = set()
    bodies: list[HtmlElement] = []
    numbers: dict[HtmlElement, int] = {}
    # Once for each note: 60,000 marks of one note, each with a link back, would be looked through 60,000 times.
    find_body, find_links = cache(_find_body), cache(_find_links)
    for link in root.iter("a"):
        href = link.get("href", "")
        target = by_id.get(href[1:]) if href.startswith("#") else None
        if link in back_links or target is None or not _name_of(link):
            continue
        body = find_body(target)
        back = None if body is None else find_links(body).get(f"#{_name_of(link)}")
        if body is None or back is None or back is link:
            continue
        back_links.add(back)
        if body not in numbers:
            bodies.append(body)
            numbers[body] = len(bodies)
        marks[link] = numbers[body]
    for link in back_links:
        link.drop_tree()  # the text behind it stays
    for body in bodies:
        _cut(body)
    return Notes(marks, bodies)


def drop_comments(root: HtmlElement) -> None:
    """Cut out Google's comments: their marks and their texts."""
    for link in list(root.iter("a")):
        if not _name_of(link).startswith(_COMMENT):
            continue
        body = _find_body(link) if link.get("href", "").startswith("#cmnt_ref") else None
        _cut(body if body is not None else link)


def _name_of(element: HtmlElement) -> str:
    return element.get("id") or (element.get("name") if element.tag == "a" else "") or ""


def _find_links(body: HtmlElement) -> dict[str, HtmlElement]:
    """The links of a note by where they lead, the first of each."""
    links: dict[str, HtmlElement] = {}
    for link in body.iter("a"):
        links.setdefault(link.get("href", ""), link)
    return links


def _find_body(target: HtmlElement) -> HtmlElement | None:
    body = target if target.tag in _BLOCKS else next(target.iterancestors(*_BLOCKS), None)
    if body is None:
        return None
    parent = body.getparent()
    # Google wraps each note in a div, which is where its further paragraphs are.
    if body.tag == "p" and parent is not None and parent.tag == "div" and parent[0] is body:
        others = [a for a in parent.iter("a") if a.get("href", "").startswith("#") and _name_of(a)]
        return parent if len(others) == 1 else body
    return body


def _cut(element: HtmlElement) -> None:
    """Take an element out, and its parents as far as nothing else is in them."""
    while True:
        parent, before = element.getparent(), element.getprevious()
        if parent is None:
            return
        tail = element.tail
        element.drop_tree() if tail else parent.remove(element)
        if before is not None and before.tag == "hr" and not _has_more(before):
            parent.remove(before)
        if parent.tag in ("body", "html") or len(parent) or parent.text_content().strip():
            return
        element = parent


def _has_more(element: HtmlElement) -> bool:
    return any(later.text_content().strip() or later.find(".//img") is not None for later in element.itersiblings())
