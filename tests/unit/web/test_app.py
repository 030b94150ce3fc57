"""What every answer of the dashboard holds to, whoever answers."""

from __future__ import annotations

import pytest

from medialift.web import paging
from medialift.web.problems import Problem
from tests.dashboard_world import over_http, within


def test_an_address_that_is_none_is_answered_as_a_problem_to_programs_and_as_a_page_to_people(database):
    with within(database) as client:
        told = client.get("/api/v1/nothing-of-that-name")
        assert (told.status_code, told.headers["content-type"]) == (404, "application/problem+json")
        assert told.json()["what"] == "There is no such page"
        shown = client.get("/nothing-of-that-name")
        assert (shown.status_code, shown.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "There is no such page" in shown.text


def test_every_answer_binds_the_browser_to_this_host(database):
    with over_http(database) as client:
        for path in ("/nothing", "/api/v1/nothing", "/static/app.css"):
            headers = client.get(path).headers
            assert "default-src 'self'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert "server" not in headers


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py"])
def test_no_trick_with_a_path_leaves_the_folder_of_assets(database, path):
    with over_http(database) as client:
        assert client.get(path).status_code == 404


def test_a_cursor_brings_back_what_went_in_and_a_broken_one_is_refused():
    cursor = paging.encode("books", 7)
    assert paging.decode(cursor, str, int) == ("books", 7)
    for broken in ("", "x", "W10", cursor[:-2], paging.encode(7, "books"), paging.encode("a\0", 7), "é"):
        with pytest.raises(Problem) as refused:
            paging.decode(broken, str, int)
        assert refused.value.status == 400
