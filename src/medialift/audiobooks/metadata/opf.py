"""OPF: what Calibre, Audiobookshelf and makers of e-books write of a book in a file beside it.

Read: Dublin Core of OPF 2 and 3, Calibre's series, and the roles of creators ("aut", "nrt"). Entities are
refused: a few lines of them grow to gigabytes, or read files of the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, fromstring
from xml.parsers import expat

from medialift.audiobooks.metadata.languages import language_word
from medialift.audiobooks.metadata.model import Clues, Metadata, Series
from medialift.audiobooks.metadata.plain import is_markup, one_line, plain_text
from medialift.audiobooks.metadata.provider import Told
from medialift.audiobooks.metadata.wording import part_number
from medialift.errors import Permanent, Transient

LARGEST = 2_000_000
_DATE = re.compile(r"(\d{4})(-\d{2}-\d{2})?")
# Calibre writes this year for "unknown".
_NO_YEAR = 101
_OF_AUDIBLE = ("asin", "audible", "audible_asin", "audible-asin")
_PICTURES = (".jpg", ".jpeg", ".png")


class OpfFile:
    """Reads metadata.opf in the book's folder, or the only OPF that lies there."""

    name = "opf"

    def read(self, clues: Clues) -> Told:
        """See `Local.read`. Programs write these files, so a broken one is told and not waited for."""
        if clues.folder is None or not clues.folder.is_dir():
            return Told(None)
        found = sorted(
            one for one in clues.folder.iterdir() if one.suffix.lower() == ".opf" and one.is_file()
        )
        named = [one for one in found if one.name.lower() == "metadata.opf"]
        if len(named or found) > 1:
            return Told(None, (f"{len(found)} OPF files lie there, and none is metadata.opf: none is read",))
        if not found:
            return Told(None)
        try:
            return Told(read_opf((named or found)[0]))
        except Permanent as error:
            return Told(None, (str(error),))


def read_opf(path: Path) -> Metadata:
    """What an OPF says.

    Raises:
        Permanent: it is no XML, has entities, is too large or has no metadata.
        Transient: it cannot be read now.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except PermissionError as error:
        raise Permanent("An OPF cannot be read", str(path), "Let medialift's user read it") from error
    except OSError as error:
        raise Transient(f"An OPF cannot be read ({error.strerror})", str(path)) from error
    if len(raw) > LARGEST:
        raise Permanent(f"An OPF is larger than {LARGEST} bytes, and is not read", str(path))
    metadata = next((one for one in _parsed(path, raw).iter() if _local(one.tag) == "metadata"), None)
    if metadata is None:
        raise Permanent("An OPF has no metadata", str(path), "Write it anew, or take it out of the folder")
    return _read(metadata, path.parent)


def _parsed(path: Path, raw: bytes) -> Element:
    class Refused(Exception):
        """A declaration that we do not follow."""

    def refuse(*_: object) -> int:
        raise Refused

    looker = expat.ParserCreate()
    looker.EntityDeclHandler = refuse
    looker.UnparsedEntityDeclHandler = refuse
    looker.ExternalEntityRefHandler = refuse
    try:
        looker.Parse(raw, True)
        return fromstring(raw)  # noqa: S314  it was looked through for entities just now
    except Refused:
        raise Permanent(
            "An OPF declares entities, and is not read", str(path), "Take its DOCTYPE out"
        ) from None
    except (expat.ExpatError, ParseError, ValueError, RecursionError) as error:
        raise Permanent(f"An OPF is no XML ({error})", str(path), "Write it anew, or take it out") from error


def _read(metadata: Element, folder: Path) -> Metadata:
    authors, narrators = _creators(metadata)
    date = next((found for one in _texts(metadata, "date") if (found := _DATE.match(one))), None)
    year = int(date[1]) if date and int(date[1]) > _NO_YEAR else None
    text = next(_texts(metadata, "description", whole=True), "")
    identifiers = _identifiers(metadata)
    series = _series(metadata)
    return Metadata(
        title=_title(metadata),
        subtitle=next(_texts(metadata, "subtitle"), "") or _meta(metadata, "subtitle"),
        authors=authors,
        narrators=narrators,
        series=series[0] if series else None,
        more_series=tuple(series[1:]),
        publisher=next(_texts(metadata, "publisher"), ""),
        release_date=date[0] if date and date[2] and year else "",
        year=year,
        language=language_word(next(_texts(metadata, "language"), "")),
        genres=tuple(dict.fromkeys(_texts(metadata, "subject"))),
        description=plain_text(text),
        description_html=text if is_markup(text) else "",
        copyright=next(_texts(metadata, "rights"), ""),
        asin=identifiers.get("asin", ""),
        isbn=identifiers.get("isbn", ""),
        cover_file=_cover(folder),
    )


def _title(metadata: Element) -> str:
    """The main title: OPF 3 may have several, of which a `meta` says what they are."""
    kinds = {
        one.get("refines", "").removeprefix("#"): (one.text or "").strip()
        for one in metadata.iter()
        if _local(one.tag) == "meta" and one.get("property") == "title-type"
    }
    titles = [one for one in metadata.iter() if _local(one.tag) == "title" and (one.text or "").strip()]
    main = [one for one in titles if kinds.get(one.get("id", ""), "main") == "main"]
    return one_line(next(iter(main or titles), Element("title")).text or "")


def _creators(metadata: Element) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(authors, narrators). A creator without a role is an author; translators and others are neither."""
    refined = {
        one.get("refines", "").removeprefix("#"): (one.text or "").strip().lower()
        for one in metadata.iter()
        if _local(one.tag) == "meta" and one.get("property") == "role"
    }
    by_role: dict[str, list[str]] = {"aut": [], "nrt": []}
    for one in metadata.iter():
        tag, name = _local(one.tag), one_line(one.text or "")
        if tag in ("creator", "contributor", "narrator") and name:
            usual = {"creator": "aut", "narrator": "nrt"}.get(tag, "")
            role = _attribute(one, "role").lower() or refined.get(one.get("id", ""), "") or usual
            by_role.setdefault(role, []).append(name)
    return tuple(dict.fromkeys(by_role["aut"])), tuple(dict.fromkeys(by_role["nrt"]))


