"""The book server's stand-in: who may log in, what is taken in, what becomes of books, with all traps."""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from sandbox.mybookshelf import Standin
from tests.mybookshelf_world import EPUB, Caller, epub, sha1


def unpacked(token: str) -> dict[str, object]:
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


# Logging in


def test_a_wrong_password_is_answered_with_200(bookshelf):
    answer = httpx.post(f"{bookshelf.url}/login", json={"username": "admin", "password": "wrong"})
    assert (answer.status_code, answer.json()) == (200, {"error": "Invalid Login"})
    unknown = httpx.post(f"{bookshelf.url}/login", json={"username": "nobody", "password": "wrong"})
    assert (unknown.status_code, unknown.json()) == (200, {"error": "Invalid Login"})


def test_a_login_without_credentials_is_refused(bookshelf):
    assert httpx.post(f"{bookshelf.url}/login", json={"username": "admin"}).status_code == 400
    assert httpx.post(f"{bookshelf.url}/login", json={}).status_code == 400


def test_a_user_logs_in_by_name_or_by_address_and_gets_two_tokens(bookshelf):
    for name in ({"username": "admin"}, {"email": "admin@example.com"}):
        answer = httpx.post(f"{bookshelf.url}/login", json={**name, "password": "admin"}).json()
        assert set(answer) == {"access_token", "refresh_token"}
        claims = unpacked(answer["access_token"])
        assert set(claims) == {"id", "user_name", "email", "roles", "exp"}
        assert 4 * 3600 - 10 < int(str(claims["exp"])) - time.time() <= 4 * 3600


def test_the_page_for_people_logs_in_with_a_form_and_a_cookie(bookshelf):
    answer = httpx.post(f"{bookshelf.url}/login", data={"username": "admin", "password": "admin"})
    assert answer.status_code == 302 and answer.cookies.get("session")
    assert httpx.get(f"{bookshelf.url}/login").headers["content-type"].startswith("text/html")


def test_without_a_good_token_every_address_of_the_api_is_a_page_with_401(caller):
    good = caller.token
    for token in ("none", "no.token.atall", good[:-4] + "AAAA"):
        caller.token = token
        answer = caller.ask("GET", "ebooks")
        assert answer.status_code == 401 and answer.headers["content-type"].startswith("text/html")
    assert caller.http.get("/api/ebooks").status_code == 401
    assert caller.http.get("/api/ebooks", params={"bearer_token": good}).status_code == 200


def test_a_guest_logs_in_and_may_do_nothing(bookshelf):
    assert Caller(bookshelf, "guest", "guest").ask("GET", "ebooks").status_code == 401


def test_there_is_no_login_where_the_first_script_looked_for_it(caller):
    assert caller.ask("POST", "auth/login", json={"username": "admin"}).status_code == 404


def test_an_expired_token_is_good_for_a_new_one(caller):
    caller.standin.switches.expire_tokens()
    assert caller.ask("GET", "ebooks").status_code == 401
    headers = {"Authorization": f"bearer {caller.token}"}
    answer = caller.http.post(
        "/login", json={"refresh_token": caller.tokens["refresh_token"]}, headers=headers
    ).json()
    assert set(answer) == {"access_token"}
    caller.token = answer["access_token"]
    assert caller.ask("GET", "ebooks").status_code == 200


def test_a_refresh_token_alone_is_good_for_nothing(caller):
    answer = caller.http.post("/login", json={"refresh_token": caller.tokens["refresh_token"]})
    assert "access_token" not in answer.json()


def test_a_token_expires_by_itself(bookshelf):
    bookshelf.switches.set(token_seconds=1)
    caller = Caller(bookshelf)
    time.sleep(1.1)
    assert caller.ask("GET", "ebooks").status_code == 401


# Asking whether a file would be taken


def test_a_new_file_would_be_taken_and_a_known_one_not(caller):
    content = epub()
    assert caller.check(content).json() == {"result": "ok"}
    caller.migrated(content)
    answer = caller.check(content)
    assert (answer.status_code, answer.json()) == (200, {"error": "file already exists"})


