"""The demo's WordPress for tests: started at the first use, ended with the run; with more users, and with moods.

Its moods (wordpress/moods.php) make it answer as sites in trouble do.
"""

import atexit
import contextlib
import json
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from jobwire.cli.demo_wordpress import START_S, Blog, Part, as_user
from jobwire.net.fetch import FetchPolicy

LOOPBACK = FetchPolicy(allow=(ip_network("127.0.0.1/32"),))
FILES = Path(__file__).parent / "wordpress"
PARTS: tuple[Part, ...] = ("database", "web")


class WordPressSite(Blog):
    """One site; `passwords` are the application passwords of the users editor (all rights), writer and reader."""

    def __init__(self) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="jobwire-wp-")))
        atexit.register(self.stop)
        self._tests = Path(shutil.copytree(FILES, self.folder / "tests"))
        self.install()
        for name in ("moods", "mu-plugins"):
            (self.files / "wp-content" / name).mkdir()
        shutil.copy(self._tests / "moods.php", self.files / "wp-content" / "mu-plugins")
        users = json.loads(self.run("php", self._tests / "users.php", self.files))
        self.passwords: Mapping[str, str] = {self.login: self.password, **users}

    def stop(self) -> None:
        """End every process of the site and delete its folder."""
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def revive(self) -> None:
        """Start again what has ended."""
        for part in PARTS:
            if part not in self._running or self._running[part].poll() is not None:
                self.kill(part)
                self.start(part)

    @contextlib.contextmanager
    def mood(self, name: str, said: str = "") -> Iterator[None]:
        """The site in a mood of wordpress/moods.php."""
        path = self.files / "wp-content" / "moods" / name
        path.write_text(said)
        try:
            yield
        finally:
            path.unlink()

    @contextlib.contextmanager
    def death(self, part: Part, *, hook: str) -> Iterator[None]:
        """A part of the site is killed in a hook of WordPress, in the midst of a request; returns when it was."""
        process = self._running[part]
        with self.mood("death", f"{hook} {process.pid if part == 'database' else 0}"):
            yield
            process.wait(START_S)

    @contextlib.contextmanager
    def maintenance(self) -> Iterator[None]:
        """The site while WordPress updates itself."""
        path = self.files / ".maintenance"
        path.write_text("<?php $upgrading = time();")
        try:
            yield
        finally:
            path.unlink()

    @contextlib.contextmanager
    def plain_links(self) -> Iterator[None]:
        """The site without pretty addresses: its API is behind `?rest_route=`."""
        self.run_php("update_option('permalink_structure', '');")
        try:
            yield
        finally:
            self.run_php("update_option('permalink_structure', '/%postname%/');")

    def run_php(self, code: str) -> str:
        """What the code prints with WordPress loaded."""
        return self.run("php", "-r", f"require '{self.files}/wp-load.php'; {code}")

    def count(self, table: str, condition: str) -> int:
        """The rows of one of WordPress' tables."""
        query = f"SELECT COUNT(*) FROM wp_{table} WHERE {condition}"
        return int(self.run_php(f'global $wpdb; echo $wpdb->get_var("{query}");'))

    def forget_content(self) -> None:
        """Delete all posts, pages and pictures."""
        every = 'foreach ($wpdb->get_col("SELECT ID FROM {$wpdb->posts}") as $id) wp_delete_post($id, true);'
        self.run_php(f"global $wpdb; {every}")

    def read_page(self, url: str) -> str:
        """A page as a visitor gets it."""
        with urllib.request.urlopen(url, timeout=30) as response:
            page: str = response.read().decode()
            return page

    def open_blocks(self) -> "BlockParser":
        """WordPress' own parser and serialiser of blocks."""
        return BlockParser([*as_user(), "php", str(self._tests / "blocks.php"), str(self.files)])


class BlockParser:
    """A PHP process that reads contents and writes them back; close it when done."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def parse(self, content: str) -> dict[str, Any]:
        """`written` by serialize_blocks, the `names` of all blocks, and `stray` text outside of any."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(content).encode() + b"\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        self._process.communicate()


@cache
def start_site() -> WordPressSite:
    """The run's site, started at the first call."""
    return WordPressSite()