def _series(metadata: Element) -> list[Series]:
    """Calibre's, repeated by Audiobookshelf with the place behind each; else those of OPF 3."""
    found: list[Series] = []
    for one in metadata.iter():
        name, content = one.get("name", ""), one_line(one.get("content", ""))
        if name == "calibre:series" and content:
            found.append(Series(content))
        elif name == "calibre:series_index" and found and not found[-1].part:
            found[-1] = Series(found[-1].name, part_number(content))
    if found:
        return found
    places = {
        one.get("refines", "").removeprefix("#"): part_number(one.text or "")
        for one in metadata.iter()
        if one.get("property") == "group-position"
    }
    return [
        Series(name, places.get(one.get("id", ""), ""))
        for one in metadata.iter()
        if one.get("property") == "belongs-to-collection" and (name := one_line(one.text or ""))
    ]


def _identifiers(metadata: Element) -> dict[str, str]:
    """ASIN and ISBN, by scheme ("ASIN", "AUDIBLE_ASIN", "AMAZON", "ISBN") or by "urn:isbn:"."""
    found: dict[str, str] = {}
    for one in metadata.iter():
        if _local(one.tag) != "identifier":
            continue
        scheme = _attribute(one, "scheme").lower()
        text = re.sub(r"[\s-]", "", (one.text or "")).upper()
        if text.startswith(("URN:", "ISBN:", "ASIN:", "AMAZON:")):
            kind, _, text = text.removeprefix("URN:").partition(":")
            scheme = scheme or kind.lower()
        if "isbn" in scheme and re.fullmatch(r"\d{9}[\dX]|\d{13}", text):
            found.setdefault("isbn", text)
        # Calibre's "AMAZON" and "MOBI-ASIN" are those of the Kindle's edition, which Audible does not know.
        elif scheme in _OF_AUDIBLE and re.fullmatch(r"[A-Z0-9]{10}", text):
            found.setdefault("asin", text)
    return found


def _cover(folder: Path) -> Path | None:
    """The cover that Calibre lays beside its OPF."""
    return next(
        (one for suffix in _PICTURES if (one := folder / f"cover{suffix}").is_file()),
        None,
    )


def _meta(metadata: Element, name: str) -> str:
    return next((one_line(one.get("content", "")) for one in metadata.iter() if one.get("name") == name), "")


def _texts(metadata: Element, tag: str, *, whole: bool = False) -> Iterator[str]:
    for one in metadata.iter():
        if _local(one.tag) == tag and (text := "".join(one.itertext()).strip()):
            yield text if whole else one_line(text)


def _attribute(element: Element, name: str) -> str:
    """An attribute with or without a namespace: `opf:role`, `ns0:role` and `role` are one."""
    return next((value.strip() for key, value in element.items() if _local(key) == name), "")


def _local(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
