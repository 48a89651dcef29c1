"""The jobs document_processing and batch_embedding, and questions, in a running house on each engine."""

import json
from pathlib import Path

import pytest
from documents_house import DocumentHouse, run_documents

from jobwire.domain.errors import RequestError
from jobwire.domain.states import State
from jobwire.store.vectors import open_vectors
from jobwire.systems.fifthelement.records import change_document, delete_document, delete_repository
from jobwire.systems.fifthelement.records_chunks import list_vectors
from jobwire.systems.fifthelement.texts import put_text

LAKES = "Lacul Bâlea este un lac glaciar din Munții Făgăraș, la 2040 de metri altitudine."
BREAD = "Тесто для хлеба месят десять минут, затем оставляют подниматься на два часа."
PUMPS = "The water pump is primed before starting; run it dry and the seal burns within a minute."


def count_rows(house: DocumentHouse, table: str) -> int:
    owned = f"SELECT COUNT(*) FROM fifthelement_{table} WHERE owner = :owner"
    return int(house.store.read(lambda r: r.query(owned, owner=house.owner)).result()[0][0])


def test_a_text_is_cut_into_chunks_that_are_its_own_characters(library: DocumentHouse) -> None:
    repository = library.add_repository()
    text = "\n\n".join(f"Paragraph {n}. {PUMPS} 🫧 {BREAD}" for n in range(400))
    row = library.add_text(repository, text)
    result = library.result(library.start_processing(row))
    cut = library.cut(row)
    assert cut is not None and result["chunks"] == cut.chunks == len(cut.cut) > 10
    assert (result["documentsProcessed"], result["errors"]) == (1, 0)
    assert library.text(row) == text
    assert library.document(row).status == "Ready"
    assert "".join("".join(text[c.start : c.end] for c in cut.cut).split()) == "".join(text.split())


def test_a_file_is_read_by_its_content_and_its_false_name_is_a_warning(library: DocumentHouse) -> None:
    repository = library.add_repository()
    page = b"<!doctype html><html lang=ro><head><title>Lacuri</title></head><body><h1>Lacuri</h1><p>B\xc3\xa2lea</p>"
    row = library.add_file(repository, page, "lakes.pdf")
    result = library.result(library.start_processing(row))
    assert result["warnings"] == [
        {"documentId": f"doc_{row.id}", "message": "the file says it is pdf and is html; it was read as html"}
    ]
    found = library.document(row)
    assert (found.media_type, library.text(row)) == ("text/html", "Lacuri\n\nBâlea")
    assert found.fields == {"title": "Lacuri", "language": "ro"}


def test_a_batch_with_bad_files_completes_and_lists_them(library: DocumentHouse) -> None:
    repository = library.add_repository()
    good = library.add_file(repository, PUMPS.encode(), "pumps.txt")
    program = library.add_file(repository, b"\x7fELF\x02\x01\x01" + bytes(200), "setup.pdf")
    blank = library.add_file(repository, b"  \n ", "blank.txt")
    result = library.result(library.start_batch(repository, [program, good, blank]))
    assert (result["documentsProcessed"], result["errors"]) == (1, 2)
    assert [(failure["documentId"], failure["code"]) for failure in result["failures"]] == [
        (f"doc_{program.id}", "document_type_refused"),
        (f"doc_{blank.id}", "document_empty"),
    ]
    assert [library.document(row).status for row in (good, program, blank)] == ["Ready", "Failed", "Failed"]


def test_a_batch_of_bad_files_only_fails_with_their_code(library: DocumentHouse) -> None:
    repository = library.add_repository()
    rows = [library.add_file(repository, b"%PDF-1.7\nno document", f"{n}.pdf") for n in range(2)]
    error = library.error(library.start_batch(repository, rows))
    assert error["code"] == "document_truncated"
    assert len(json.loads(error["details"])["failures"]) == 2


