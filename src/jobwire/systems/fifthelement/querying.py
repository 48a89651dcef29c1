"""Finds a repository's chunks by meaning."""

from typing import Any

from jobwire.service.services import Services


async def query(services: Services, owner: int, repository: str, *, text: str, limit: int) -> list[dict[str, Any]]:
    """The chunks nearest to `text`, best first: documentId (stored form), title, text, start, end and score."""
    return []
