"""The pieces that pages are made of: escaped, named for screen readers, and usable without scripts."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from starlette.requests import Request

from medialift.web import drawing, navigation, rendering
from medialift.web.access.gate import Caller

ENVIRONMENT = rendering.environment()
NASTY = "<script>alert('x')</script>\"'&"


def request(path: str = "/", query: str = "") -> Request:
    scope = {"type": "http", "path": path, "query_string": query.encode(), "headers": [], "method": "GET"}
    return Request(scope)


def shown(template: str, **values: object) -> str:
    return ENVIRONMENT.from_string(template).render(values)


def framed(caller: Caller | None, *, path: str = "/", topics: str = "", base: str = "") -> str:
    made = rendering.environment(base)
    said = '{% set topics = "' + topics + '" %}' if topics else ""
    page = made.from_string(
        '{% extends "base.html" %}' + said + "{% block main %}<h1>Here</h1>{% endblock %}"
    )
    return page.render(request=request(path), caller=caller, csrf="tok", notice=NASTY)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ui.badge(x) }}",
        "{{ ui.empty(x, x) }}",
        "{{ ui.heading(x, x) }}",
        "{% call ui.table(x, [x, {'name': x, 'number': true}]) %}<tr><td>{{ x }}</td></tr>{% endcall %}",
        "{{ ui.tiles([{'name': x, 'value': x, 'text': x}]) }}",
        "{{ ui.action('/a', x, x, {x: x}, confirm=x) }}",
        "{{ ui.field('f', x, x, hint=x, placeholder=x) }}",
        "{{ ui.field('f', x, x, type='textarea', error=x) }}",
        "{{ ui.choice('c', x, [(x, x)], x, hint=x) }}",
        "{{ ui.tabs(x, [(x, x)], x, '/p') }}",
        "{{ ui.parts(x, [{'name': x, 'value': 3, 'kind': 'well'}]) }}",
        "{{ ui.chart(x, [1], [{'name': x, 'values': [1]}]) }}",
        "{{ ui.difference(x, {x: x}, {x: x ~ '2'}) }}",
        "{{ ui.progress(1, 2, x) }}",
        "{{ ui.spark([1, 2], x) }}",
        "{{ ui.pager('/p?cursor=' ~ x) }}",
    ],
)
def test_what_is_given_to_a_piece_is_text_and_never_markup(template):
    html = shown(template, x=NASTY)
    assert "<script" not in html
    assert 'alert("' not in html and "alert('" not in html
    # And it is all there, as text.
    assert "<script>" in unescape(unescape(html)) or "%3Cscript" in html


def test_what_cannot_be_undone_is_asked_about_before_anything_is_sent_without_scripts_too():
    html = shown(
        "{{ ui.action('/remove', 'Remove', 'tok', {'confirm': 'anna'}, confirm='Anna cannot log in then.') }}"
    )
    assert re.search(r"<details[^>]*><summary[^>]*>Remove</summary>.*<form.*Anna cannot log in", html, re.S)
    assert 'name="csrf_token" value="tok"' in html and 'name="confirm" value="anna"' in html
    assert "<details" not in shown("{{ ui.action('/go', 'Go', 'tok') }}")


def test_a_chart_says_the_same_in_a_table():
    html = shown(
        "{{ ui.chart('Speed', [0, 60], [{'name': 'bytes', 'values': [1000000, none], 'unit': 'bytes'}]) }}"
    )
    told = json.loads(unescape(re.search(r'data-chart="([^"]*)"', html)[1]))
    assert told["series"][0]["values"] == [1_000_000, None]
    assert "1970-01-01 00:01:00 UTC" in html and "1.0 MB" in html.replace("1 MB", "1.0 MB")


@pytest.mark.parametrize(
    ("values", "points"),
    [
        ([], ""),
        ([5], "0.00,2.00 100.00,2.00"),
        ([0, 0], "0.00,28.00 100.00,28.00"),
        ([0, None, 10], "0.00,28.00 50.00,28.00 100.00,2.00"),
    ],
    ids=["none", "one", "zeros", "gap"],
)
def test_a_sparkline_stays_in_its_box(values, points):
    assert drawing.sparkline(values) == points


def test_how_long_ago_is_told_in_one_unit():
    now = datetime.now(UTC)
    ago = ENVIRONMENT.filters["ago"]
    assert ago(now) == "now"
    assert ago(now - timedelta(seconds=200)).endswith("min ago")
    assert ago(now + timedelta(seconds=45)).startswith("in 4")
    assert ago(None) == ""


def test_a_part_is_asked_for_with_what_the_page_was_asked_for():
    html = shown(
        "<div {{ ui.live(request, 'rows', 'queue workers') }}>",
        request=request("/queue", "state=failed&part=x"),
    )
    assert 'hx-get="?state=failed&amp;part=rows"' in html
    assert 'hx-trigger="sse:queue, sse:workers"' in html


def test_the_frame_leads_only_to_places_that_one_may_see():
    reader, admin = Caller("anna", "read", "session", "tok"), Caller("root", "admin", "session", "tok")
    links = {place.path for place in navigation.PLACES if place.scope == "admin"}
    assert links
    for link in links:
        assert f'href="{link}"' not in framed(reader)
        assert f'href="{link}"' in framed(admin)
    assert framed(reader).count("aria-current") == 1


def test_the_frame_knows_its_place_behind_a_proxy_and_subscribes_where_the_page_says():
    html = framed(Caller("anna", "read", "session"), path="/media/queue", topics="queue", base="/media")
    assert re.search(r'href="/media/queue" aria-current="page"', html)
    assert 'sse-connect="/media/api/v1/events?topics=queue"' in html
    assert "sse-connect" not in framed(Caller("anna", "read", "session"))


def test_who_is_not_known_sees_no_places_and_the_page_all_the_same():
    html = framed(None)
    assert "<nav" not in html and "<h1>Here</h1>" in html


def test_nothing_of_a_page_is_written_into_it_as_script_or_style():
    for file in (rendering.HERE / "templates").glob("*.html"):
        told = file.read_text()
        assert not re.search(r"<script(?![^>]*\ssrc=)", told), file.name
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", told), file.name
        assert not re.search(r"""(?:src|href|action)=["']?(?:https?:)?//""", told), file.name
