"""Where the media lie is told to a scan on the command line, and refused before Plex is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from medialift.cli.app import app
from medialift.cli.plex.work import _store


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("media", {"root": "", "bucket": "media", "prefix": ""}),
        ("media/all/of it", {"root": "", "bucket": "media", "prefix": "all/of it"}),
        ("/cloud/media=media/all", {"root": "/cloud/media", "bucket": "media", "prefix": "all"}),
    ],
)
def test_a_bucket_is_told_with_its_prefix_and_its_root(given: str, told: dict[str, str]) -> None:
    assert _store(given) == told


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--root", "/a=/mnt/a", "--root", "/b=/mnt/b", "--store", "media"], "which root"),
        (["--root", "/a=/mnt/a", "--store", "/a="], "a bucket has a name"),
        (["--root", "/a=/mnt/a", "--store", "one", "--store", "two"], "a root has one bucket"),
    ],
)
@pytest.mark.parametrize("command", ["scan", "run"])
def test_an_unclear_store_is_refused(tmp_path: Path, command: str, words: list[str], why: str) -> None:
    (tmp_path / "medialift.toml").write_text(f'[plex]\ndata = "{tmp_path}"\n')
    (tmp_path / "medialift.toml").chmod(0o600)
    told = CliRunner().invoke(
        app, ["--config", str(tmp_path / "medialift.toml"), "plex", command, *words, "--accept-deletions"]
    )
    assert told.exit_code == 2 and why in " ".join(told.output.split())