def test_one_bad_file_fails_its_job_with_its_own_code(library: DocumentHouse) -> None:
    row = library.add_file(library.add_repository(), b"\xff\xd8\xff\xe0" + bytes(100), "scan.pdf")
    assert library.error(library.start_processing(row))["code"] == "document_type_unsupported"
    assert library.document(row).status == "Failed"


def test_a_document_that_was_deleted_before_its_job_ran_is_gone(library: DocumentHouse) -> None:
    repository = library.add_repository()
    row, other = library.add_text(repository, PUMPS), library.add_text(repository, BREAD)
    library.write(lambda tx: delete_document(tx, library.owner, row.id))
    result = library.result(library.start_batch(repository, [row, other]))
    assert [failure["code"] for failure in result["failures"]] == ["document_gone"]


def test_questions_in_one_language_find_texts_in_others(library: DocumentHouse) -> None:
    repository = library.add_repository()
    rows = {name: library.add_text(repository, text, title=name) for name, text in
            (("lakes", LAKES), ("bread", BREAD), ("pumps", PUMPS))}  # fmt: skip
    library.result(library.start_batch(repository, list(rows.values())))
    result = library.result(library.start_embedding(repository))
    assert (result["chunksEmbedded"], result["chunks"], result["documentsProcessed"]) == (3, 3, 3)
    assert result["model"].startswith("multilingual-e5-small@sha256:")
    for question, title, text in (
        ("How high is the mountain lake?", "lakes", LAKES),
        ("Cât timp se lasă aluatul la dospit?", "bread", BREAD),
        ("Что будет с насосом без воды?", "pumps", PUMPS),
    ):
        best = library.ask(repository, question)[0]
        assert (best["title"], best["text"], best["start"], best["end"]) == (title, text, 0, len(text))
        assert best["documentId"] == rows[title].id
        assert 0.5 < best["score"] <= 1
    assert len(library.ask(repository, "lake", limit=2)) == 2


def test_what_has_a_vector_is_not_embedded_again(library: DocumentHouse) -> None:
    repository = library.add_repository()
    library.result(library.start_processing(library.add_text(repository, LAKES)))
    assert library.result(library.start_embedding(repository))["chunksEmbedded"] == 1
    library.result(library.start_processing(library.add_text(repository, PUMPS)))
    again = library.result(library.start_embedding(repository))
    assert (again["chunksEmbedded"], again["chunks"]) == (1, 2)
    anew = library.result(library.start_embedding(repository, replace=True))
    assert (anew["chunksEmbedded"], anew["chunks"]) == (2, 2)


def test_a_document_that_is_processed_again_unchanged_stays_findable(library: DocumentHouse) -> None:
    repository = library.add_repository()
    rows = [library.add_text(repository, LAKES), library.add_file(repository, BREAD.encode(), "bread.txt")]
    for row in rows:
        library.result(library.start_processing(row))
    library.result(library.start_embedding(repository))
    for row in rows:
        library.result(library.start_processing(row))
    assert {found["text"] for found in library.ask(repository, "lake")} == {LAKES, BREAD}
    assert library.result(library.start_embedding(repository))["chunksEmbedded"] == 0


def test_a_changed_document_is_not_found_by_its_old_text(library: DocumentHouse) -> None:
    repository = library.add_repository()
    row = library.add_text(repository, LAKES)
    library.result(library.start_processing(row))
    library.result(library.start_embedding(repository))
    new = put_text(library.services.blobs, BREAD)
    changed = library.write(
        lambda tx: change_document(tx, library.owner, library.document(row), title="x", metadata={}, text=new)
    )
    assert library.ask(repository, "lake") == []
    library.result(library.start_processing(changed))
    assert library.ask(repository, "lake") == []
    library.result(library.start_embedding(repository))
    assert library.ask(repository, "lake")[0]["text"] == BREAD


