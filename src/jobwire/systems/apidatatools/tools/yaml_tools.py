"""yaml-to-tsv and yaml-to-excel: the elements of the outer list, or the documents, are rows."""

from collections.abc import Iterator
from typing import Any, Final

from jobwire.systems.apidatatools.tools.contract import Options, Sink, Source, Tool, ToolResult
from jobwire.systems.apidatatools.tools.table_write import EXCEL_TYPE, write_delimited, write_excel
from jobwire.systems.apidatatools.tools.yaml_read import YAML_VERSION, read_documents


def yaml_to_tsv(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write a row for each record."""
    documents = read_documents(source, str(options["x-yaml-version"]))
    write_delimited(lambda: _read_records(documents), sink, "\t")
    return ToolResult()


def yaml_to_excel(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write a row of a workbook for each record."""
    documents = read_documents(source, str(options["x-yaml-version"]))
    write_excel(lambda: _read_records(documents), sink)
    return ToolResult()


def _read_records(documents: list[Any]) -> Iterator[Any]:
    for document in documents:
        if isinstance(document, list):
            yield from document
        else:
            yield document


_EXTENSIONS: Final = ("yml", "yaml", "txt", "log")
_ERRORS: Final = ("INVALID_YAML", "TOO_MANY_COLUMNS")

TOOLS: Final = (
    Tool("yaml-to-tsv", _EXTENSIONS, "tsv", "text/tab-separated-values", yaml_to_tsv, (YAML_VERSION,), _ERRORS),
    Tool(
        "yaml-to-excel",
        _EXTENSIONS,
        "xlsx",
        EXCEL_TYPE,
        yaml_to_excel,
        (YAML_VERSION,),
        (*_ERRORS, "TOO_LARGE_FOR_EXCEL"),
    ),
)
