"""Secrets are masked before a line is shown."""

import pytest

from medialift.foundation.text import redact

SECRET = "s3cr3t-Value/9+x"


@pytest.mark.parametrize(
    "line",
    [
        f"GET /library/sections?X-Plex-Token={SECRET}&type=1",
        f'<Preferences PlexOnlineToken="{SECRET}" FriendlyName="home"/>',
        f"Authorization: Bearer {SECRET}",
        f"{{'Authorization': 'AWS4-HMAC-SHA256 Credential=a/b, Signature={SECRET}'}}",
        f"x-auth-token: {SECRET}",
        f'{{"secret_key": "{SECRET}", "region": "fr-par"}}',
        f"SCW_SECRET_KEY={SECRET} SCW_DEFAULT_REGION=fr-par",
        f"password = '{SECRET}'",
        f"https://user:{SECRET.replace('/', '')}@example.org/path",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----",
        f"https://store/bucket/key?X-Amz-Signature={SECRET}&X-Amz-Date=20260101",
    ],
)
def test_a_secret_is_masked_by_the_shape_of_what_stands_around_it(line):
    shown = redact(line)
    assert SECRET not in shown
    assert SECRET.replace("/", "") not in shown
    assert "*****" in shown


def test_tokens_are_masked_by_their_own_shape():
    shown = redact("claimed with claim-AbCdEf123456 using SCWABCDEFGHJKLMNPQRS")
    assert shown == "claimed with claim-***** using SCW*****"


def test_what_stands_beside_a_secret_stays_readable():
    assert redact("GET /a?X-Plex-Token=abc&type=1 took 3 s") == "GET /a?X-Plex-Token=*****&type=1 took 3 s"
    assert redact("https://plex@example.org/a") == "https://plex@example.org/a"


def test_a_known_secret_is_masked_wherever_it_stands_also_as_a_url_writes_it():
    shown = redact("read tgram://9%3Axy%2Fz and 9:xy/z", ["9:xy/z"])
    assert shown == "read tgram://***** and *****"


def test_an_ordinary_line_is_left_alone():
    line = "server 6f1c2d3e-0000-4000-8000-000000000001 is running; 12 of 300 tokens analysed; secretary: Ann"
    assert redact(line) == line


def test_masking_twice_changes_nothing():
    once = redact("password=abcd; Authorization: Basic abcd")
    assert redact(once) == once