def test_nobody_finds_what_is_anothers(library: DocumentHouse) -> None:
    repository = library.add_repository()
    library.result(library.start_processing(library.add_text(repository, LAKES)))
    library.result(library.start_embedding(repository))
    with pytest.raises(RequestError, match="Repository not found"):
        library.ask(repository, "lake", owner=library.owner + 1)


def test_a_deleted_document_takes_its_chunks_and_vectors_along(library: DocumentHouse) -> None:
    before = count_rows(library, "cut"), count_rows(library, "vector")
    repository = library.add_repository()
    rows = [library.add_text(repository, text) for text in (LAKES, PUMPS)]
    library.result(library.start_batch(repository, rows))
    library.result(library.start_embedding(repository))
    library.write(lambda tx: delete_document(tx, library.owner, rows[0].id))
    assert (count_rows(library, "cut"), count_rows(library, "vector")) == (before[0] + 1, before[1] + 1)
    library.write(lambda tx: delete_repository(tx, library.owner, repository.id))
    assert (count_rows(library, "cut"), count_rows(library, "vector")) == before


def test_a_job_whose_repository_is_gone_ends_without_writing(library: DocumentHouse) -> None:
    repository = library.add_repository()
    row = library.add_text(repository, LAKES)
    library.write(lambda tx: delete_repository(tx, library.owner, repository.id))
    assert library.error(library.start_embedding(repository))["code"] == "repository_gone"
    assert library.error(library.start_batch(repository, [row]))["code"] == "repository_gone"


def test_an_unknown_model_is_named_and_so_are_those_that_there_are(library: DocumentHouse) -> None:
    error = library.error(library.start_embedding(library.add_repository(model="gpt-none")))
    assert error["code"] == "embedding_model_unknown"
    assert "multilingual-e5-small" in error["message"]


def test_vectors_are_read_back_as_they_were_made(library: DocumentHouse) -> None:
    repository = library.add_repository()
    library.result(library.start_batch(repository, [library.add_text(repository, t) for t in (LAKES, PUMPS, BREAD)]))
    library.result(library.start_embedding(repository))
    vectors = open_vectors(library.store)
    read = library.store.read
    whole = read(lambda r: list_vectors(r, library.owner, repository.id, vectors=vectors, limit=9)).result()
    assert [len(row.vector) for row in whole] == [384 * 4] * 3
    last = (whole[0].document, whole[0].place)
    rest = read(
        lambda r: list_vectors(r, library.owner, repository.id, vectors=vectors, after=last, limit=9)
    ).result()
    assert rest == whole[1:]


@pytest.mark.parametrize("count", [0, 51])
def test_a_question_for_too_many_or_no_chunks_is_refused(library: DocumentHouse, count: int) -> None:
    with pytest.raises(RequestError, match="limit is"):
        library.ask(library.add_repository(), "lake", limit=count)


@pytest.mark.parametrize(("chars", "is_taken"), [(2_000, True), (2_001, False)])
def test_a_question_has_its_limit(library: DocumentHouse, chars: int, is_taken: bool) -> None:
    repository = library.add_repository()
    if is_taken:
        assert library.ask(repository, "a" * chars) == []
        return
    with pytest.raises(RequestError, match="2,001 characters"):
        library.ask(repository, "a" * chars)


def test_a_job_of_no_or_too_many_documents_is_refused(library: DocumentHouse) -> None:
    repository = library.add_repository()
    assert library.error(library.start_batch(repository, []))["code"] == "invalid_input"


@pytest.mark.slow
def test_a_job_that_is_cancelled_while_it_waits_leaves_the_document_failed(tmp_path: Path, ledger: str) -> None:
    with run_documents(tmp_path, ledger, workers=0) as house:
        row = house.add_text(house.add_repository(), LAKES)
        number = house.start_processing(row)
        house.store.cancel(house.owner, [number]).result()
        assert house.wait(number).state == State.CANCELLED
        assert house.document(row).status == "Failed"
