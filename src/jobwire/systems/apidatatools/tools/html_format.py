"""HTML indented without changing what a browser shows: only white space beside blocks moves."""

import re
from collections import Counter
from html.parser import HTMLParser
from typing import Final

_VOID: Final = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_VERBATIM: Final = frozenset(("pre", "textarea", "script", "style", "title", "xmp", "plaintext", "iframe", "noembed"))
_BLOCKS: Final = frozenset(
    [
        "html",
        "head",
        "body",
        "address",
        "article",
        "aside",
        "base",
        "blockquote",
        "center",
        "dd",
        "details",
        "dialog",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "frameset",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hgroup",
        "hr",
        "legend",
        "li",
        "link",
        "main",
        "menu",
        "meta",
        "nav",
        "noframes",
        "noscript",
        "ol",
        "optgroup",
        "option",
        "p",
        "pre",
        "script",
        "search",
        "section",
        "style",
        "summary",
        "table",
        "tbody",
        "td",
        "template",
        "tfoot",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
    ]
)
# What a start ends that was left open, as browsers have it.
_ENDS: Final[dict[str, frozenset[str]]] = {
    "li": frozenset(("li", "p")),
    "dt": frozenset(("dt", "dd", "p")),
    "dd": frozenset(("dt", "dd", "p")),
    "tr": frozenset(("tr", "td", "th", "p")),
    "td": frozenset(("td", "th", "p")),
    "th": frozenset(("td", "th", "p")),
    "option": frozenset(("option",)),
}
_P: Final = frozenset(("p",))
INDENT_MAX: Final = 40
"""Levels that are indented: deeper ones stand under the last, or their margins would outgrow the text."""


class HtmlIndenter(HTMLParser):
    """Takes one document: blocks on lines of their own, text between them on one line. Its time is linear."""

    def __init__(self, indent: int) -> None:
        super().__init__(convert_charrefs=False)
        self.out: list[str] = []
        self._indent = indent
        self._stack: list[str] = []
        self._open: Counter[str] = Counter()
        self._line: list[str] = []
        self._verbatim: str | None = None
        self._verbatim_depth = 0

    def format(self, text: str) -> str:
        """The whole document."""
        # Behind the last > nothing ends, and the parser would look for it from each < there to the end of the text.
        end = text.rfind(">") + 1
        self.feed(text[:end])
        self.close()
        # A script that never ends is not handed out.
        self._line.append(self.rawdata)
        self.handle_data(text[end:])
        self._end_line()
        return "".join(self.out)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text = self.get_starttag_text() or ""
        if self._verbatim is not None:
            self._verbatim_depth += tag == self._verbatim
            self._line.append(text)
            return
        if tag in _BLOCKS:
            self._end_line()
            while self._stack and self._stack[-1] in _ENDS.get(tag, _P):
                self._open[self._stack.pop()] -= 1
        self._line.append(text)
        if tag in _VOID:
            if tag in _BLOCKS:
                self._end_line()
        elif tag in _VERBATIM:
            self._verbatim, self._verbatim_depth = tag, 1
        elif tag in _BLOCKS:
            self._end_line()
            self._stack.append(tag)
            self._open[tag] += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._verbatim is not None:
            self._line.append(f"</{tag}>")
            self._verbatim_depth -= tag == self._verbatim
            if not self._verbatim_depth:
                self._verbatim = None
                if tag in _BLOCKS:
                    self._end_line(is_verbatim=True)
            return
        if tag in _BLOCKS:
            self._end_line()
            if self._open[tag]:
                while (ended := self._stack.pop()) != tag:
                    self._open[ended] -= 1
                self._open[tag] -= 1
        self._line.append(f"</{tag}>")
        if tag in _BLOCKS:
            self._end_line()

    def handle_data(self, data: str) -> None:
        self._line.append(data if self._verbatim is not None else _SPACES.sub(" ", data))

    def handle_entityref(self, name: str) -> None:
        self._line.append(self._show_reference(f"&{name}"))

    def handle_charref(self, name: str) -> None:
        self._line.append(self._show_reference(f"&#{name}"))

    def handle_comment(self, data: str) -> None:
        self._line.append(f"<!--{data}-->")

    def parse_comment(self, i: int, report: bool = True) -> int:
        return self._end_or_rest(super().parse_comment(i, report), i)

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        try:
            return self._end_or_rest(super().parse_marked_section(i, report), i)
        except AssertionError:
            return self._end_or_rest(self.parse_bogus_comment(i), i)  # to a browser it is a comment

    def _end_or_rest(self, end: int, start: int) -> int:
        """What has no end goes on to that of the document; to look for one at each start would be quadratic."""
        if end >= 0:
            return end
        self._line.append(self.rawdata[start:])
        return len(self.rawdata)

    def handle_decl(self, decl: str) -> None:
        self._line.append(f"<!{decl}>")
        self._end_line()

    def unknown_decl(self, data: str) -> None:
        # Sections have brackets of their own, conditions of an old browser have not.
        self._line.append(f"<![{data}]]>" if "[" in data else f"<![{data}]>")

    def handle_pi(self, data: str) -> None:
        self._line.append(f"<?{data}>")

    def _show_reference(self, text: str) -> str:
        line, column = self.getpos()
        start = self._find_offset(line, column) + len(text)
        return text + (";" if self.rawdata[start : start + 1] == ";" else "")

    def _find_offset(self, line: int, column: int) -> int:
        if line != self._seen_line:
            start = 0 if self._seen_line == 0 or line < self._seen_line else self._line_start
            for _ in range(line - (self._seen_line if start else 1)):
                start = self.rawdata.index("\n", start) + 1
            self._seen_line, self._line_start = line, start
        return self._line_start + column

    _seen_line = 0
    _line_start = 0

    def _end_line(self, *, is_verbatim: bool = False) -> None:
        text = "".join(self._line)
        self._line.clear()
        text = text.lstrip(" ") if is_verbatim else text.strip(" ")
        if text:
            margin = " " * (self._indent * min(len(self._stack), INDENT_MAX))
            self.out.append(f"{margin}{text}\n")


_SPACES: Final = re.compile(r"[ \t\n\r\f]+")
