"""What document_processing has come to so far: of one file, and of the whole job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from jobwire.domain.errors import JobError
from jobwire.systems.fifthelement.chunking import Chunk
from jobwire.systems.fifthelement.extracting import ExtractReport, refuse_long
from jobwire.systems.fifthelement.ids import show_document_id
from jobwire.systems.fifthelement.records_chunks import CutRow
from jobwire.systems.fifthelement.texts import KeptText

WARNINGS_MAX: Final = 100
FAILURES_MAX: Final = 100


@dataclass(slots=True)
class Extraction:
    """What was found in a document so far; `chunks` is None while its parts have not been cut as one text."""

    parts: list[KeptText] = field(default_factory=list)
    chars: int = 0
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    media_type: str | None = None
    pages: int = 1
    pages_done: int = 0
    chunks: list[Chunk] | None = None

    def add(self, report: ExtractReport, text: KeptText) -> None:
        """Take in what the next call came to; JobError document_too_large."""
        if not self.parts:
            titled = {"title": report.title} if report.title else {}
            self.facts, self.media_type, self.chunks = titled | report.facts, report.media_type, report.chunks
        self.parts.append(text)
        self.chars += report.chars
        self.warnings += report.warnings
        self.pages, self.pages_done = report.pages, report.pages_done
        refuse_long(self.chars)


@dataclass(slots=True)
class Tally:
    """What a job on the documents `ids` has come to; they end in any order and are told in theirs."""

    ids: Sequence[str]
    documents: int = 0
    pages: int = 0
    chunks: int = 0
    warnings: dict[str, list[str]] = field(default_factory=dict)
    failures: dict[str, JobError] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)

    def add(self, document: str, cut: CutRow) -> None:
        """Count a document that is done."""
        self.documents += 1
        self.pages += cut.pages
        self.chunks += cut.chunks
        self.warnings[document] = msgspec.json.decode(cut.warnings, type=list[str])

    @property
    def percent(self) -> float:
        """How much of the work is done; the last percent is for its end."""
        return min(99.0, 100 * sum(self.shares.values()) / len(self.ids))

    def to_result(self) -> dict[str, Any]:
        """The job's result; JobError where not one document could be processed."""
        if len(self.failures) == len(self.ids):
            raise self._explain()
        return {
            "documentsProcessed": self.documents,
            "errors": len(self.failures),
            "pages": self.pages,
            "chunks": self.chunks,
            "warnings": self._show_warnings()[:WARNINGS_MAX],
            "failures": self._show_failures(),
        }

    def _show_warnings(self) -> list[Mapping[str, str]]:
        return [
            {"documentId": show_document_id(document), "message": warning}
            for document in self.ids
            for warning in self.warnings.get(document, ())
        ]

    def _show_failures(self) -> list[Mapping[str, str]]:
        failed = [(document, self.failures[document]) for document in self.ids if document in self.failures]
        return [
            {"documentId": show_document_id(document), "code": error.code, "message": error.message}
            for document, error in failed[:FAILURES_MAX]
        ]

    def _explain(self) -> JobError:
        first = self.failures[self.ids[0]]
        if len(self.ids) == 1:
            return first
        message = f"None of the {len(self.ids)} documents could be processed; the first: {first.message}"
        details = {"failures": self._show_failures()}
        if len({error.code for error in self.failures.values()}) == 1:
            return JobError(first.code, message, details=details)
        return JobError("documents_failed", message, details=details)
