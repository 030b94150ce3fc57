"""Secrets are masked before a line is shown."""

import html
import json

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
        f"https://store/key?AWSAccessKeyId=x&Signature={SECRET.replace('/', '%2F')}&Expires=1",
        f"secret_access_key = {SECRET}",
        f"access_key_id = {SECRET}",
        f"pass = {SECRET}",
        f"password2 = {SECRET}",
        f"account_key = {SECRET}",
        f'token = {{"access_token":"{SECRET}","token_type":"Bearer"}}',
        f"AWS_SECRET_ACCESS_KEY={SECRET}",
        f"MEDIALIFT_STORE__SECRET_KEY={SECRET}",
        f"X-Plex-Token: {SECRET}",
        f"'X-Plex-Token' => '{SECRET}'",
        f"/redirect?to=%2Flibrary%3FX-Plex-Token%3D{SECRET.replace('/', '%2F')}",
        f'<User authenticationToken="{SECRET}" id="1"/><Device accessToken="{SECRET}"/>',
        f'{{"data": {{"text": "asked with {{\\"secret_key\\": \\"{SECRET}\\"}}"}}}}',
        f'{{"text": "Authorization\\": \\"Basic {SECRET}\\""}}',
        f'a line that was cut: "secret_key": "{SECRET}',
        f"Set-Cookie: session={SECRET}; Path=/",
        f"ftp://user:one@{SECRET.replace('/', '')}@example.org/path",
        f"plex_burst_account_token: {SECRET}",
        f"password={{{SECRET}",
        f"secret_key: [{SECRET}]",
        f"password=true-{SECRET}",
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
    assert redact("Incorrect API key: sk-proj-0123456789abcdef; the disk-full-of-everything-here") == (
        "Incorrect API key: sk-*****; the disk-full-of-everything-here"
    )


def test_keys_of_aws_and_signed_tokens_are_masked_without_a_name():
    shown = redact(
        "keys ASIAABCDEFGHIJKLMNOP AKIAABCDEFGHIJKLMNOP, signed eyJhbGciOi.eyJzdWIiOiIx.c2lnbmF0dXJl"
    )
    assert shown == "keys ASIA***** AKIA*****, signed *****"


def test_json_with_a_masked_secret_is_still_json():
    told = {
        "secret_key": 'a"b\\c',
        "inner": json.dumps({"password": SECRET, "name": "home"}),
        "n": 1,
        "token": {"secret": True},
    }
    shown = redact(json.dumps(told))
    assert SECRET not in shown
    assert json.loads(shown)["n"] == 1 and json.loads(shown)["token"] == {"secret": True}
    assert json.loads(json.loads(shown)["inner"]) == {"password": "*****", "name": "home"}


def test_a_known_secret_is_masked_as_json_and_xml_write_it():
    secret = 'q"u<o&te'
    for written in (json.dumps({"text": secret}), html.escape(f"said {secret} twice")):
        assert "o&te" not in html.unescape(redact(written, [secret]))


def test_what_stands_beside_a_secret_stays_readable():
    assert redact("GET /a?X-Plex-Token=abc&type=1 took 3 s") == "GET /a?X-Plex-Token=*****&type=1 took 3 s"
    assert redact("https://plex@example.org/a") == "https://plex@example.org/a"


def test_a_known_secret_is_masked_wherever_it_stands_also_as_a_url_writes_it():
    shown = redact("read tgram://9%3Axy%2Fz and 9:xy/z", ["9:xy/z"])
    assert shown == "read tgram://***** and *****"


def test_an_ordinary_line_is_left_alone():
    for line in (
        "server 6f1c2d3e-0000-4000-8000-000000000001 is running; 12 of 300 tokens analysed; secretary: Ann",
        "The claim token has expired: get a new one; no token: nothing to do; the tests pass: 12",
        "journal\r\nwith\x0bodd\u2028ends\n",
        "https://store:9000/media/a@b.mkv",
    ):
        assert redact(line) == line


def test_masking_twice_changes_nothing():
    once = redact("password=abcd; Authorization: Basic abcd")
    assert redact(once) == once
