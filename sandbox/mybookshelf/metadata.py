"""What is in a file: an EPUB's own title, authors, language and so on, with its cover; of others the name."""

from __future__ import annotations

import posixpath
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

_DC = "{http://purl.org/dc/elements/1.1/}"
_OPF = "{http://www.idpf.org/2007/opf}"
_CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"


@dataclass(frozen=True)
class Extracted:
    meta: dict[str, Any]
    cover: bytes | None


def extract(path: Path) -> Extracted:
    """Read a book's metadata. A broken file is no error: the tool behind the real server goes by its name."""
    if path.suffix.lower() == ".epub":
        try:
            return _epub(path)
        except (OSError, ET.ParseError, zipfile.BadZipFile, KeyError, ValueError, NotImplementedError):
            pass
    return Extracted({"title": path.stem, "authors": [{"last_name": "Unknown"}]}, None)


def _epub(path: Path) -> Extracted:
    with zipfile.ZipFile(path) as archive:
        root = ET.fromstring(archive.read("META-INF/container.xml")).find(f".//{_CONTAINER}rootfile")
        if root is None:
            raise ValueError("no rootfile")
        name = root.attrib["full-path"]
        package = ET.fromstring(archive.read(name))
        cover = _cover(archive, posixpath.dirname(name), package)
    texts = {
        key: [e.text for e in package.iter(_DC + key) if e.text] for key in ("title", "creator", "language")
    }
    marks = {e.get("name"): e.get("content", "") for e in package.iter(_OPF + "meta")}
    meta: dict[str, Any] = {"title": (texts["title"] or [path.stem])[0].strip()}
    meta["authors"] = [parse_author(name) for name in texts["creator"]] or [{"last_name": "Unknown"}]
    if texts["language"]:
        meta["language"] = {"code": texts["language"][0].strip()}
    subjects = [e.text.strip() for e in package.iter(_DC + "subject") if e.text]
    if subjects:
        meta["genres"] = [{"name": subject} for subject in subjects]
    if marks.get("calibre:series"):
        meta["series"] = {"title": marks["calibre:series"]}
        meta["series_index"] = int(float(marks.get("calibre:series_index") or 0))
    return Extracted(meta, cover)


def _cover(archive: zipfile.ZipFile, folder: str, package: ET.Element) -> bytes | None:
    named = {e.get("content") for e in package.iter(_OPF + "meta") if e.get("name") == "cover"}
    for item in package.iter(_OPF + "item"):
        if item.get("id") in named or "cover-image" in (item.get("properties") or ""):
            try:
                return archive.read(posixpath.join(folder, item.get("href", "")))
            except KeyError:
                return None
    return None


def parse_author(name: str) -> dict[str, str]:
    """A name as the server takes it apart: at its comma, or before its last word."""
    if "," in name:
        last, *rest = (part.strip() for part in name.split(","))
        return {"last_name": last, "first_name": " ".join(rest)}
    *rest, last = name.split() or ["Unknown"]
    return {"last_name": last} | ({"first_name": " ".join(rest)} if rest else {})
