"""The tools by name: one small module a family, each with its table. contract.py says what a tool is."""

from collections.abc import Mapping
from typing import Final

from jobwire.systems.apidatatools.tools import (
    code_tools,
    csv_tools,
    excel_tools,
    html_tools,
    image_tools,
    json_convert,
    json_format,
    xml_convert,
    xml_format,
    yaml_tools,
)
from jobwire.systems.apidatatools.tools.contract import Tool

_FAMILIES: Final = (
    json_format,
    json_convert,
    csv_tools,
    xml_format,
    xml_convert,
    yaml_tools,
    excel_tools,
    html_tools,
    code_tools,
    image_tools,
)

TOOLS: Final[Mapping[str, Tool]] = {tool.name: tool for family in _FAMILIES for tool in family.TOOLS}
