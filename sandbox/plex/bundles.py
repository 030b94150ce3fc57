"""Bundles beside the databases: `Media/localhost` by part hash, `Metadata` by SHA1 of the guid."""

from __future__ import annotations

import shutil
from pathlib import Path

from sandbox.plex import rows

FOLDERS = {
    rows.MOVIE: "Movies",
    rows.SHOW: "TV Shows",
    rows.ARTIST: "Artists",
    rows.ALBUM: "Albums",
}


def media_bundle(data: Path, part_hash: str) -> Path:
    """Folder for what Plex derives from a file's content: it survives a move of the file."""
    return data / "Media" / "localhost" / part_hash[0] / f"{part_hash[1:]}.bundle"


def metadata_bundle(data: Path, kind: int, guid: str) -> Path | None:
    """Folder for posters and agents' texts; None for kinds that live in their parent's bundle."""
    if kind not in FOLDERS:
        return None
    digest = rows.sha1(guid)
    return data / "Metadata" / FOLDERS[kind] / digest[0] / f"{digest[1:]}.bundle"


def write_media_bundle(data: Path, part_hash: str) -> Path:
    """Make the bundle of a part with a thumbnail in it."""
    bundle = media_bundle(data, part_hash)
    thumbnails = bundle / "Contents" / "Thumbnails"
    thumbnails.mkdir(parents=True, exist_ok=True)
    (thumbnails / "thumb1.jpg").write_bytes(_picture(part_hash))
    return bundle


def write_metadata_bundle(data: Path, kind: int, guid: str, title: str) -> Path | None:
    """Make the bundle of an item with its Info.xml and a poster in it."""
    bundle = metadata_bundle(data, kind, guid)
    if bundle is None:
        return None
    combined = bundle / "Contents" / "_combined"
    (combined / "posters").mkdir(parents=True, exist_ok=True)
    (combined / "Info.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Item guid="{guid}"><title>{_escaped(title)}</title></Item>\n',
        encoding="utf-8",
        errors="surrogateescape",
    )
    (combined / "posters" / f"tv.plex.agents_{rows.sha1(guid)}").write_bytes(_picture(guid))
    return bundle


def remove(bundle: Path | None) -> None:
    """Remove a bundle with all that is in it, if it is there."""
    if bundle is not None and bundle.is_dir():
        shutil.rmtree(bundle)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _picture(seed: str) -> bytes:
    # A JPEG's frame around bytes of its own: bundles hold small binary files that do not compress.
    body = b"".join(bytes.fromhex(rows.sha1(f"{seed}|{number}")) for number in range(24))
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + body + b"\xff\xd9"