def test_a_hash_in_upper_case_is_never_known(caller):
    content = epub()
    caller.migrated(content)
    assert caller.check(content, hash=sha1(content).upper()).json() == {"result": "ok"}


def test_too_big_comes_before_unsupported_and_that_before_known(caller):
    content = epub()
    caller.migrated(content)
    assert caller.check(content, size=100 * 1024**2 + 1, mime_type="x/y", extension="kfx").json() == {
        "error": "file too big"
    }
    assert caller.check(content, mime_type="x/y", extension="kfx").json() == {
        "error": "unsupported file type x/y, extension kfx"
    }
    assert caller.check(content, size=100 * 1024**2).json() == {"result": "ok"}


@pytest.mark.parametrize(
    "wrong", [{"size": 0}, {"size": -5}, {"size": None}, {"size": "many"}, {"mime_type": None}]
)
def test_a_question_without_size_or_type_is_refused(caller, wrong):
    assert caller.check(epub(), **wrong).status_code == 400


@pytest.mark.parametrize("wrong", [{"hash": None}, {"name": "a.epub"}])
def test_a_question_without_hash_or_with_one_key_more_breaks_the_server(caller, wrong):
    assert caller.check(epub(), **wrong).status_code == 500


@pytest.mark.parametrize("extension", ["cbz", "cbr", "azw", "kfx", "zip"])
def test_formats_of_calibre_that_the_server_lacks(caller, extension):
    answer = caller.check(b"x", mime_type="", extension=extension).json()
    assert answer["error"].startswith("unsupported file type")


@pytest.mark.parametrize(
    "extension",
    [
        *("pdf", "txt", "pdb", "rtf", "doc", "mobi", "prc", "epub", "odt"),
        *("djvu", "html", "htm", "chm", "lit", "fb2", "docx", "azw3"),
    ],
)
def test_formats_that_it_has_by_extension_alone(caller, extension):
    assert caller.check(b"x", mime_type="", extension=extension).json() == {"result": "ok"}


def test_anything_passes_as_octet_stream(caller):
    answer = caller.check(b"x", mime_type="application/octet-stream", extension="kfx")
    assert answer.json() == {"result": "ok"}


# Uploading


def test_an_upload_is_kept_in_a_folder_of_its_own(caller):
    answer = caller.upload(b"content", "a book (1).epub").json()
    folder, name = answer["file"].split("/")
    assert answer["result"] == "ok" and folder.startswith("tmp") and name == "a_book_1.epub"
    assert (caller.standin.data / "uploads" / answer["file"]).read_bytes() == b"content"


def test_of_a_name_in_another_script_only_the_extension_is_left_and_no_dot(caller):
    answer = caller.upload(epub(), "Книга.epub").json()
    assert answer["file"].endswith("/epub")
    update = caller.described(answer["file"])
    assert update["status"] == "error"
    assert caller.standin.facts()["uploads"] == 0


def test_an_upload_without_its_field_is_refused(caller):
    assert caller.ask("POST", "upload", files={"other": ("a.epub", b"x", EPUB)}).status_code == 400
    assert caller.ask("POST", "upload", json={}).status_code == 400


def test_an_empty_file_breaks_the_server_and_leaves_its_folder(caller):
    assert caller.upload(b"").status_code == 500
    assert caller.standin.facts()["leftover_folders"] == 1


def test_a_file_that_is_not_wanted_leaves_an_empty_folder(caller):
    content = epub()
    caller.migrated(content)
    answer = caller.upload(content)
    assert (answer.status_code, answer.json()) == (200, {"error": "file already exists"})
    assert caller.upload(b"x", "a.kfx", "x/y").json() == {"error": "unsupported file type x/y, extension kfx"}
    assert caller.standin.facts()["leftover_folders"] == 2


def test_a_file_as_big_as_the_limit_passes_the_question_and_not_the_upload(caller):
    limit = 200_000
    caller.standin.switches.set(max_content_length=limit)
    assert caller.check(b"x", size=limit).json() == {"result": "ok"}
    assert caller.upload(b"x" * limit).status_code == 413
    assert caller.upload(b"x" * (limit - 4096)).json()["result"] == "ok"


