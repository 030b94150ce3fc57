"""Where somebody is sent after logging in: a path of ours, whatever was asked for."""

from __future__ import annotations

import pytest

from medialift.web.access.login_page import local_path


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\r\nSet-Cookie: x=1",
        "/a/..//evil.example",
        "evil.example",
        "",
        "/login",
        "/login?next=/audit",
    ],
)
def test_what_leads_elsewhere_leads_to_the_first_page(elsewhere):
    assert local_path(elsewhere) == "/"


@pytest.mark.parametrize(
    "ours", ["/", "/audit", "/items/7?part=log", "/audit?subject=http://home/", "/q/%2F"]
)
def test_what_is_a_page_of_ours_stays(ours):
    assert local_path(ours) == ours
