"""Every call of the client, and every refusal of a site, against a real WordPress."""

import asyncio
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from docswrite_samples import MARKDOWN, make_picture, write
from wordpress_site import LOOPBACK, WordPressSite

from jobwire.domain.errors import JobError
from jobwire.net.fetch import Fetcher, FetchPolicy
from jobwire.systems.docswrite.content import Media
from jobwire.systems.docswrite.marks import add_mark, make_mark
from jobwire.systems.docswrite.pictures import PictureRequest, PreparedPicture, prepare_picture
from jobwire.systems.docswrite.seo import split_fields
from jobwire.systems.docswrite.site_search import FoundSite, find_site
from jobwire.systems.docswrite.wordpress import (
    TERM_CHARS_MAX,
    TERMS_MAX,
    PostFields,
    SavedPost,
    SiteLogin,
    WordPress,
)

pytestmark = pytest.mark.slow

Ask = Callable[..., Any]


def find(url: str, policy: FetchPolicy = LOOPBACK) -> FoundSite:
    async def search() -> FoundSite:
        async with Fetcher(policy) as fetcher:
            return await find_site(fetcher, url)

    return asyncio.run(search())


def refused(call: Callable[[], object], code: str, *, retryable: bool = False) -> JobError:
    with pytest.raises(JobError) as caught:
        call()
    assert (caught.value.code, caught.value.retryable) == (code, retryable), caught.value.message
    return caught.value


def prepare(folder: Path, colour_of: str) -> PreparedPicture:
    """A picture that no other test has: its size is made of its name."""
    size = (20 + sum(colour_of.encode()) % 500, 20 + len(colour_of))
    (folder / "source").write_bytes(make_picture(size=size))
    return prepare_picture(PictureRequest(str(folder / "source"), str(folder)))


def make_post(document: str, title: str = "A title", **fields: Any) -> PostFields:
    return PostFields(title=title, content=add_mark("<p>x</p>", make_mark(document), editor="classic"), **fields)


def save(document: str, title: str = "A title", *, known_id: int | None = None, **fields: Any) -> Any:
    post, mark = make_post(document, title, **fields), make_mark(document)
    return lambda client: client.save_post(post, kind="post", mark=mark, known_id=known_id)


def test_the_api_of_a_site_is_found_from_its_address(site: WordPressSite) -> None:
    found = find(site.url)
    assert (found.root, found.home.rstrip("/")) == (f"{site.url}/wp-json/", site.url)
    assert found.name == "Field notes"


def test_the_api_is_found_without_its_link(site: WordPressSite) -> None:
    with site.mood("no-link"):
        assert find(site.url).root == f"{site.url}/wp-json/"


def test_the_api_is_found_by_the_link_in_a_page_alone(site: WordPressSite) -> None:
    with site.mood("link-in-page"):
        assert find(site.url).root == f"{site.url}/index.php?rest_route=/"


def test_a_site_with_plain_addresses_is_served_as_well(site: WordPressSite, ask: Ask) -> None:
    with site.plain_links():
        root = find(site.url).root
        assert root == f"{site.url}/index.php?rest_route=/"
        assert ask(lambda client: client.check_login(), root=root).id == 1
        assert ask(lambda client: client.find_author("writer"), root=root) > 1


def test_a_login_is_checked_and_says_who_it_is(ask: Ask) -> None:
    user = ask(lambda client: client.check_login(), user="writer")
    assert (user.username, user.name) == ("writer", "Maria O'Neill")


def test_a_password_is_never_shown() -> None:
    assert "geheim" not in repr(SiteLogin("https://a.example/wp-json/", "me", "geheim"))


def test_an_author_is_found_by_user_name_full_name_and_in_any_letter_case(ask: Ask) -> None:
    writer = ask(lambda client: client.check_login(), user="writer").id
    for name in ("writer", "WRITER", "Maria O'Neill", " maria o'neill "):
        assert ask(lambda client, name=name: client.find_author(name)) == writer
    error = refused(lambda: ask(lambda client: client.find_author("nobody at all")), "author_unknown")
    assert "'nobody at all'" in error.message