def test_a_body_without_a_length_is_measured_while_it_comes(caller):
    caller.standin.switches.set(max_content_length=100_000)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.epub"\r\n\r\n'
    parts = [head, *([b"x" * 50_000] * 3), b"\r\n--b--\r\n"]
    answer = caller.ask(
        "POST", "upload", content=iter(parts), headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert answer.status_code == 413


# Making books


def test_a_book_keeps_what_the_server_keeps_and_loses_the_rest_without_a_word(caller):
    number = caller.ebook(
        series={"title": "A Series"},
        series_index=1.5,
        genres=[{"id": 25, "name": "whatever"}],
        authors=[{"last_name": "Writer", "first_name": "Ann"}],
        description="lost",
        publisher="lost",
    )
    shown = caller.get(f"ebooks/{number}")
    assert shown["title"] == "A Book" and shown["language"] == {"id": 2, "code": "en", "name": "English"}
    assert shown["series"]["title"] == "A Series" and shown["series_index"] == 1
    assert shown["genres"] == [{"id": 25, "name": "Science Fiction"}]
    assert [(a["last_name"], a["first_name"]) for a in shown["authors"]] == [("Writer", "Ann")]
    assert "description" not in shown and shown["sources"] == []


def test_the_same_book_made_twice_is_two_books(caller):
    assert caller.ebook() != caller.ebook()
    assert caller.standin.facts() | {
        "ebooks": 2,
        "orphan_ebooks": 2,
        "duplicate_ebooks": 1,
        "authors": 1,
    } == (caller.standin.facts())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"language": {"code": "de"}}, "This entity {'code': 'de'} must have id"),
        ({"genres": [{"name": "Odd"}]}, "This entity {'name': 'Odd'} must have id"),
        ({"language": None}, "language"),
        ({"title": "t" * 257}, "Longer than maximum length 256"),
        ({"authors": [{"last_name": "n" * 129}]}, "Longer than maximum length 128"),
        ({"series_index": "first"}, "Not a valid integer"),
    ],
)
def test_invalid_data_is_answered_with_200(caller, wrong, says):
    answer = caller.ask("POST", "ebooks", json={"title": "A", "language": {"id": 2}} | wrong)
    assert answer.status_code == 200 and answer.json()["error"] == "Invalid data"
    assert says in str(answer.json()["error_details"])
    assert caller.standin.facts()["ebooks"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": "nul \0 inside"},
        {"authors": [{"last_name": "nul \0 inside"}]},
        {"language": {"id": 99}},
        {"genres": [{"id": 33}]},
        {"authors": [{"first_name": "Ann"}]},
    ],
)
def test_what_the_database_refuses_is_answered_with_200_too(caller, wrong):
    answer = caller.ask("POST", "ebooks", json={"title": "A", "language": {"id": 2}} | wrong)
    assert answer.status_code == 200 and answer.json()["error"] == "Database error"
    facts = caller.standin.facts()
    assert facts["ebooks"] == facts["authors"] == 0


def test_authors_and_series_of_exactly_this_name_are_used_again(caller):
    for name in ("Ann", "Ann", "ann"):
        caller.ebook(authors=[{"last_name": "Writer", "first_name": name}], series={"title": name})
    facts = caller.standin.facts()
    assert (facts["authors"], facts["series"]) == (2, 2)


# Adding files to books


