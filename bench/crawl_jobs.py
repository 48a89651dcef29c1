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

from bench.memory import measure_pss_mib
from jobwire.config import read_settings
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.systems.fifthelement.chunking import CHUNK_CHARS_MAX
from jobwire.systems.fifthelement.records import add_repository
from jobwire.systems.fifthelement.starting import WEB_CRAWLING, start_job
from jobwire.wiring import House, open_house

CORPORA = Path(sys.prefix) / "corpora"
PROJECTS = ("sqlalchemy", "pygame", "lxml")
REQUESTS = 4
DEPTH = 10
PEAK_S = 0.25
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


async def _crawl(house: House, url: str, pages_max: int) -> dict[str, float]:
    services = house.services
    owner = (await services.owners.create_owner("bench")).id
    repository = await house.store.write(
        lambda tx: (
            add_repository(tx, owner, name="bench", type="knowledge", vector_store="default", batch_model=None).id
        )
    )
    wanted = {"url": url, "maxPages": pages_max, "maxDepth": DEPTH}
    loop, moved = asyncio.get_running_loop(), asyncio.Event()
    house.store.listen(lambda _: loop.call_soon_threadsafe(moved.set))
    async with house.make_children() as children:
        worker = house.make_worker(children)
        working = asyncio.create_task(worker.run())
        watching = asyncio.create_task(_watch_memory())
        begun = time.perf_counter()
        receipt = await house.store.write(
            lambda tx: start_job(tx, services.jobs, owner, WEB_CRAWLING, wanted, repository=repository)
        )
        while (row := await services.jobs.read(owner, number=receipt.number)).phase not in FINAL_PHASES:
            await moved.wait()
            moved.clear()
        seconds = time.perf_counter() - begun
        watching.cancel()
        worker.stop()
        await working
        assert row.phase is Phase.COMPLETED and row.output is not None, row.error
        result = json.loads(row.output)
        assert result["errors"] == 0, result
        return {"pages/s": result["pagesFetched"] / seconds, "peak MiB": await watching}


async def _watch_memory() -> float:
    most = 0.0
    try:
        while True:
            most = max(most, measure_pss_mib([os.getsid(0)]))
            await asyncio.sleep(PEAK_S)
    except asyncio.CancelledError:
        return most


def run_job(folder: Path, url: str, pages_max: int) -> dict[str, float]:
    """One crawl by a job, on SQLite."""
    environment = {
        "JOBWIRE_FILES": str(folder / "files"),
        "JOBWIRE_FETCH_ALLOW": "127.0.0.0/8",
        "FIFTHELEMENT_CRAWL_DELAY_MS": "0",
        "FIFTHELEMENT_CRAWL_HOST_REQUESTS": str(REQUESTS),
    }
    house = open_house(read_settings(environment, db=str(folder / "jobs.db"), workers=1, systems="fifthelement"))
    try:
        return asyncio.run(_crawl(house, url, pages_max))
    finally:
        house.close()


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