def test_categories_and_tags_are_found_or_made_once(site: WordPressSite, ask: Ask) -> None:
    names = ["Roots & leaves", "Țară", "  Roots   & leaves "]
    first = ask(lambda client: client.ensure_terms("categories", names))
    assert len(first) == 2
    assert ask(lambda client: client.ensure_terms("categories", ["ȚARĂ", "roots & leaves"])) == first[::-1]
    tags = ask(lambda client: client.ensure_terms("tags", ["one", "One", "", "two"]))
    assert len(set(tags)) == 2
    assert site.count("terms", "name LIKE 'Roots%leaves'") == 1


def test_a_term_made_several_times_at_once_is_one(site: WordPressSite, ask: Ask) -> None:
    async def race(client: WordPress) -> list[list[int]]:
        return await asyncio.gather(*(client.ensure_terms("tags", ["contested"]) for _ in range(4)))

    assert len({tuple(ids) for ids in ask(race)}) == 1
    assert site.count("terms", "name = 'contested'") == 1


def test_names_of_terms_are_cut_and_no_more_than_the_most_are_made(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["🌱" * (TERM_CHARS_MAX + 1), "🌱" * TERM_CHARS_MAX]
    assert len(ask(lambda client: client.ensure_terms("tags", names))) == 1
    assert TERMS_MAX > 3
    monkeypatch.setattr("jobwire.systems.docswrite.wordpress.TERMS_MAX", 3)
    assert len(ask(lambda client: client.ensure_terms("tags", ["t1", "t2", "t3", "t4"]))) == 3


def test_a_picture_is_uploaded_once_and_found_again_by_its_content(
    site: WordPressSite, ask: Ask, tmp_path: Path
) -> None:
    picture = prepare(tmp_path, "once")
    upload = lambda client: client.upload_picture(picture, tmp_path, alt='Leeks & "onions"', title="A bed")  # noqa: E731
    first: Media = ask(upload)
    assert ask(upload) == first
    assert site.count("posts", f"post_name = '{picture.marker}'") == 1
    assert (first.width, first.height) == (picture.width, picture.height)
    shown = f"get_post_meta({first.id}, '_wp_attachment_image_alt', true), '|', get_the_title({first.id})"
    assert site.run_php(f"echo {shown};") == 'Leeks & "onions"|A bed'
    assert first.url.startswith(site.url)


def test_another_description_changes_the_picture_and_uploads_nothing(
    site: WordPressSite, ask: Ask, tmp_path: Path
) -> None:
    picture = prepare(tmp_path, "described")
    first = ask(lambda client: client.upload_picture(picture, tmp_path, alt="old"))
    again = ask(lambda client: client.upload_picture(picture, tmp_path, alt="new"))
    kept = ask(lambda client: client.upload_picture(picture, tmp_path, alt=""))
    assert first.id == again.id == kept.id
    assert site.run_php(f"echo get_post_meta({first.id}, '_wp_attachment_image_alt', true);") == "new"


def test_a_post_is_made_once_and_changed_after_that(site: WordPressSite, ask: Ask) -> None:
    document = uuid4().hex
    (first, is_new) = ask(save(document, "First", slug="the-first", status="publish"))
    assert (is_new, first.status, first.slug) == (True, "publish", "the-first")
    (second, is_new) = ask(save(document, "Second"))
    assert (is_new, second.id, second.slug) == (False, first.id, "the-first")
    assert "Second" in site.read_page(second.link)
    assert ask(lambda client: client.find_post(make_mark(document), "post")).id == first.id
    assert ask(lambda client: client.find_post(make_mark(document), "page")) is None


def test_exports_of_one_document_at_the_same_time_make_one_post(site: WordPressSite, ask: Ask) -> None:
    document = uuid4().hex

    async def race(client: WordPress) -> set[int]:
        return {post.id for post, _ in await asyncio.gather(*(save(document)(client) for _ in range(4)))}

    assert len(ask(race)) == 1
    assert site.count("posts", f"post_type = 'post' AND post_content LIKE '%{make_mark(document)}%'") == 1


def test_uploads_of_one_picture_at_the_same_time_leave_one_in_the_library(
    site: WordPressSite, ask: Ask, tmp_path: Path
) -> None:
    picture = prepare(tmp_path, "contested picture")

    async def race(client: WordPress) -> set[int]:
        uploads = (client.upload_picture(picture, tmp_path, alt="x") for _ in range(4))
        return {media.id for media in await asyncio.gather(*uploads)}

    assert len(ask(race)) == 1
    assert site.count("posts", f"post_name LIKE '{picture.marker}%'") == 1


def test_a_post_of_somebody_else_with_the_same_slug_is_left_alone(ask: Ask) -> None:
    (own, _) = ask(save(uuid4().hex, slug="shared-slug", status="publish"))
    (other, is_new) = ask(save(uuid4().hex, slug="shared-slug", status="publish"))
    assert is_new
    assert other.id != own.id
    assert other.slug == "shared-slug-2"


def test_a_page_is_made_as_well(ask: Ask) -> None:
    document = uuid4().hex
    fields, mark = make_post(document, status="draft"), make_mark(document)
    (page, is_new) = ask(lambda client: client.save_post(fields, kind="page", mark=mark))
    assert is_new
    assert ask(lambda client: client.get_post(page.id, "page")).id == page.id
    assert ask(lambda client: client.get_post(page.id, "post")) is None


def test_blocks_of_an_author_pass_the_filters_of_wordpress_unchanged(
    site: WordPressSite, ask: Ask, tmp_path: Path
) -> None:
    document = uuid4().hex
    content = add_mark(
        write(MARKDOWN, "markdown", tmp_path, editor="gutenberg"), make_mark(document), editor="gutenberg"
    )
    fields = PostFields(title="Bees", content=content, status="publish")
    for is_first in (True, False):
        (post, is_new) = ask(
            lambda client: client.save_post(fields, kind="post", mark=make_mark(document)), user="writer"
        )
        assert is_new == is_first
        assert site.run_php(f"echo get_post({post.id})->post_content;") == content


def test_a_post_carries_all_its_fields(site: WordPressSite, ask: Ask, tmp_path: Path) -> None:
    async def publish(client: WordPress) -> SavedPost:
        picture = await client.upload_picture(prepare(tmp_path, "featured"), tmp_path, alt="")
        post = make_post(
            "all",
            "Țară & <sea>",
            status="private",
            excerpt="Short",
            author=await client.find_author("writer"),
            categories=await client.ensure_terms("categories", ["Trees"]),
            tags=await client.ensure_terms("tags", ["Oak"]),
            featured_media=picture.id,
            date_gmt="2020-02-03T04:05:06",
        )
        return await client.create_post(post, kind="post")

    saved = ask(publish)
    shown = site.run_php(
        f"$p = get_post({saved.id}); echo json_encode([$p->post_status, $p->post_excerpt, $p->post_date_gmt,"
        " get_the_author_meta('user_login', $p->post_author), get_the_category($p->ID)[0]->name,"
        " get_the_tags($p->ID)[0]->name, get_post_thumbnail_id($p->ID) > 0]);"
    )
    assert shown == '["private","Short","2020-02-03 04:05:06","writer","Trees","Oak",true]'


def test_a_post_of_the_future_waits_in_wordpress(ask: Ask) -> None:
    date = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%S")
    (post, _) = ask(save(uuid4().hex, status="future", date_gmt=date))
    assert post.status == "future"


def test_fields_of_plugins_are_written_where_the_site_has_them_and_named_where_not(
    site: WordPressSite, ask: Ask
) -> None:
    fields = {
        "newspack_post_subtitle": "Below",
        "rank_math_focus_keyword": "leeks",
        "yoast_title": "T",
        "unknown": "x",
    }

    async def publish(client: WordPress) -> tuple[int, list[str]]:
        split = split_fields(fields, await client.read_meta_names("post"))
        post = await client.create_post(make_post("meta", meta=split.meta), kind="post")
        return post.id, split.refused

    with site.mood("fields"):
        number, left_out = ask(publish)
    assert left_out == ["yoast_title"]
    assert site.run_php(f"echo get_post_meta({number}, 'newspack_post_subtitle', true);") == "Below"
    _, left_out = ask(publish)
    assert left_out == ["newspack_post_subtitle", "rank_math_focus_keyword", "yoast_title"]


def test_a_post_in_the_trash_or_deleted_is_told_and_a_save_makes_a_new_one(site: WordPressSite, ask: Ask) -> None:
    document = uuid4().hex
    (post, _) = ask(save(document, status="publish"))
    site.run_php(f"wp_trash_post({post.id});")
    change = lambda client: client.update_post(post.id, make_post(document), kind="post")  # noqa: E731
    refused(lambda: ask(change), "post_deleted")
    site.run_php(f"wp_delete_post({post.id}, true);")
    refused(lambda: ask(change), "post_deleted")
    (again, is_new) = ask(save(document, known_id=post.id))
    assert is_new
    assert again.id != post.id


def test_a_post_whose_mark_was_edited_away_is_found_by_its_number(site: WordPressSite, ask: Ask) -> None:
    document = uuid4().hex
    (post, _) = ask(save(document))
    site.run_php(f"wp_update_post(['ID' => {post.id}, 'post_content' => 'rewritten']);")
    (again, is_new) = ask(save(document, known_id=post.id))
    assert (again.id, is_new) == (post.id, False)


@pytest.mark.parametrize(("user", "password"), [("editor", "wrong"), ("editor", ""), ("nobody", "x")])
def test_a_wrong_login_is_told_and_not_tried_again(user: str, password: str, ask: Ask) -> None:
    error = refused(
        lambda: ask(lambda client: client.check_login(), user=user, password=password), "site_credentials_wrong"
    )
    assert "connect the site again" in error.message


def test_a_user_without_rights_is_told_what_it_may_not_do(ask: Ask) -> None:
    error = refused(lambda: ask(lambda client: client.check_login(), user="reader"), "site_permission_missing")
    assert "may not write posts" in error.message
    error = refused(lambda: ask(save("reader"), user="reader"), "site_permission_missing")
    refused(
        lambda: ask(lambda client: client.ensure_terms("categories", ["not mine"]), user="reader"),
        "site_permission_missing",
    )


def test_a_server_that_drops_the_password_is_told(site: WordPressSite, ask: Ask) -> None:
    with site.mood("no-header"):
        error = refused(lambda: ask(lambda client: client.check_login()), "site_credentials_wrong")
    assert "Authorization" in error.message


def test_application_passwords_that_are_switched_off_are_told(site: WordPressSite) -> None:
    with site.mood("no-passwords"):
        refused(lambda: find(site.url), "site_passwords_disabled")


def test_a_rest_api_that_is_switched_off_is_told(site: WordPressSite, ask: Ask) -> None:
    with site.mood("rest-off"):
        refused(lambda: ask(lambda client: client.check_login()), "site_rest_disabled")
        refused(lambda: find(site.url), "site_rest_disabled")
    with site.mood("rest-gone"):
        refused(lambda: ask(lambda client: client.check_login()), "site_rest_disabled")
    refused(lambda: ask(lambda client: client.check_login(), root=f"{site.url}/no-such/"), "site_rest_disabled")


def test_a_firewall_before_the_site_is_told(site: WordPressSite, ask: Ask) -> None:
    with site.mood("firewall"):
        refused(lambda: ask(lambda client: client.check_login()), "site_blocked")


def test_a_type_of_file_the_site_forbids_is_permanent_although_it_answers_500(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text("<svg/>")
    forbidden = PreparedPicture("a.svg", "image/svg+xml", "0", 1, 1, 6)
    error = refused(
        lambda: ask(lambda client: client.upload_picture(forbidden, tmp_path, alt="")), "site_file_refused"
    )
    assert error.details["status"] == 500


def test_a_busy_site_is_tried_again_when_it_says(site: WordPressSite, ask: Ask) -> None:
    with site.mood("busy"):
        error = refused(lambda: ask(lambda client: client.check_login()), "site_unavailable", retryable=True)
    assert error.retry_after_ms == 7_000


def test_a_site_that_updates_itself_is_tried_again(site: WordPressSite, ask: Ask) -> None:
    with site.maintenance():
        error = refused(lambda: ask(lambda client: client.check_login()), "site_unavailable", retryable=True)
        refused(lambda: find(site.url), "fetch_status", retryable=True)
    assert error.retry_after_ms == 600_000


def test_a_site_that_is_down_is_tried_again() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        refused(lambda: find(url), "fetch_refused", retryable=True)


def test_a_site_that_is_not_public_is_never_connected_to(site: WordPressSite) -> None:
    refused(lambda: find(site.url, FetchPolicy()), "url_forbidden")


def test_what_a_site_refuses_for_another_reason_is_quoted(ask: Ask) -> None:
    error = refused(lambda: ask(save(uuid4().hex, author=999_999)), "site_refused")
    assert "Invalid author ID" in error.message
