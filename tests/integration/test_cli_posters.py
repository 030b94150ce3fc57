"""`medialift posters`, as a person types it, with a Jellyfin that has pictures."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from medialift.cli.app import app
from sandbox.jellyfin.faults import Fault
from sandbox.jellyfin.media import png


@pytest.fixture
def medialift(posters):
    """medialift("status") -> (exit code, what it printed as JSON)."""
    lines = [f'{name} = "{value}"' for name, value in posters.given.items()]
    config = posters.root / "medialift.toml"
    config.write_text(f'[database]\nurl = "{posters.database.url}"\n[posters]\n' + "\n".join(lines) + "\n")
    config.chmod(0o600)

    def run(*words: str, as_json: bool = True):
        line = ["--config", str(config), *(["--json"] if as_json else []), "posters", *words]
        done = CliRunner().invoke(app, line)
        return done.exit_code, json.loads(done.stdout) if as_json else done.stdout

    return run


def test_a_library_is_brought_here_and_what_failed_is_tried_again(posters, medialift):
    broken = next(iter(posters.media.items))
    posters.faults(Fault("status", status=404, id=broken))
    code, told = medialift("download", "--library", "Movies", "--here")
    assert code == 1 and told["batch"]["states"] == {"done": 5, "failed": 1}
    assert len(posters.files()) == 5
    code, failed = medialift("failed")
    assert code == 0 and [one["id"] for one in failed] == [broken]
    posters.faults()
    assert medialift("retry", "--item", str(failed[0]["item"]))[1]["count"] == 1
    assert medialift("cancel")[1]["count"] == 1
    assert medialift("status")[1]["batches"][0]["state"] == "cancelled"


def test_a_picture_is_replaced_and_put_back(posters, medialift):
    one, item = next(iter(posters.media.items.items()))
    old, mine = item.images["Primary"], posters.root / "mine"
    mine.mkdir()
    (mine / f"Anything [{one}].png").write_bytes(png("mine"))
    code, sent = medialift("upload", "--from", str(mine), "--here")
    assert code == 0 and posters.media.picture(one) == png("mine")
    code, _ = medialift("restore", "--batch", str(sent["batch"]["id"]), "--here")
    assert code == 0 and posters.media.picture(one) == old


def test_what_is_wrong_with_the_way_to_jellyfin_is_said_step_by_step(posters, medialift):
    code, told = medialift("check")
    assert code == 0 and [one["name"] for one in told["steps"]] == [
        "address",
        "key",
        "libraries",
        "folder",
        "ffprobe",
    ]
    one = next(iter(posters.media.items))
    assert medialift("check", one)[0] == 0
    assert medialift("check", "0" * 32)[0] == 1
    posters.server.key = "another"
    code, told = medialift("check")
    wrong = [one for one in told["steps"] if not one["ok"]]
    assert code == 1 and [one["name"] for one in wrong] == ["key"] and "API key" in wrong[0]["hint"]


@pytest.mark.parametrize(
    "words",
    [
        ("download", "--id", "nonsense"),
        ("download", "--session", "none"),
        ("download", "--interval", "soon"),
        ("restore",),
        ("check", "../etc"),
    ],
    ids=["id", "session", "interval", "restore", "path"],
)
def test_bad_input_is_refused_and_begins_nothing(posters, medialift, words):
    code, told = medialift(*words)
    assert code in (1, 2) and told["error"]["hint"]
    assert posters.rows("select count(*) from poster_batch")[0][0] == 0


def test_people_read_counts_reasons_and_what_to_do(posters, medialift):
    broken = next(iter(posters.media.items))
    posters.faults(Fault("status", status=404, id=broken))
    code, shown = medialift("download", "--here", as_json=False)
    assert code == 1
    assert "7 done, 1 failed" in shown and "medialift posters failed" in shown
    assert "404" in medialift("failed", as_json=False)[1]
    shown = medialift("status", as_json=False)[1]
    assert "jellyfin: finished" in shown and "download Primary" in shown
    assert "Movies" in medialift("libraries", as_json=False)[1]
    assert "address" in medialift("check", as_json=False)[1]