def test_an_added_file_is_copied_and_its_upload_is_gone(caller):
    content = epub(cover=b"a picture")
    upload = caller.uploaded(content)
    ebook = caller.ebook(authors=[{"last_name": "Writer", "first_name": "Ann"}])
    answer = caller.ask("POST", f"ebooks/{ebook}/add-upload", json={"upload_id": upload, "quality": 80})
    shown = caller.get(f"ebooks/{ebook}")
    (source,) = shown["sources"]
    assert answer.json() == {"id": source["id"]} and shown["cover"] is True
    assert source["location"] == "Writer Ann/A Book(en)/Writer Ann - A Book.epub"
    assert (source["format"], source["size"], source["hash"]) == ("epub", len(content), sha1(content))
    assert (source["quality"], source["load_source"]) == (80, "book-1.epub")
    assert (caller.standin.data / "books" / source["location"]).read_bytes() == content
    assert caller.ask("GET", f"download/{source['id']}").content == content
    facts = caller.standin.facts()
    assert (facts["uploads"], facts["leftover_folders"], facts["orphan_ebooks"]) == (0, 0, 0)


def test_adding_it_again_after_success_finds_nothing(caller):
    upload = caller.uploaded(epub())
    ebook = caller.ebook()
    assert caller.add(ebook, upload).status_code == 200
    assert caller.add(ebook, upload).status_code == 404
    assert caller.add(999, upload).status_code == 404


def test_content_that_is_there_leaves_upload_folder_and_the_new_book_behind(caller):
    content = epub()
    first = caller.upload(content).json()["file"]
    ebook, source = caller.migrated(content)
    upload = caller.described(first)["result"]
    orphan = caller.ebook("Another")
    answer = caller.add(orphan, upload)
    assert answer.status_code == 200
    assert answer.json() == {
        "error": "File already exists",
        "error_details": f"Existing source {source} in ebook A Book({ebook})",
    }
    facts = caller.standin.facts()
    assert (facts["uploads"], facts["orphan_ebooks"], facts["sources"]) == (1, 1, 1)
    assert (caller.standin.data / "uploads" / first).exists()


def test_a_title_that_is_too_long_for_a_path_breaks_after_the_book_was_made(caller):
    upload = caller.uploaded(epub())
    ebook = caller.ebook("t" * 240, authors=[{"last_name": "Writer", "first_name": "Ann"}])
    assert caller.add(ebook, upload).status_code == 500
    facts = caller.standin.facts()
    assert (facts["ebooks"], facts["orphan_ebooks"], facts["uploads"]) == (1, 1, 1)


def test_titles_in_another_script_collide_on_disk(caller):
    names = []
    for title in ("Книга", "Песня"):
        ebook, _ = caller.migrated(epub(title))
        names.append(caller.get(f"ebooks/{ebook}")["sources"][0]["location"].rpartition("/")[2])
    assert names[0] != names[1] and names[1] == names[0].replace(".epub", "(1).epub")


def test_a_book_of_a_series_lies_in_the_folder_of_its_series(caller):
    ebook, _ = caller.migrated(epub(), series={"title": "Saga: One"}, series_index=3)
    location = caller.get(f"ebooks/{ebook}")["sources"][0]["location"]
    assert location == "Writer /Saga One/Saga One 3 - A Book(en)/Writer  - Saga One 3 - A Book.epub"


def test_of_many_authors_three_are_named(caller):
    people = [{"last_name": f"Last{n}", "first_name": "Žoë Lee"} for n in range(4)]
    ebook, _ = caller.migrated(epub(), authors=people)
    location = caller.get(f"ebooks/{ebook}")["sources"][0]["location"]
    assert location.startswith("Last0 Z L, Last1 Z L, Last2 Z L and others/")


def test_four_clients_with_the_same_file_make_it_several_times_when_threaded(caller):
    _same_file_four_times(caller)
    facts = caller.standin.facts()
    assert facts["ebooks"] == 4 and facts["duplicate_sources"] > 0


def test_four_clients_with_the_same_file_leave_three_books_without_it_when_serial(caller):
    caller.standin.switches.set(threaded=False)
    _same_file_four_times(caller)
    facts = caller.standin.facts()
    assert (facts["ebooks"], facts["sources"], facts["orphan_ebooks"]) == (4, 1, 3)


def _same_file_four_times(caller: Caller) -> None:
    caller.standin.switches.set(race_seconds=0.1)
    uploads = [caller.uploaded(epub()) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda upload: caller.add(caller.ebook(), upload), uploads))


# Looking at books and changing them


