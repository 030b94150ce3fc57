"""intake.json: what is known of a finished book, beside the book; the contract between the stages.

The models here are the schema: `intake.schema.json` in this package is generated from them
(`python -m medialift.audiobooks.manifest`), and a test compares the two. Fields that this version does not
know are kept as they are, so that what a plug-in, a later version or a person wrote survives every stage.
"""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from medialift.audiobooks.book import Book, InSeries, Structure
from medialift.audiobooks.chapter import Chapter
from medialift.audiobooks.metadata.model import Candidate, Metadata
from medialift.audiobooks.source import Source
from medialift.errors import Permanent
from medialift.foundation import atomic

VERSION = 1
FILE = "intake.json"
SCHEMA_FILE = Path(__file__).with_name("intake.schema.json")

State = Literal["converted", "tagged", "failed_tagging"]
NextAction = Literal["tag", "review", "approve", "deliver", "none"]
Kind = Literal["converted", "passed_through", "spliced"]
NeedCode = Literal[
    "unsure_match",
    "missing_title",
    "missing_author",
    "missing_narrator",
    "missing_duration",
    "missing_asin",
    "tags_differ",
    "asin_differs",
    "runtime_differs",
    "tagging_failed",
    "delivery_failed",
    "other",
]
Seconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]


class _Record(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class SourceFile(_Record):
    """One audio file that the book was made of, as its headers said."""

    name: str = Field(description="path below the book's folder in the inbox")
    size: Count = Field(description="bytes")
    sha256: Sha256 = Field(default="", description="of its content; empty: not computed")
    disc: Count = Field(default=0, description="number of its disc or part folder; 0: none")
    container: str = ""
    codec: str = ""
    profile: str = ""
    bitrate: Count = Field(default=0, description="bit/s; 0: unknown")
    rate: Count = Field(default=0, description="Hz")
    channels: Count = 0
    seconds: Seconds = Field(default=0.0, description="length, decoded where it is known")


class Detected(_Record):
    """What the sources said of the book before anybody was asked. Names are parted by "; "."""

    title: str = ""
    other_titles: tuple[str, ...] = Field(default=(), description="other readings of its tags and names")
    subtitle: str = ""
    author: str = ""
    narrator: str = ""
    series: str = ""
    series_part: str = ""
    year: str = ""
    asin: str = ""
    asin_from: str = Field(default="", description="what it was read from: tags, name, metadata.yml")
    isbn: str = ""
    language: str = ""
    publisher: str = ""
    description: str = ""
    abridged: bool | None = None
    runtime: Seconds = Field(default=0.0, description="seconds")
    tags: Mapping[str, str] = Field(default_factory=dict, description="tags that all sources share")


class Sources(_Record):
    """Where the book came from."""

    key: str = Field(description="path in the inbox")
    structure: Structure
    format: str = Field(default="", description="codecs of the parts: mp3, aac, or several as mp3+flac")
    fingerprint: str = Field(default="", description="hash of the names and sizes of its audio files")
    files: tuple[SourceFile, ...] = ()
    extras: tuple[str, ...] = Field(default=(), description="what else lay there: covers, cue sheets, texts")
    series: InSeries | None = Field(default=None, description="what its folders said of a series")
    detected: Detected = Detected()
    kept: str = Field(default="", description="where the sources are now; empty: where they were")
    backup: str = Field(default="", description="where their copy is; empty: none was made")

    @property
    def bytes(self) -> int:
        """Size of all files together."""
        return sum(file.size for file in self.files)


class ChapterRecord(_Record):
    """A chapter: seconds from the beginning of the book, exact to the sample."""

    start: Seconds
    end: Seconds
    title: str

    @classmethod
    def of(cls, chapter: Chapter, rate: int) -> ChapterRecord:
        """From a chapter on the sample grid of a book of so many Hz."""
        return cls(start=chapter.start / rate, end=chapter.end / rate, title=chapter.title)

    def on_grid(self, rate: int) -> Chapter:
        """Back on the sample grid."""
        return Chapter(round(self.start * rate), round(self.end * rate), self.title)


class Cover(_Record):
    """The picture in the book."""

    origin: str = Field(description="where it came from: a file's name, embedded, or an address")
    format: Literal["jpeg", "png"]
    size: Count = Field(default=0, description="bytes")
    sha256: Sha256 = ""


class Conversion(_Record):
    """How the sources became one file, and what was proven of it."""

    kind: Kind
    file: str = Field(description="name of the book's file beside this manifest")
    why: str = Field(default="", description="why it was converted this way")
    codec: str = ""
    encoder: str = ""
    bitrate: Count = Field(default=0, description="bit/s; 0: as it was")
    rate: Count = Field(default=0, description="Hz")
    channels: Count = 0
    samples: Count = Field(default=0, description="length in samples, exact")
    seconds: Seconds = 0.0
    size: Count = Field(default=0, description="bytes before tagging")
    sha256: Sha256 = Field(default="", description="of the file before tagging")
    chapters: tuple[ChapterRecord, ...] = ()
    titles_from: str = Field(default="", description="where chapter titles came from: tags, names, cue, …")
    cover: Cover | None = None
    proof: Mapping[str, JsonValue] = Field(default_factory=dict, description="what was proven, and how")
    attempts: Count = Field(default=1, description="tries, the one that succeeded included")
    started: str = ""
    finished: str = ""
    took: Seconds = Field(default=0.0, description="seconds of the attempt that succeeded")


class TagChange(_Record):
    """A field before and after; an empty text means that it was, or is, not there."""

    field: str
    old: str = ""
    new: str = ""


class CandidateRecord(_Record):
    """A book that it might be, for a person to choose from."""

    asin: str = ""
    title: str = ""
    authors: tuple[str, ...] = ()
    narrators: tuple[str, ...] = ()
    runtime_minutes: int | None = None
    region: str = ""
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    why: str = ""

    @classmethod
    def of(cls, candidate: Candidate) -> CandidateRecord:
        """From one that was weighed."""
        return cls.model_validate(candidate.to_dict())


class Localisation(_Record):
    """The choices that depend on a place, so that a later run makes the same ones."""

    region: str = Field(default="", description="Audible's shop that answered")
    regions_asked: tuple[str, ...] = ()
    language: str = Field(default="", description="language of the book")
    scheme: str = Field(default="", description="tag scheme: itunes, freeform or both")


class ErrorRecord(_Record):
    """The three parts of an error, and its kind."""

    kind: str
    what: str
    subject: str = ""
    hint: str = ""


class Tagging(_Record):
    """What became of tagging."""

    tagger: str = ""
    attempts: Count = 0
    at: str = Field(default="", description="when it was last tried")
    took: Seconds = 0.0
    metadata: Metadata | None = Field(
        default=None, description="what was written, with the origin of each field"
    )
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    why: str = Field(default="", description="why this book was taken for that one")
    candidates: tuple[CandidateRecord, ...] = ()
    changes: tuple[TagChange, ...] = Field(default=(), description="the tags before and after")
    cover: Cover | None = Field(default=None, description="the picture that tagging put into the book")
    size: Count = Field(default=0, description="bytes of the file after tagging")
    sha256: Sha256 = Field(default="", description="of the file after tagging")
    notes: tuple[str, ...] = Field(default=(), description="what was not as wished, and did not matter")
    error: ErrorRecord | None = Field(default=None, description="why the last try failed")


class Need(_Record):
    """Something that a person must decide or supply."""

    code: NeedCode
    text: str


class Approval(_Record):
    """Whether a person has looked at the book."""

    approved: bool = False
    by: str = ""
    at: str = ""
    destinations: tuple[str, ...] = Field(default=(), description="libraries it holds for; empty: for all")


class DeliveryRecord(_Record):
    """How far the book is on its way to one library."""

    state: Literal["waiting", "held", "delivered", "failed"] = "waiting"
    path: str = Field(default="", description="where it lies there")
    files: tuple[str, ...] = ()
    transfer: str = ""
    size: Count = 0
    sha256: Sha256 = ""
    attempts: Count = 0
    at: str = ""
    rescan: Literal["", "none", "told", "failed"] = Field(
        default="", description="whether its server was told"
    )
    error: ErrorRecord | None = None


class Manifest(_Record):
    """Everything that is known of one book."""

    version: Annotated[int, Field(ge=1, description="version of this schema")] = VERSION
    name: str = Field(min_length=1, description="name of the book's folder")
    state: State = "converted"
    next_action: NextAction = "tag"
    needs_person: tuple[Need, ...] = ()
    created: str = Field(default="", description="ISO 8601 in UTC")
    updated: str = Field(default="", description="ISO 8601 in UTC")
    medialift: str = Field(default="", description="version of the program that wrote it last")
    order: str = Field(
        default="",
        description="order of the ledger that it was made by: an attempt that repeats finds its book",
    )
    carried: tuple[str, ...] = Field(
        default=(), description="files beside the sources that tagging reads, carried along"
    )
    sources: Sources
    conversion: Conversion
    localisation: Localisation = Localisation()
    override: Mapping[str, JsonValue] = Field(
        default_factory=dict, description="what a person said of the book: it wins over everything"
    )
    tagging: Tagging = Tagging()
    approval: Approval = Approval()
    deliveries: Mapping[str, DeliveryRecord] = Field(default_factory=dict, description="by destination")
    plugins: Mapping[str, JsonValue] = Field(
        default_factory=dict, description="fields of plug-ins, by plug-in"
    )

    def changed(self, **fields: Any) -> Manifest:
        """With other values in some fields, validated.

        Raises:
            ValidationError: a value does not fit the schema. That is a mistake of the caller's.
        """
        return type(self).model_validate({**dict(self), **fields})

    @property
    def codes(self) -> tuple[NeedCode, ...]:
        """What a person is needed for."""
        return tuple(need.code for need in self.needs_person)


def moment(now: float) -> str:
    """A time of the clock as it stands in the manifest: ISO 8601 in UTC, whole seconds."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sources_of(
    book: Book, sources: Sequence[Source], *, checksums: Mapping[str, str], detected: Detected | None = None
) -> Sources:
    """The record of a book's sources.

    Args:
        sources: of each part what its headers say, in the order of the parts.
        checksums: sha256 by the part's name.
    """
    files = tuple(
        SourceFile(
            name=part.name,
            size=part.size,
            sha256=checksums.get(part.name, ""),
            disc=part.disc,
            container=source.container,
            codec=source.codec,
            profile=source.profile,
            bitrate=source.bitrate,
            rate=source.rate,
            channels=source.channels,
            seconds=source.seconds,
        )
        for part, source in zip(book.parts, sources, strict=True)
    )
    return Sources(
        key=book.key,
        structure=book.structure,
        format="+".join(dict.fromkeys(file.codec for file in files)),
        fingerprint=book.fingerprint,
        files=files,
        extras=tuple(extra.name for extra in book.extras),
        series=book.series,
        detected=detected or Detected(runtime=sum(source.seconds for source in sources)),
    )


def located(path: Path) -> Path:
    """The manifest's own path, from it or from the folder that it lies in."""
    return path if path.name == FILE else path / FILE


def read(path: Path) -> Manifest:
    """The manifest in a book's folder, or at its own path.

    Raises:
        Permanent: there is none; it is of a newer version; it is damaged or does not fit the schema.
        OSError: it cannot be read.
    """
    file = located(path)
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise Permanent("There is no manifest", str(file), "Convert the book again") from None
    except ValueError:
        raise Permanent("A manifest is damaged", str(file), "Restore it, or convert the book again") from None
    version = told.get("version") if isinstance(told, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise Permanent(
            f"A manifest is of version {version}, and this program knows {VERSION}",
            str(file),
            "Use a medialift that is at least as new as the one that wrote it",
        )
    if version is None:
        raise Permanent("A manifest does not say its version", str(file), "Convert the book again")
    try:
        return Manifest.model_validate_json(json.dumps(told))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Permanent(
            f"A manifest does not fit its schema: {where}: {first['msg']}", str(file), "Mend this field"
        ) from None


def write(path: Path, manifest: Manifest) -> None:
    """Put it into a book's folder, or at its own path, in one step; the mode of an older one is kept.

    Raises:
        OSError: the disk is full, the folder is gone, or it may not be written. The older one is whole then.
    """
    file = located(path)
    try:
        mode: int | None = stat.S_IMODE(file.stat().st_mode)
    except FileNotFoundError:
        mode = None
    atomic.write_json(file, manifest.model_dump(mode="json"), mode=mode)


def schema() -> dict[str, Any]:
    """The JSON schema of a manifest of this version."""
    told = Manifest.model_json_schema()
    told["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    told["$id"] = f"urn:medialift:intake:{VERSION}"
    told["properties"]["version"]["const"] = VERSION
    told["required"] = sorted({*told["required"], "version"})
    return told


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
