"""The tools by name: one small module a family, each with its table. contract.py says what a tool is."""

from collections.abc import Mapping
from typing import Final

from jobwire.systems.apidatatools.tools import json_format
from jobwire.systems.apidatatools.tools.contract import Tool

TOOLS: Final[Mapping[str, Tool]] = {tool.name: tool for tool in json_format.TOOLS}