def test_lists_have_pages_of_at_most_a_hundred_and_none_beyond_the_last(caller):
    for title in "bac":
        caller.ebook(title)
    listed = caller.get("ebooks", params={"page_size": 2, "sort": "title"})
    assert (listed["page"], listed["page_size"], listed["total"]) == (1, 2, 3)
    assert [book["title"] for book in listed["items"]] == ["a", "b"]
    newest = caller.get("ebooks", params={"sort": "-created"})["items"]
    assert [book["title"] for book in newest] == ["c", "a", "b"]
    for wrong, status in (
        ({"page_size": 101}, 400),
        ({"sort": "size"}, 400),
        ({"page": 0}, 400),
        ({"page": "x"}, 400),
        ({"page": 2}, 404),
    ):
        assert caller.ask("GET", "ebooks", params=wrong).status_code == status
    assert set(listed["items"][0]) == {"id", "title", "authors", "language", "cover"}


def test_books_are_listed_by_all_of_several_genres(caller):
    both = caller.ebook(genres=[{"id": 1}, {"id": 2}])
    caller.ebook(genres=[{"id": 1}])
    assert [book["id"] for book in caller.get("ebooks", params={"genres": "1,2"})["items"]] == [both]


def test_a_change_needs_the_version_that_it_changes(caller):
    number = caller.ebook()
    path = f"ebooks/{number}"
    assert caller.ask("PATCH", path, json={"title": "B"}).json()["error"] == "Version_id missing"
    version = caller.get(path)["version_id"]
    changed = caller.ask("PATCH", path, json={"title": "B", "version_id": version}).json()
    assert changed == {"id": number, "success": True} and caller.get(path)["title"] == "B"
    stalled = caller.ask("PATCH", path, json={"title": "C", "version_id": version}).json()
    assert stalled["error"] == "Stalled record"


def test_a_deleted_book_takes_its_files_with_it(caller):
    ebook, _ = caller.migrated(epub())
    location = caller.get(f"ebooks/{ebook}")["sources"][0]["location"]
    assert caller.ask("DELETE", f"ebooks/{ebook}").status_code == 200
    assert caller.ask("GET", f"ebooks/{ebook}").status_code == 404
    assert caller.ask("DELETE", f"ebooks/{ebook}").status_code == 404
    assert not (caller.standin.data / "books" / location).exists()
    assert caller.get("search/a book")["total"] == 0


def test_a_rated_book_cannot_be_deleted(caller):
    ebook, _ = caller.migrated(epub())
    caller.post(f"ebooks/{ebook}/rate", {"rating": 80})
    assert caller.ask("DELETE", f"ebooks/{ebook}").status_code == 500
    assert caller.get(f"ebooks/{ebook}")["rating"] == 80


def test_a_user_deletes_no_book_of_another(caller):
    ebook = caller.ebook()
    assert Caller(caller.standin, "user", "user").ask("DELETE", f"ebooks/{ebook}").status_code == 403


def test_merged_books_are_one_with_the_files_of_both(caller):
    one, _ = caller.migrated(epub(salt="1"))
    other, _ = caller.migrated(epub(salt="2"))
    caller.post(f"ebooks/{one}/merge", {"other_id": other})
    assert len(caller.get(f"ebooks/{one}")["sources"]) == 2
    assert caller.standin.facts()["ebooks"] == 1 and caller.standin.facts()["missing_files"] == 0


def test_a_file_is_moved_to_another_book_or_deleted(caller):
    one, source = caller.migrated(epub())
    other = caller.ebook("Other")
    caller.post(f"sources/{source}/move", {"other_ebook_id": other})
    assert caller.get(f"ebooks/{one}")["sources"] == []
    assert caller.get(f"ebooks/{other}")["sources"][0]["location"].endswith("Other.epub")
    assert caller.ask("DELETE", f"sources/{source}").status_code == 200
    assert caller.ask("DELETE", f"sources/{source}").status_code == 404


# Finding books


