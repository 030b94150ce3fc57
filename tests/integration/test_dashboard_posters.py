"""Posters from the browser and by the API: chosen, begun, seen to go on, cancelled, tried again, put back."""

from __future__ import annotations

import re

import pytest

from sandbox.jellyfin.faults import Fault
from sandbox.jellyfin.media import png
from tests.dashboard_world import within


@pytest.fixture
def web(posters):
    """A dashboard of the same ledger and the same Jellyfin."""
    return within(posters.database, posters=posters.given)


def test_a_batch_is_begun_by_the_api_and_told_of_until_it_is_over(web, posters):
    begun = web.post("/api/v1/posters/batches", json={"libraries": ["Movies"]})
    assert begun.status_code == 201 and begun.json()["total"] == 6
    number = begun.json()["id"]
    posters.run()
    told = web.get(f"/api/v1/posters/batches/{number}").json()
    assert (told["state"], told["left"], told["states"]) == ("done", 0, {"done": 6})
    items = web.get(f"/api/v1/posters/batches/{number}/items", params={"limit": 4}).json()
    rest = web.get(f"/api/v1/posters/batches/{number}/items", params={"cursor": items["next"]}).json()
    assert len(items["items"]) == 4 and len(rest["items"]) == 2 and rest["next"] is None
    assert web.get("/api/v1/posters").json()["state"] == "finished"
    (event,) = posters.rows("select who, subject from event where what = 'posters'")
    assert event.who != "" and event.subject == f"posters:jellyfin:{number}"


def test_what_failed_is_listed_and_tried_again_one_by_one(web, posters):
    broken = next(iter(posters.media.items))
    posters.faults(Fault("status", status=404, id=broken))
    number = web.post("/api/v1/posters/batches", json={}).json()["id"]
    posters.run()
    (failed,) = web.get(f"/api/v1/posters/batches/{number}/items", params={"state": "failed"}).json()["items"]
    assert failed["id"] == broken and "404" in failed["why"]
    posters.faults()
    done = web.post(f"/api/v1/posters/batches/{number}/retry", json={"items": [failed["item"]]}).json()
    assert (done["changed"], done["count"], done["batch"]["state"]) == (True, 1, "open")
    posters.run()
    assert web.get(f"/api/v1/posters/batches/{number}").json()["state"] == "done"


def test_a_batch_is_cancelled_and_a_replaced_picture_is_put_back(web, posters):
    one, item = next(iter(posters.media.items.items()))
    old = item.images["Primary"]
    posters.upload({one: png("mine")})
    posters.run()
    number = web.get("/api/v1/posters/batches").json()["items"][0]["id"]
    back = web.post("/api/v1/posters/batches", json={"action": "restore", "batch": number}).json()
    cancelled = web.post(f"/api/v1/posters/batches/{back['id']}/cancel").json()
    assert cancelled["batch"]["state"] == "cancelled"
    web.post(f"/api/v1/posters/batches/{back['id']}/retry")
    posters.run()
    assert posters.media.picture(one) == old


def test_libraries_and_items_to_choose_from_are_jellyfins(web, posters):
    assert [one["name"] for one in web.get("/api/v1/posters/libraries").json()["items"]] == [
        "Movies",
        "Shows",
    ]
    told = web.get("/api/v1/posters/choices", params={"library": "Movies", "search": "0002"}).json()
    assert [one["name"] for one in told["items"]] == ["Film 0002"] and told["total"] == 1


def test_a_wrong_order_is_refused_and_begins_nothing(web, posters):
    orders = (
        ({"ids": ["../../etc/passwd"]}, 400),
        ({"ids": ["x" * 600]}, 422),
        ({"libraries": ["nowhere"]}, 400),
        ({"search": "a\u0000b"}, 400),
        ({"action": "delete"}, 422),
        ({"action": "restore"}, 400),
        ({"action": "restore", "batch": 99999}, 400),
        ({"action": "restore", "batch": 2**80}, 422),
        ({"action": "upload", "folder": "/etc"}, 422),
        ({"options": {"concurrency": 5000}}, 422),
    )
    for order, status in orders:
        answer = web.post("/api/v1/posters/batches", json=order)
        assert answer.status_code == status, order
        assert answer.headers["content-type"] == "application/problem+json"
    assert posters.rows("select count(*) from poster_batch")[0][0] == 0


def test_a_batch_that_is_not_there_is_not_found(web):
    for path in ("batches/7", "batches/7/items"):
        assert web.get(f"/api/v1/posters/{path}").status_code == 404
    assert web.get("/posters/batches/7").status_code == 404
    assert web.get("/api/v1/posters/batches/0").status_code == 422
    assert web.post("/api/v1/posters/batches/7/cancel").status_code == 404


def test_without_a_batch_and_without_jellyfin_there_are_empty_answers_and_a_sentence(posters):
    web = within(posters.database, posters={**posters.given, "url": "http://127.0.0.1:9"})
    assert web.get("/api/v1/posters/batches").json() == {"items": [], "next": None}
    assert web.get("/api/v1/posters").json()["state"] == "empty"
    assert web.get("/api/v1/posters/libraries").status_code == 503
    shown = web.get("/posters", params={"choose": "true"})
    assert shown.status_code == 200 and "Jellyfin cannot be reached" in shown.text


def test_the_page_chooses_begins_and_shows_a_batch_without_scripts(web, posters):
    posters.media.add('<script>alert("x")</script>', next(iter(posters.media.libraries)))
    shown = web.get("/posters", params={"choose": "true", "library": "Movies"})
    assert shown.status_code == 200 and "<script>alert" not in shown.text
    assert "Film 0001" in shown.text and "Series 01" not in shown.text
    chosen = re.findall(r'name="ids" value="([0-9a-f]{32})"', shown.text)[:2]
    csrf = re.search(r'name="csrf_token" value="([^"]*)"', shown.text)[1]
    asked = {"csrf_token": csrf, "ids": chosen, "library": "Movies", "session": "per_request"}
    begun = web.post("/posters/batches", data=asked, follow_redirects=False)
    assert begun.status_code == 303
    assert posters.states() == {"ready": 2}
    page = web.get(begun.headers["location"])
    assert page.status_code == 200 and "per_request" in page.text
    assert "Batch" in web.get("/posters").text
    assert web.get("/posters", params={"part": "rows"}).status_code == 200
    none = {name: value for name, value in asked.items() if name != "ids"}
    assert web.post("/posters/batches", data=none).status_code == 400
    all_of_it = web.post("/posters/batches", data={**asked, "everything": "true"}, follow_redirects=False)
    assert all_of_it.status_code == 303 and posters.states() == {"ready": 7}
