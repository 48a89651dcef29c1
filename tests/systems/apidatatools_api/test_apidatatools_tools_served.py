"""Every tool of the table is served, by a small file of its own sort, with the file and preview it promises."""

import base64
import io

import httpx
import pytest
from apidatatools_house import Customer
from PIL import Image

from jobwire.systems.apidatatools.running import PREVIEW_CHARS_MAX
from jobwire.systems.apidatatools.tools import TOOLS

SAMPLES = {
    "json": b'[{"a":1,"b":"x"},{"a":2,"b":"y"}]',
    "csv": b"a,b\n1,2\n",
    "xml": b"<r><a>1</a><a>2</a></r>",
    "yaml": b"- a: 1\n- a: 2\n",
    "html": b"<p>Hello <b>you</b></p>",
    "markdown": b"# Hello\n\n* you\n",
    "css": b"a { color : red }",
    "javascript": b"function f ( ) { return 1 }",
    "sql": b"select a from b where c=1",
    "text": b"some   text\n\n\nmore",
}
HEADERS = {
    "image-converter": {"source_format": "png", "destination_format": "jpg"},
    "json-to-xml": {"root_name": "root"},
}


def make_sample(tool: str, customer: Customer) -> bytes:
    if tool.startswith("image"):
        picture = io.BytesIO()
        Image.new("RGB", (8, 8), "red").save(picture, "PNG")
        return picture.getvalue()
    if tool.startswith("excel"):
        return httpx.get(customer.run("json-to-excel", SAMPLES["json"]).json()["file"], timeout=60).content
    return SAMPLES[tool.partition("-")[0]]


def is_text(file: httpx.Response) -> bool:
    return not file.headers["content-type"].startswith(("image/", "application/vnd."))


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_answers_with_its_file(customer: Customer, tool: str) -> None:
    answer = customer.run(tool, make_sample(tool, customer), **HEADERS.get(tool, {}))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    file = httpx.get(body["file"], timeout=60)
    assert file.status_code == 200
    assert file.content
    if not is_text(file):
        assert body["preview"] is None
    else:
        assert body["preview"] == file.content.decode()[:PREVIEW_CHARS_MAX]


def test_a_picture_as_base64_is_text_and_has_a_preview(customer: Customer) -> None:
    sample = make_sample("image-converter", customer)
    body = customer.run("image-converter", sample, source_format="png", destination_format="base64").json()
    assert body["preview"] == base64.b64encode(sample).decode()[:PREVIEW_CHARS_MAX]


def test_a_preview_is_the_beginning_of_a_long_result(customer: Customer) -> None:
    body = customer.run("json-minify", '["' + "é" * PREVIEW_CHARS_MAX + '"]').json()
    assert body["preview"] == '["' + "é" * (PREVIEW_CHARS_MAX - 2)
