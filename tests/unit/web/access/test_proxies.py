"""Reverse proxies: what they tell is believed from listed addresses only, and no further than they know."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from medialift.errors import Permanent
from medialift.web.access.crossing import from_another_site
from medialift.web.access.hosts import is_local_name, is_loopback
from medialift.web.access.proxies import Proxies

LISTED = Proxies(["127.0.0.1", "10.0.0.0/24", "2001:db8::/32"], "Remote-User")


def headers(*pairs: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.lower().encode(), value.encode("latin-1")) for name, value in pairs])


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.200", "::ffff:10.0.0.3", "2001:db8::5"])
def test_a_listed_proxy_names_who_has_logged_in(peer):
    assert LISTED.named(peer, headers(("Remote-User", " alice "))) == "alice"


@pytest.mark.parametrize("peer", ["10.0.1.1", "127.0.0.2", "192.168.1.1", "2001:db9::1", "", "testclient"])
def test_nobody_else_names_anybody(peer):
    asked = headers(("Remote-User", "alice"), ("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https"))
    assert LISTED.named(peer, asked) == ""
    assert LISTED.client(peer, asked) == peer
    assert LISTED.secure(peer, asked, "http") is False
    assert LISTED.host(peer, headers(("Host", "home"), ("X-Forwarded-Host", "evil.example"))) == "home"


def test_a_name_that_stands_there_twice_is_nobodys():
    with pytest.raises(Permanent, match="more than one"):
        LISTED.named("127.0.0.1", headers(("Remote-User", "admin"), ("Remote-User", "alice")))


def test_without_a_header_nobody_is_named():
    assert Proxies(["127.0.0.1"]).named("127.0.0.1", headers(("Remote-User", "alice"))) == ""


@pytest.mark.parametrize(
    ("told", "client"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, 10.0.0.5"], "203.0.113.9"),
        (["1.1.1.1", "203.0.113.9, 10.0.0.5"], "203.0.113.9"),
        (["203.0.113.9:4711"], "203.0.113.9"),
        (["[2001:db9::7]:4711"], "2001:db9::7"),
        (["2001:db9::7"], "2001:db9::7"),
        (["<script>"], "127.0.0.1"),
        (["203.0.113.9, "], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
def test_the_address_of_a_client_is_the_last_one_that_no_proxy_of_ours_stands_for(told, client):
    asked = headers(*(("X-Forwarded-For", line) for line in told))
    assert LISTED.client("127.0.0.1", asked) == client


def test_a_listed_proxy_tells_whether_the_browser_came_by_https_and_what_it_asked_for():
    asked = headers(
        ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "media.example"), ("Host", "localhost")
    )
    assert LISTED.secure("127.0.0.1", asked, "http") is True
    assert LISTED.secure("127.0.0.1", headers(("X-Forwarded-Proto", "http")), "https") is False
    assert LISTED.host("127.0.0.1", asked) == "media.example"


@pytest.mark.parametrize("address", ["", "localhost", "10.0.0.0/33", "10.0.0", "*"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(Permanent, match="no address of a proxy"):
        Proxies([address])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "::ffff:127.0.0.1"])
def test_what_only_this_host_reaches(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "1270.0.0.1"])
def test_what_others_reach_too(host):
    assert not is_loopback(host)


def test_a_name_of_another_site_is_no_name_of_this_host_though_it_resolves_to_it():
    assert is_local_name("localhost:8790") and is_local_name("[::1]:8790") and is_local_name("127.0.0.1")
    for name in ("evil.example:8790", "127.0.0.1.evil.example", "", "localhost.evil.example"):
        assert not is_local_name(name)


@pytest.mark.parametrize(
    ("told", "other"),
    [
        ({}, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://home:8790"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "http://HOME:8790"}, False),
        ({"Origin": "https://media.example"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://home:8790"}, True),
        ({"Origin": "http://home:9999"}, True),
        ({"Origin": "https://media.example.evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": ""}, True),
    ],
)
def test_a_browser_tells_when_a_page_of_another_site_sends_something(told, other):
    ours = ["home:8790", "media.example:443", ""]
    assert from_another_site(headers(*told.items()), ours) is other
