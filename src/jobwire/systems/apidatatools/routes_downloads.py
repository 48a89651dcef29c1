"""Results: fetched by their signed names, without a key, until they end. results.py has the names."""

import asyncio

from jobwire.domain.errors import RequestError
from jobwire.service.call import Call, FileReply
from jobwire.systems.apidatatools.records import DownloadRow, find_download
from jobwire.systems.apidatatools.results import Result, find_result


async def get_download(call: Call) -> FileReply:
    """The bytes of a result, whole or in ranges; RequestError file_not_found once it has ended."""
    services, name = call.services, call.params["name"]
    found: Result | DownloadRow | None = find_result(services.links, name, now=services.clock())
    if found is None:
        found = await services.store.read(lambda reader: find_download(reader, name, now=services.clock()))
    blob = None if found is None else await asyncio.to_thread(services.blobs.find, found.sha256)
    if found is None or blob is None:
        raise RequestError("file_not_found", "File not found")
    return FileReply(blob, found.content_type, name)
