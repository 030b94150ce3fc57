"""The manifest beside a book: what is written is read back, what does not fit is refused, nothing is lost."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from medialift.audiobooks import manifest
from medialift.audiobooks.book import Book, InSeries, Part, Structure
from medialift.audiobooks.chapter import Chapter
from medialift.audiobooks.manifest import (
    CandidateRecord,
    ChapterRecord,
    Conversion,
    Cover,
    DeliveryRecord,
    Detected,
    ErrorRecord,
    Localisation,
    Manifest,
    Need,
    TagChange,
    Tagging,
)
from medialift.audiobooks.metadata.model import Candidate, Metadata, Scores, Series
from medialift.audiobooks.source import Source
from medialift.errors import Permanent


def a_book() -> tuple[Book, list[Source]]:
    parts = tuple(Part(Path(f"/in/Tale/CD1/{n}.mp3"), f"CD1/{n}.mp3", 1000 + n, disc=1) for n in (1, 2))
    book = Book(
        key="Tale",
        root=Path("/in/Tale"),
        structure=Structure.MULTI_DISC,
        parts=parts,
        extras=(Path("/in/Tale/cover.jpg"),),
        fingerprint="f00",
        series=InSeries("Harbour Tales", "1.5"),
    )
    sources = [Source(part.path, "mp3", "mp3", "", 44100, 1, 64000, 60.25) for part in parts]
    return book, sources


def a_manifest() -> Manifest:
    book, sources = a_book()
    return Manifest(
        name="Tale",
        state="tagged",
        next_action="deliver",
        created=manifest.moment(0),
        sources=manifest.sources_of(
            book,
            sources,
            checksums={"CD1/1.mp3": "a" * 64},
            detected=Detected(asin="B0TEST0001", runtime=120.5),
        ),
        conversion=Conversion(
            kind="converted",
            file="Tale.m4b",
            rate=44100,
            channels=1,
            samples=5_314_050,
            seconds=120.5,
            chapters=(ChapterRecord(start=0.0, end=60.25, title="“One” 🎧"),),
            titles_from="tags",
            cover=Cover(origin="cover.jpg", format="jpeg", size=5),
        ),
        localisation=Localisation(region="de", regions_asked=("us", "de"), scheme="both"),
        override={"asin": "B0TEST0001"},
        tagging=Tagging(
            tagger="own",
            metadata=Metadata(
                title="Tale",
                authors=("Ada Example",),
                series=Series("Harbour Tales", "1-3"),
                cover_file=Path("/in/Tale/cover.jpg"),
                rating=4.5,
                origin={"title": "audible"},
            ),
            confidence=0.9,
            candidates=(CandidateRecord(asin="B0TEST0001", confidence=0.9),),
            changes=(TagChange(field="title", old="", new="Tale"),),
        ),
        deliveries={"home": DeliveryRecord(state="failed", error=ErrorRecord(kind="transient", what="Full"))},
        plugins={"goodreads": {"id": 7, "shelves": ["to-read"]}},
    )


def test_what_is_written_is_read_back(tmp_path):
    manifest.write(tmp_path, a_manifest())
    assert manifest.read(tmp_path) == a_manifest()
    assert manifest.read(tmp_path / "intake.json") == a_manifest()
    assert manifest.read(tmp_path).tagging.metadata == a_manifest().tagging.metadata


def test_the_schema_in_the_package_is_the_one_of_the_models():
    written = json.loads(manifest.SCHEMA_FILE.read_text())
    assert written == manifest.schema(), (
        "run: python -m medialift.audiobooks.manifest > src/medialift/audiobooks/intake.schema.json"
    )


def test_the_schema_is_printed_by_the_module():
    printed = subprocess.run(
        [sys.executable, "-m", "medialift.audiobooks.manifest"], capture_output=True, text=True, check=True
    )
    assert json.loads(printed.stdout) == manifest.schema()


def test_a_written_manifest_fits_the_published_schema(tmp_path):
    manifest.write(tmp_path, a_manifest())
    told = json.loads((tmp_path / "intake.json").read_text())
    jsonschema.Draft202012Validator(manifest.schema()).validate(told)
    told["state"] = "done"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(manifest.schema()).validate(told)


def test_fields_of_others_survive_a_stage(tmp_path):
    manifest.write(tmp_path, a_manifest())
    told = json.loads((tmp_path / "intake.json").read_text())
    told["shelf"] = "blue"
    told["conversion"]["mood"] = {"calm": True}
    (tmp_path / "intake.json").write_text(json.dumps(told))
    manifest.write(tmp_path, manifest.read(tmp_path).changed(state="failed_tagging"))
    after = json.loads((tmp_path / "intake.json").read_text())
    assert after["shelf"] == "blue"
    assert after["conversion"]["mood"] == {"calm": True}
    assert after["plugins"] == {"goodreads": {"id": 7, "shelves": ["to-read"]}}
    assert after["state"] == "failed_tagging"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "damaged"),
        ("[1, 2]", "does not say its version"),
        ('{"version": 1, "name": "x"', "damaged"),
        ('{"version": 99}', "version 99"),
        ('{"version": 1, "name": "x"}', "sources"),
        ('{"name": "x"}', "does not say its version"),
        (b"\xff\xfe\x00", "damaged"),
    ],
)
def test_what_is_no_manifest_of_ours_is_refused_with_what_to_do(tmp_path, content, told):
    (tmp_path / "intake.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Permanent) as caught:
        manifest.read(tmp_path)
    assert told in str(caught.value)
    assert str(tmp_path / "intake.json") in str(caught.value)
    assert caught.value.hint


def test_a_folder_without_a_manifest_says_so(tmp_path):
    with pytest.raises(Permanent, match="There is no manifest"):
        manifest.read(tmp_path / "nothing")


def test_a_full_disk_leaves_the_older_manifest_whole(tmp_path):
    manifest.write(tmp_path, a_manifest())
    before = (tmp_path / "intake.json").read_bytes()
    writing = (
        "import resource, signal, sys; from pathlib import Path; from medialift.audiobooks import manifest\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "folder = Path(sys.argv[1]); old = manifest.read(folder)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "manifest.write(folder, old.changed(state='failed_tagging'))\n"
    )
    ended = subprocess.run([sys.executable, "-c", writing, str(tmp_path)], capture_output=True, text=True)
    assert ended.returncode != 0 and "OSError" in ended.stderr
    assert (tmp_path / "intake.json").read_bytes() == before
    assert [left.name for left in tmp_path.iterdir()] == ["intake.json"]


def test_the_mode_of_an_older_manifest_is_kept(tmp_path):
    manifest.write(tmp_path, a_manifest())
    (tmp_path / "intake.json").chmod(0o660)
    manifest.write(tmp_path, a_manifest())
    assert stat.S_IMODE((tmp_path / "intake.json").stat().st_mode) == 0o660


def test_the_record_of_the_sources_holds_every_part_in_order_with_its_checksum():
    book, sources = a_book()
    record = manifest.sources_of(book, sources, checksums={"CD1/1.mp3": "a" * 64, "CD1/2.mp3": "b" * 64})
    assert [(file.name, file.size, file.sha256[0], file.disc) for file in record.files] == [
        ("CD1/1.mp3", 1001, "a", 1),
        ("CD1/2.mp3", 1002, "b", 1),
    ]
    assert (record.format, record.bytes, record.detected.runtime) == ("mp3", 2003, 120.5)
    assert record.series == InSeries("Harbour Tales", "1.5")
    assert record.extras == ("cover.jpg",)


def test_mixed_parts_name_each_codec_once():
    book, sources = a_book()
    other = Source(sources[1].path, "flac", "flac", "", 48000, 2, 0, 3.0)
    assert manifest.sources_of(book, [sources[0], other], checksums={}).format == "mp3+flac"


def test_a_chapter_is_exact_to_the_sample_over_a_long_book():
    # 120 hours at 44100 Hz; seconds as JSON writes them.
    for chapter in (Chapter(0, 1, "a"), Chapter(19_051_199_998, 19_051_199_999, "b"), Chapter(7, 13, "c")):
        told = json.loads(ChapterRecord.of(chapter, 44100).model_dump_json())
        assert ChapterRecord.model_validate(told).on_grid(44100) == chapter


def test_a_change_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="state"):
        a_manifest().changed(state="done")
    assert a_manifest().changed(needs_person=(Need(code="missing_asin", text="No ASIN"),)).codes == (
        "missing_asin",
    )


def test_a_candidate_is_recorded_with_what_tells_it_apart():
    candidate = Candidate(
        Metadata(asin="B0TEST0002", title="Tale", authors=("Ada",), region="uk"),
        Scores(title=1.0),
        0.512345,
        "The title agrees",
    )
    record = CandidateRecord.of(candidate)
    assert (record.asin, record.region, record.confidence, record.why) == (
        "B0TEST0002",
        "uk",
        0.512,
        "The title agrees",
    )
