"""What becomes of an export: its fields, its pictures, uploads, and what its customer is told when it fails."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from docswrite_house import Client, Google, RunningHouse, link, run_docswrite
from docswrite_samples import MARKDOWN, make_picture
from wordpress_site import WordPressSite

from jobwire.systems.docswrite.fetching import Documents
from jobwire.systems.docswrite.routes_documents import NAME_CHARS_MAX

pytestmark = pytest.mark.slow


def post_of(ended: dict[str, Any]) -> int:
    post: int = ended["returnValue"]["data"]["id"]
    return post


def fail(client: Client, url: str, **fields: Any) -> str:
    ended = client.wait(client.export(url, **fields))
    assert ended["state"] == "failed", ended
    reason: str = ended["failedReason"]
    return reason


def test_every_field_reaches_the_post(client: Client, google: Google, site: WordPressSite) -> None:
    with site.mood("fields"):
        ended = client.publish(
            google.share("doc-fields", pictures=("comb",), text='<a href="https://else.example/">far</a>'),
            title="All of it",
            slug="all-of-it",
            tags="bees, Honey",
            categories="Field work",
            state="published",
            author="Maria O'Neill",
            date="2024-02-03T10:00:00+02:00",
            excerpt="In short",
            export_settings={"wp_content_editor": "gutenberg"},
            newspack_settings={"newspack_post_subtitle": "Below"},
            yoast_settings={"yoast_focuskw": "bees"},
        )
    post = post_of(ended)
    where = (
        f"ID = {post} AND post_title = 'All of it' AND post_name = 'all-of-it' AND post_status = 'publish'"
        " AND post_excerpt = 'In short' AND post_date_gmt = '2024-02-03 08:00:00'"
    )
    assert site.count("posts", where) == 1
    said = site.run_php(
        f"echo json_encode([get_the_author_meta('display_name', get_post({post})->post_author),"
        f" wp_get_post_tags({post}, ['fields' => 'names']), wp_get_post_categories({post}, ['fields' => 'names']),"
        f" get_post_meta({post}, 'newspack_post_subtitle', true), has_post_thumbnail({post}),"
        f" has_blocks(get_post({post})->post_content), str_contains(get_post({post})->post_content, 'nofollow')]);"
    )
    assert said == '["Maria O\'Neill",["bees","Honey"],["Field work"],"Below",true,true,true]'
    assert ended["returnValue"]["warnings"] == ["the site has no field for yoast_focuskw; activate its plugin there"]


def test_a_post_is_a_draft_first_and_stays_what_its_editor_made_of_it(
    client: Client, google: Google, site: WordPressSite
) -> None:
    url = google.share("doc-draft")
    post = post_of(client.publish(url))
    assert site.count("posts", f"ID = {post} AND post_status = 'draft'") == 1
    site.run_php(f"wp_publish_post({post});")
    assert post_of(client.publish(url)) == post
    assert site.count("posts", f"ID = {post} AND post_status = 'publish'") == 1


def test_a_picture_is_uploaded_once_for_all_documents_and_exports(
    client: Client, google: Google, site: WordPressSite
) -> None:
    before = site.count("posts", "post_type = 'attachment'")
    one = client.publish(google.share("doc-shared-1", pictures=("shared-picture", "own-picture")))
    client.publish(google.share("doc-shared-2", pictures=("shared-picture",)))
    client.publish(link("doc-shared-1"))
    assert site.count("posts", "post_type = 'attachment'") == before + 2
    head = site.run_php(
        f"echo get_post_meta(get_post_thumbnail_id({post_of(one)}), '_wp_attachment_image_alt', true);"
    )
    assert head == "The shared-picture"


def test_a_featured_image_has_its_texts(client: Client, google: Google, site: WordPressSite) -> None:
    google.documents["featured"] = make_picture(size=(77, 33))
    ended = client.publish(
        google.share("doc-featured", pictures=("comb",)),
        featured_image_url=f"{google.base}/document/d/featured/picture.png",
        featured_image_alt_text="A field",
        featured_image_caption="Taken in June",
    )
    said = site.run_php(
        f"$id = get_post_thumbnail_id({post_of(ended)}); echo get_post_meta($id, '_wp_attachment_image_alt', true),"
        " '/', get_post($id)->post_excerpt;"
    )
    assert said == "A field/Taken in June"


def test_a_picture_that_cannot_be_had_is_left_out_and_named(client: Client, google: Google) -> None:
    page = (
        f'<html><body><h1>Title</h1><p>x</p><img src="{google.base}/document/d/no-such-picture/x.png"></body></html>'
    )
    sent = client.http.post("/documents", params={"name": "page.html"}, content=page.encode())
    ended = client.wait(
        client.post("/export", {"document_id": sent.json()["data"]["document_id"]}).json()["data"]["jobId"]
    )
    assert ended["state"] == "completed"
    assert [warning[:22] for warning in ended["returnValue"]["warnings"]] == ["picture 1 was left out"]


def test_an_uploaded_document_is_published_replaced_and_deleted(
    client: Client, running: RunningHouse, site: WordPressSite
) -> None:
    sent = client.http.post("/documents", params={"name": "bees.md"}, content=MARKDOWN.encode())
    assert sent.status_code == 200, sent.text
    data = sent.json()["data"]
    assert (data["name"], data["format"], data["size"]) == ("bees.md", "markdown", len(MARKDOWN.encode()))
    body = {"document_id": data["document_id"], "state": "publish"}
    first = client.wait(client.post("/export", body).json()["data"]["jobId"])
    assert first["state"] == "completed", first
    assert "Notes on" in site.read_page(first["returnValue"]["post_url"])
    path = f"/documents/{data['document_id']}"
    assert client.http.put(path, params={"name": "bees.md"}, content=b"# Bees\n\nOther words").status_code == 200
    second = client.wait(client.post("/export", body).json()["data"]["jobId"])
    assert second["returnValue"]["data"] == first["returnValue"]["data"]
    assert "Other words" in site.read_page(second["returnValue"]["post_url"])
    stranger = running.make_client(f"Stranger to {client.owner}", site)
    assert stranger.http.delete(path).status_code == 404
    assert stranger.post("/export", body).status_code == 400
    assert client.http.delete(path).status_code == 200
    assert client.http.delete(path).status_code == 404


def test_an_upload_is_the_bytes_of_a_file_and_neither_a_form_nor_nothing(client: Client) -> None:
    for method, path in (("POST", "/documents"), ("PUT", "/documents/doc-0123456789ab")):
        form = client.http.request(method, path, params={"name": "bees.md"}, files={"file": ("bees.md", b"# Bees")})
        assert (form.status_code, form.json()["message"]) == (400, "Bad Request")
        assert "--data-binary" in form.json()["details"]
        nothing = client.http.request(method, path, params={"name": "bees.md"})
        assert nothing.status_code == 400 and "empty" in nothing.json()["details"]


def test_an_upload_needs_a_name_of_a_document(client: Client) -> None:
    for name in ("", "x" * NAME_CHARS_MAX + ".md", "run.exe"):
        answer = client.http.post("/documents", params={"name": name}, content=b"x")
        assert answer.status_code == 400 and answer.json()["error"] is True
    longest = "x" * (NAME_CHARS_MAX - 3) + ".md"
    assert client.http.post("/documents", params={"name": longest}, content=b"x").status_code == 200


@pytest.mark.parametrize(("status", "told"), [(403, "Anyone with the link"), (404, "no document at this link")])
def test_a_document_that_is_closed_or_gone_says_so(client: Client, google: Google, status: int, told: str) -> None:
    url = google.share(f"doc-status-{status}")
    google.statuses[f"doc-status-{status}"] = status
    assert told in fail(client, url)


def test_a_wrong_setting_in_the_document_is_named(client: Client, google: Google) -> None:
    assert "state must be one of" in fail(client, google.share("doc-wrong", settings={"state": "live"}))


def test_an_empty_cell_of_the_documents_table_says_nothing(
    client: Client, google: Google, site: WordPressSite
) -> None:
    url = google.share("doc-form", settings={"title": "Kept", "date": "", "state": " ", "tags": "", "author": ""})
    post = post_of(client.publish(url, tags="bees"))
    assert site.count("posts", f"ID = {post} AND post_title = 'Kept' AND post_status = 'draft'") == 1
    client.publish(url)
    assert site.run_php(f"echo json_encode(wp_get_post_tags({post}, ['fields' => 'names']));") == '["bees"]'


def test_a_page_is_published_without_the_categories_and_tags_that_pages_lack(client: Client, google: Google) -> None:
    url = google.share("doc-page")
    value = client.publish(url, post_type="page", tags="bees", categories="Garden")["returnValue"]
    assert value["warnings"] == [
        f"{name} are left out: pages of WordPress have none" for name in ("categories", "tags")
    ]
    assert "warnings" not in client.publish(url, post_type="page", tags="")["returnValue"]


def test_an_unknown_author_is_named(client: Client, google: Google) -> None:
    assert "no user 'Nobody'" in fail(client, google.share("doc-author"), author="Nobody")


@pytest.mark.parametrize(
    ("mood", "told"),
    [("no-header", "application password"), ("rest-off", "REST API"), ("firewall", "firewall")],
)
def test_a_site_in_trouble_says_what_to_do(
    client: Client, google: Google, site: WordPressSite, mood: str, told: str
) -> None:
    with site.mood(mood):
        assert told in fail(client, google.share(f"doc-{mood}"))


def test_a_busy_site_delays_the_export(tmp_path: Path, google: Google, site: WordPressSite) -> None:
    with run_docswrite(tmp_path, google) as house:
        client = house.make_client("Busy", site)
        with site.maintenance():
            job = client.export(google.share("doc-busy"))
            delayed = client.wait(job, "delayed")
            assert delayed["failedReason"] is None and delayed["processedOn"] is not None


def test_a_site_that_was_disconnected_says_so(stopped: RunningHouse, waiting: Client, google: Google) -> None:
    site = waiting.http.get("/sites").json()["data"][0]["id"]
    waiting.export(google.share("doc-removed"))
    assert waiting.http.delete(f"/sites/{site}").status_code == 200
    answer = waiting.post("/export", {"google_docs_url": link("doc-removed")})
    assert answer.status_code == 400 and "no WordPress site is connected" in answer.json()["details"]


def test_a_hundred_exports_of_twenty_documents_at_once_double_nothing(
    client: Client, google: Google, site: WordPressSite
) -> None:
    names = [f"crowd-{number}" for number in range(20)]
    for number, name in enumerate(names):
        google.share(name, pictures=("crowd-all", f"crowd-{number % 5}"))
    attachments = site.count("posts", "post_type = 'attachment'")
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda n: client.export(link(names[n % 20]), title=f"{names[n % 20]} once"), range(100)))
    posts: dict[int, set[int]] = {}
    for number, job in enumerate(jobs):
        ended = client.wait(job)
        assert ended["state"] == "completed", ended
        posts.setdefault(number % 20, set()).add(post_of(ended))
    assert [len(found) for found in posts.values()] == [1] * 20
    assert site.count("posts", "post_title LIKE 'crowd-% once' AND post_type = 'post'") == 20
    assert site.count("posts", "post_type = 'attachment'") == attachments + 6


def test_a_document_whose_file_is_on_another_machine_is_fetched_again(
    client: Client, google: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = google.share("doc-elsewhere")
    monkeypatch.setattr(Documents, "has", lambda self, file: google.asked["doc-elsewhere"] > 1)
    client.publish(url)
    assert google.asked["doc-elsewhere"] == 2


def test_a_job_of_the_native_api_has_the_same_fields_in_every_spelling(
    client: Client, google: Google, site: WordPressSite
) -> None:
    google.share("doc-native")
    [kept] = client.http.get("/sites").json()["data"]
    task = {"site": kept["id"], "google_id": "doc-native", "fields": {"state": "published", "demote_headings": "yes"}}
    headers = {"Authorization": f"Bearer {client.key}"}
    base = f"{client.running.base}/v1/jobs"
    made = httpx.post(base, json={"kind": "docswrite_export", "input": task}, headers=headers, timeout=60).json()
    ended = client.running.wait_until(
        lambda: (
            now
            if (now := httpx.get(f"{base}/{made['id']}", headers=headers, timeout=60).json())["phase"]
            in ("completed", "failed")
            else None
        )
    )
    assert ended["phase"] == "completed", ended
    assert site.count("posts", f"ID = {ended['result']['data']['id']} AND post_status = 'publish'") == 1


def test_what_a_document_says_of_itself_is_text_on_its_page(
    client: Client, google: Google, site: WordPressSite
) -> None:
    said = dict.fromkeys(
        ("title", "excerpt", "featured_image_caption"), "&lt;script&gt;alert(1)&lt;/script&gt; R&amp;D"
    )
    url = google.share("doc-script", settings={**said, "state": "publish"}, pictures=("script",))
    post = client.publish(url)["returnValue"]
    shown = "&lt;script&gt;alert(1)&lt;/script&gt; R&amp;D"
    assert f"<h1>{shown}</h1>" in site.read_page(post["post_url"]).replace("&#038;", "&amp;")
    kept = site.run_php(f"$p = get_post({post_of({'returnValue': post})}); echo $p->post_title, $p->post_excerpt;")
    assert kept == shown * 2


def test_the_first_picture_has_the_texts_of_the_featured_image(
    client: Client, google: Google, site: WordPressSite
) -> None:
    ended = client.publish(
        google.share("doc-head", pictures=("head-1", "head-2")),
        featured_image_alt_text="A hive",
        featured_image_caption="<b>In June</b>",
    )
    said = site.run_php(
        f"$id = get_post_thumbnail_id({post_of(ended)}); echo get_post_meta($id, '_wp_attachment_image_alt', true),"
        " '/', get_post($id)->post_excerpt;"
    )
    assert said == "A hive/&lt;b&gt;In June&lt;/b&gt;"


def test_pictures_from_inside_are_named_and_never_fetched(
    tmp_path: Path, google: Google, site: WordPressSite
) -> None:
    inside = "http://127.0.0.2:1/x.png"
    with run_docswrite(tmp_path, google, JOBWIRE_FETCH_ALLOW="127.0.0.1/32") as house:
        url = google.share(
            "doc-inside", text=f'<img src="{inside}"><a href="http://127.0.0.1/">a link is only text</a>'
        )
        value = house.make_client("Inside", site).publish(url, featured_image_url=inside)["returnValue"]
    assert [warning.partition(":")[0] for warning in value["warnings"]] == [
        "picture 1 was left out",
        "the featured image was left out",
    ]
    assert all("fetching from '127.0.0.2' is not allowed" in warning for warning in value["warnings"])