def test_a_search_finds_beginnings_of_all_words_in_title_authors_and_series(caller):
    number = caller.ebook(
        "Čas hledání",
        authors=[{"last_name": "Novák", "first_name": "Jan"}],
        series={"title": "Řada"},
    )
    caller.ebook("Other")
    for wanted in ("cas hled", "novak", "Jan Novák Čas", "rada"):
        assert [book["id"] for book in caller.get(f"search/{wanted}")["items"]] == [number]
    assert caller.get("search/cas novotny")["total"] == 0
    assert caller.get("search/!!!")["total"] == 0


def test_a_search_with_more_than_32_characters_that_are_no_letters_breaks_the_server(caller):
    assert caller.ask("GET", "search/" + " a" * 32).status_code == 200
    assert caller.ask("GET", "search/" + " a" * 33).status_code == 500


def test_an_index_finds_titles_by_beginning_when_blanks_are_not_written_as_plus(caller):
    number = caller.ebook("Žlutý kůň a ty")
    assert caller.get("ebooks/index/zluty%20kun")["items"][0]["id"] == number
    assert caller.get("ebooks/index/zluty+kun")["total"] == 0
    assert caller.get("ebooks/index/kun")["total"] == 0
    assert caller.get("ebooks/index/%25ty")["total"] == 1  # any LIKE's wildcard


def test_a_title_with_a_slash_is_no_address(caller):
    caller.ebook("Before/After")
    assert caller.ask("GET", "ebooks/index/Before%2FAfter").status_code == 404
    assert caller.ask("GET", "search/Before%2FAfter").status_code == 404


def test_authors_and_series_have_lists_and_indexes(caller):
    caller.ebook(authors=[{"last_name": "Čapek", "first_name": "Karel"}], series={"title": "Svět"})
    assert caller.get("authors")["items"] == [{"id": 1, "last_name": "Čapek", "first_name": "Karel"}]
    assert caller.get("authors/index/cap")["total"] == 1
    assert caller.get("series")["items"] == [{"id": 1, "title": "Svět"}]
    assert caller.get("series/index/svet")["total"] == 1
    assert caller.get("ebooks/author/1")["total"] == caller.get("ebooks/series/1")["total"] == 1


def test_four_languages_and_57_genres_are_all_there_are_and_only_to_be_read(caller):
    assert {language["code"] for language in caller.get("languages")} == {"cs", "en", "sk", "ru"}
    assert len(caller.get("genres")) == 57
    for path in ("languages", "genres", "authors", "series"):
        assert caller.ask("POST", path, json={"name": "new"}).status_code == 405


# The database that a helper of a client may be given


def test_files_and_books_are_read_out_of_postgresql_under_the_real_names(postgres, tmp_path: Path):
    import psycopg

    url = postgres.empty()
    content = epub(subjects=["sf"])
    standin = Standin(tmp_path / "data", url)
    try:
        caller = Caller(standin)
        caller.migrated(content, genres=[{"id": 25}])
        assert caller.get("search/writer book")["total"] == 1
        assert caller.get("ebooks/index/a%20b")["total"] == 1
        broken = caller.ask("POST", "ebooks", json={"title": "nul \0", "language": {"id": 2}}).json()
        assert broken["error"] == "Database error"
        with psycopg.connect(url) as connection:
            rows = connection.execute(
                "select s.hash, s.size, f.extension, e.title, a.last_name, l.code, g.name from source s "
                "join format f on f.id = s.format_id join ebook e on e.id = s.ebook_id "
                "join ebook_authors x on x.ebook_id = e.id join author a on a.id = x.author_id "
                "join language l on l.id = e.language_id join ebook_genres y on y.ebook_id = e.id "
                "join genre g on g.id = y.genre_id"
            ).fetchall()
        assert rows == [(sha1(content), len(content), "epub", "A Book", "Writer", "en", "Science Fiction")]
        _same_file_four_times(caller)
        assert standin.facts()["sources"] >= 1
        standin.empty()
        assert standin.facts()["ebooks"] == 0 and caller.ebook() == 1
    finally:
        standin.stop()
        postgres.drop(url)
