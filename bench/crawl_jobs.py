"""The site that is crawled, and one crawl of it: by Jobwire's job or by a loop over the bare libraries.

`python -m bench.crawl_jobs serve FOLDER PORT` serves it; `… jobwire|bare FOLDER URL PAGES` prints a JSON object of
figures. The loop reads and cuts the same pages; it keeps nothing, cannot be killed, and trusts every host and page.
"""

import asyncio
import json
import os
import resource
import sys
import time
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import aiohttp
import semchunk
from protego import Protego
from selectolax.lexbor import LexborHTMLParser

from bench.system_jobs import Timed, make_repository, open_system, time_job, working
from jobwire.systems.fifthelement.chunking import CHUNK_CHARS_MAX
from jobwire.systems.fifthelement.starting import WEB_CRAWLING
from jobwire.wiring import House

CORPORA = Path(sys.prefix) / "corpora"
PROJECTS = ("sqlalchemy", "pygame", "lxml")
REQUESTS = 4
DEPTH = 10
ROBOTS = b"User-agent: *\nDisallow: /private/\n"


async def serve(port: int) -> None:
    """Serve every HTML file of the corpora from memory, and a page that names them all."""
    pages = {
        f"/{file.relative_to(CORPORA)}": file.read_bytes()
        for project in PROJECTS
        for file in sorted((CORPORA / project).rglob("*.html"))
    }
    links = "".join(f'<a href="{path}">{path}</a>' for path in pages)
    pages["/"] = f"<title>Library</title><p>Every page.</p>{links}".encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()
                return
            path = head.split(b" ", 2)[1].decode()
            kind, body = ("text/plain", ROBOTS) if path == "/robots.txt" else ("text/html", pages.get(path))
            status = "200 OK" if body is not None else "404 Not Found"
            length = len(body or b"")
            writer.write(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode())
            writer.write(body or b"")
            await writer.drain()

    async with await asyncio.start_server(answer, "127.0.0.1", port) as server:
        await server.serve_forever()


async def crawl_bare(url: str, pages_max: int) -> int:
    """Fetch, read and cut so many pages; how many there were."""
    chunker = semchunk.chunkerify(len, chunk_size=CHUNK_CHARS_MAX)
    known, waiting, done = {url}, [url], 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit_per_host=REQUESTS)) as session:
        async with session.get(urljoin(url, "/robots.txt")) as answer:
            robots = Protego.parse(await answer.text())

        async def work() -> None:
            nonlocal done
            while done < pages_max and (waiting or busy):
                if not waiting:
                    await asyncio.sleep(0.001)
                    continue
                page = waiting.pop(0)
                busy.add(page)
                done += 1
                async with session.get(page) as answer:
                    body, is_page = await answer.read(), answer.status == 200
                if is_page:
                    for link in read_bare(body, page, chunker):
                        if link.startswith(url) and link not in known and robots.can_fetch(link, "jobwire"):
                            known.add(link)
                            waiting.append(link)
                busy.discard(page)

        busy: set[str] = set()
        await asyncio.gather(*(work() for _ in range(REQUESTS)))
    return done


def read_bare(body: bytes, url: str, chunker: semchunk.Chunker) -> list[str]:
    """The links of a page whose text is extracted and cut."""
    tree = LexborHTMLParser(body)
    links = [urldefrag(urljoin(url, node.attributes.get("href") or ""))[0] for node in tree.css("a[href]")]
    tree.strip_tags(["script", "style", "nav", "footer", "aside"])
    if tree.body is not None:
        chunker(tree.body.text(separator="\n", strip=True), offsets=True)
    return links


async def _crawl(house: House, url: str, pages_max: int) -> Timed:
    owner = (await house.services.owners.create_owner("bench")).id
    repository = await house.store.write(lambda tx: make_repository(tx, owner))
    wanted = {"url": url, "maxPages": pages_max, "maxDepth": DEPTH}
    async with working(house):
        return await time_job(house, owner, WEB_CRAWLING, wanted, repository=repository)


def run_job(folder: Path, url: str, pages_max: int) -> dict[str, float]:
    """One crawl by a job, on SQLite."""
    house = open_system(
        folder,
        JOBWIRE_FETCH_ALLOW="127.0.0.0/8",
        FIFTHELEMENT_CRAWL_DELAY_MS="0",
        FIFTHELEMENT_CRAWL_HOST_REQUESTS=str(REQUESTS),
    )
    try:
        timed = asyncio.run(_crawl(house, url, pages_max))
    finally:
        house.close()
    assert timed.result["errors"] == 0, timed.result
    return {"pages/s": timed.result["pagesFetched"] / timed.seconds, "peak MiB": timed.peak_mib}


def run_bare(url: str, pages_max: int) -> dict[str, float]:
    """The same by the loop."""
    begun = time.perf_counter()
    done = asyncio.run(crawl_bare(url, pages_max))
    seconds = time.perf_counter() - begun
    return {"pages/s": done / seconds, "peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main(words: list[str]) -> None:
    """Do what the words say."""
    side, folder = words[0], Path(words[1])
    if side == "serve":
        asyncio.run(serve(int(words[2])))
        return
    os.setsid()
    url, pages_max = words[2], int(words[3])
    print(json.dumps(run_job(folder, url, pages_max) if side == "jobwire" else run_bare(url, pages_max)))


if __name__ == "__main__":
    main(sys.argv[1:])
