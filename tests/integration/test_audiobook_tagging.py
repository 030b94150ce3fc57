"""The tagging of one book: what is written, what a person is asked, and what is left alone."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from medialift.audiobooks import manifest as manifests
from medialift.audiobooks import tagging, tags
from medialift.audiobooks.book import InSeries, Structure
from medialift.audiobooks.manifest import (
    Approval,
    ChapterRecord,
    Conversion,
    Cover,
    Detected,
    Manifest,
    Need,
    Sources,
)
from medialift.audiobooks.metadata.model import Candidate, Found, Metadata, Scores, Series, Unsure
from medialift.errors import Permanent, Transient
from medialift.settings import AudiobooksSettings, DestinationSettings, TaggingSettings
from sandbox.audiobooks import recordings

FREE = "----:com.apple.iTunes:"
SECONDS = 2.0
KNOWN = Metadata(
    title="The Lighthouse Ledger",
    authors=("Ada Example",),
    narrators=("Cy Voice",),
    series=Series("Harbour Tales", "2"),
    publisher="Quay Press",
    asin="B0TEST0001",
    copyright="©2021 Ada",
    runtime_minutes=0,
    region="de",
    origin={"title": "audible"},
)


class Catalogue:
    """Answers as it is told to, and keeps what it was asked."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def __call__(self, clues, override):
        self.asked.append((clues, override))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def found(known=KNOWN, **more):
    return Catalogue(Found(known, 0.97, "The ASIN is in its tags", **more))


@pytest.fixture(scope="session")
def spoken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spoken")
    return recordings.speak(
        "The lighthouse keeper wrote it down.",
        folder / "x.m4b",
        codec="m4b",
        seconds=SECONDS,
        chapters=[(0, "One"), (1.0, "Two")],
        tags={"title": "Track 1", "album": "lighthouse ledger", "artist": "ada example"},
    )


@pytest.fixture
def folder(spoken, tmp_path):
    book = tmp_path / "converted" / "Ada's “Ledger”"
    book.mkdir(parents=True)
    shutil.copy(spoken.path, book / "Ada's “Ledger”.m4b")
    manifests.write(
        book,
        Manifest(
            name=book.name,
            sources=Sources(
                key="Harbour Tales/2 - Ledger",
                structure=Structure.FLAT,
                series=InSeries("Harbour Tales", "2"),
                detected=Detected(asin="B0TEST0001", asin_from="tags", narrator="Cy Voice"),
            ),
            conversion=Conversion(
                kind="converted",
                file=f"{book.name}.m4b",
                seconds=SECONDS,
                chapters=(ChapterRecord(start=0, end=SECONDS, title="One"),),
            ),
        ),
    )
    return book


def book_in(folder):
    return folder / manifests.read(folder).conversion.file


def everything(folder):
    """Names, contents and times of all that lies in a folder."""
    told = {}
    for path in sorted(folder.rglob("*")):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        told[str(path.relative_to(folder))] = (content, path.stat().st_mtime_ns)
    return told


def tag(folder, lookup, settings=None, **more):
    return tagging.tag(folder, settings or AudiobooksSettings(), lookup=lookup, **more)


def test_a_book_that_is_recognised_is_tagged_and_its_manifest_says_how(folder):
    before = recordings.pcm(book_in(folder))
    done = tag(folder, found())
    assert (done.state, done.needs_person, done.written) == ("tagged", [], True)
    held = tags.read(book_in(folder))
    assert (held["©nam"], held["©mvi"], held[FREE + "ASIN"]) == ("The Lighthouse Ledger", "2", "B0TEST0001")
    assert recordings.pcm(book_in(folder)) == before
    kept = manifests.read(folder)
    assert kept == done.manifest
    assert (kept.state, kept.next_action, kept.needs_person) == ("tagged", "none", ())
    assert kept.tagging.metadata == KNOWN
    assert (kept.tagging.confidence, kept.tagging.attempts, kept.tagging.tagger) == (0.97, 1, "own")
    assert (kept.localisation.region, kept.localisation.scheme) == ("de", "both")
    told = {(one.field, one.old, one.new) for one in kept.tagging.changes}
    assert ("TITLE", "Track 1", "The Lighthouse Ledger") in told and ("ASIN", "", "B0TEST0001") in told
    assert kept.tagging.sha256 == hashlib.sha256(book_in(folder).read_bytes()).hexdigest()


def test_what_the_sources_and_the_file_say_is_asked_for(folder):
    catalogue = found()
    tag(folder, catalogue, override={"narrators": "Other Voice"})
    clues, override = catalogue.asked[0]
    assert (clues.asin, clues.narrators, clues.title) == ("B0TEST0001", ("Cy Voice",), "lighthouse ledger")
    assert clues.authors == ("ada example",) and clues.series == Series("Harbour Tales", "2")
    assert (clues.seconds, clues.folder) == (SECONDS, folder)
    assert override == {"narrators": ["Other Voice"]}


def test_what_we_wrote_ourselves_is_no_clue_the_next_time(folder):
    tag(folder, found(replace(KNOWN, title="Quite another book")))
    catalogue = found()
    tag(folder, catalogue)
    assert "another" not in catalogue.asked[0][0].title


def test_a_dry_run_shows_the_diff_and_writes_nothing_at_all(folder):
    before = everything(folder)
    cover = recordings.picture(folder.parent / "c.png").read_bytes()
    known = replace(KNOWN, cover_url="http://example/c.png")
    done = tag(folder, found(known), dry_run=True, picture=lambda _url: (cover, ()), override={"year": 1999})
    assert everything(folder) == before
    fields = [one.field for one in done.diff]
    assert {"TITLE", "ASIN", "YEAR", "COVER"} <= set(fields) and not done.written
    assert done.manifest.override == {"year": 1999}
    unsure = tag(folder, Catalogue(Unsure("Nothing is known")), dry_run=True)
    with pytest.raises(Transient):
        tag(folder, Catalogue(Transient("No answer")), dry_run=True)
    assert unsure.needs_person and everything(folder) == before
    shown = {(one.field, one.new) for one in done.diff}
    real = tag(folder, found(known), picture=lambda _url: (cover, ()), override={"year": 1999})
    assert {(one.field, one.new) for one in real.diff} == shown


def test_a_second_run_changes_nothing_and_forgets_nothing(folder):
    first = tag(folder, found())
    book, content = book_in(folder), book_in(folder).read_bytes()
    stamp = book.stat().st_mtime_ns
    again = tag(folder, found())
    assert (again.diff, again.written, again.state) == ((), False, "tagged")
    assert (book.read_bytes(), book.stat().st_mtime_ns) == (content, stamp)
    assert again.manifest.tagging.changes == first.manifest.tagging.changes
    assert again.manifest.tagging.attempts == 2


KILLED = """
import os, signal, sys
from pathlib import Path
from medialift.audiobooks import tagging
from medialift.audiobooks.metadata.model import Found, Metadata
from medialift.settings import AudiobooksSettings
folder, where, cover = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).read_bytes()

def at(place):
    if place == where:
        os.kill(os.getpid(), signal.SIGKILL)

class Plugins:
    def before(self, step, subject, /):
        return []
    def after(self, step, subject, /):
        at("after the manifest")
        return []
    def manifest_fields(self, manifest, /):
        at("between file and manifest")
        return {}

def lookup(clues, override):
    at("asking")
    known = Metadata(title="The Lighthouse Ledger", authors=("Ada Example",), narrators=("Cy Voice",),
                     asin="B0TEST0001", cover_url="http://example/c.png")
    return Found(known, 0.97, "sure")

def picture(url):
    at("fetching the cover")
    return cover, ()

tagging.tag(folder, AudiobooksSettings(), lookup=lookup, plugins=Plugins(), picture=picture)
"""


@pytest.mark.parametrize(
    "where", ["asking", "fetching the cover", "between file and manifest", "after the manifest", "nowhere"]
)
def test_a_tagging_that_is_killed_is_completed_by_the_next_one(folder, tmp_path, where):
    cover = recordings.picture(tmp_path / "c.png")
    pcm = recordings.pcm(book_in(folder))

    def run(where):
        argv = [sys.executable, "-c", KILLED, str(folder), where, str(cover)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(argv, capture_output=True, text=True, env=env)

    (folder / ".left.m4b.x.part").write_bytes(b"half")
    first = run(where)
    assert first.returncode == (0 if where == "nowhere" else -signal.SIGKILL), first.stderr
    assert recordings.pcm(book_in(folder)) == pcm
    assert run("nowhere").returncode == 0
    kept, held = manifests.read(folder), tags.read(book_in(folder))
    assert (kept.state, held["©nam"], tags.cover(book_in(folder))) == (
        "tagged",
        "The Lighthouse Ledger",
        cover.read_bytes(),
    )
    # What was changed is known, whichever of the two runs changed it.
    told = {(one.field, one.old, one.new) for one in kept.tagging.changes}
    assert {("TITLE", "Track 1", "The Lighthouse Ledger"), ("COVER", "", "http://example/c.png")} <= told
    assert kept.tagging.sha256 == hashlib.sha256(book_in(folder).read_bytes()).hexdigest()
    assert kept.tagging.cover.origin == "http://example/c.png"
    assert sorted(one.name for one in folder.iterdir()) == [book_in(folder).name, "intake.json"]


def test_an_unsure_match_waits_for_a_person_with_the_candidates(folder):
    before = book_in(folder).read_bytes()
    other = replace(KNOWN, asin="B0TEST0002", title="The Lighthouse Lodger")
    candidates = (Candidate(other, Scores(title=0.8), 0.6, "The title is alike"),)
    done = tag(folder, Catalogue(Unsure("No book is sure enough", candidates)))
    assert (done.state, done.diff) == ("converted", ())
    assert done.needs_person == ["No book is sure enough: say which book it is by an override"]
    kept = manifests.read(folder)
    assert (kept.next_action, kept.codes) == ("review", ("unsure_match",))
    assert [(one.asin, one.confidence) for one in kept.tagging.candidates] == [("B0TEST0002", 0.6)]
    assert book_in(folder).read_bytes() == before


def test_a_person_who_says_the_title_is_believed_where_no_catalogue_has_the_book(folder):
    local = Metadata(authors=("Ada Example",), narrators=("Cy Voice",))
    done = tag(folder, Catalogue(Unsure("Nothing is known", (), local)), override={"title": "Mine"})
    assert (done.state, done.manifest.codes) == ("tagged", ("missing_asin",))
    assert tags.read(book_in(folder))["©nam"] == "Mine"
    assert done.manifest.tagging.metadata.origin["title"] == "override"
    likely = (Candidate(KNOWN, Scores(title=0.8), 0.6, "The title is alike"),)
    asked = tag(folder, Catalogue(Unsure("No book is sure enough", likely, local)))
    assert asked.manifest.codes == ("unsure_match",)
    none = tag(folder, Catalogue(Unsure("No book is sure enough", likely, local)), override={"asin": ""})
    assert (none.state, none.manifest.codes) == ("tagged", ())


class OnlyByAsin(Catalogue):
    """Knows its book only when a person names the ASIN."""

    def __call__(self, clues, override):
        super().__call__(clues, override)
        return self.answer if override.get("asin") == KNOWN.asin else Unsure("The title contradicts")


def test_other_words_for_a_book_that_was_recognised_do_not_make_it_another_one(folder):
    first = tag(folder, found())
    catalogue = OnlyByAsin(found().answer)
    done = tag(folder, catalogue, override={"title": "My own title"})
    held = tags.read(book_in(folder))
    assert (held["©nam"], held[FREE + "ASIN"], held["©pub"]) == ("My own title", KNOWN.asin, "Quay Press")
    assert (done.state, done.needs_person) == ("tagged", [])
    assert done.manifest.override == {"title": "My own title"}
    assert done.manifest.tagging.why == first.manifest.tagging.why
    # One that was never found good is not taken for itself.
    kept = manifests.read(folder)
    need = Need(code="runtime_differs", text="The length differs")
    manifests.write(folder, kept.changed(needs_person=(need,)))
    asked = tag(folder, catalogue, override={"title": "Another title", "asin": None, "authors": "Bo"})
    assert asked.manifest.tagging.metadata.asin == ""


def test_an_override_is_kept_and_wins_again_without_being_said_again(folder):
    tag(folder, found(), override={"title": "My title", "series": ""})
    done = tag(folder, found(replace(KNOWN, publisher="New Press")))
    held = tags.read(book_in(folder))
    assert held["©nam"] == "My title" and "©mvn" not in held and held["©pub"] == "New Press"
    assert done.manifest.override == {"title": "My title", "series": ""}
    back = tag(folder, found(), override={"title": None})
    assert tags.read(book_in(folder))["©nam"] == "The Lighthouse Ledger"
    assert back.manifest.override == {"series": ""}


def test_an_override_that_cannot_be_used_changes_nothing(folder):
    before = everything(folder)
    with pytest.raises(Permanent, match="asin: an ASIN has ten"):
        tag(folder, found(), override={"asin": "12"})
    assert everything(folder) == before


@pytest.mark.parametrize(
    ("lacking", "code"),
    [
        ({"title": ""}, "missing_title"),
        ({"authors": ()}, "missing_author"),
        ({"narrators": ()}, "missing_narrator"),
        ({"asin": ""}, "missing_asin"),
    ],
)
def test_a_missing_field_flags_the_book_until_a_person_says_it_or_that_there_is_none(folder, lacking, code):
    settings = AudiobooksSettings(destinations={"home": DestinationSettings(path="/library")})
    lookup = found(replace(KNOWN, **lacking))
    done = tag(folder, lookup, settings)
    assert (done.state, done.manifest.codes, done.manifest.next_action) == ("tagged", (code,), "review")
    assert len(done.needs_person) == 1
    name = next(iter(lacking))
    said = tag(folder, lookup, settings, override={name: ""})
    assert (said.manifest.codes, said.manifest.next_action) == ((), "deliver")


def test_a_length_that_is_not_the_converted_one_flags_the_book(folder):
    kept = manifests.read(folder)
    for seconds in (0.0, SECONDS + 60):
        conversion = kept.conversion.model_copy(update={"seconds": seconds})
        manifests.write(folder, kept.changed(conversion=conversion))
        assert tag(folder, found()).manifest.codes == ("missing_duration",)


def test_another_asin_or_another_length_than_the_sources_flags_the_book(folder):
    done = tag(folder, found(replace(KNOWN, asin="B0OTHER001", runtime_minutes=600)))
    assert done.manifest.codes == ("asin_differs", "runtime_differs")
    said = tag(
        folder,
        found(replace(KNOWN, asin="B0OTHER001", runtime_minutes=600)),
        override={"asin": "B0OTHER001", "runtime_minutes": 600},
    )
    assert said.manifest.codes == ()


def test_a_book_is_held_when_the_settings_say_so_until_it_is_approved(folder):
    settings = AudiobooksSettings(hold=True, destinations={"home": DestinationSettings(path="/library")})
    assert tag(folder, found(), settings).manifest.next_action == "approve"
    manifests.write(folder, manifests.read(folder).changed(approval=Approval(approved=True, by="ada")))
    again = tag(folder, found(), settings)
    assert (again.manifest.next_action, again.manifest.approval.by) == ("deliver", "ada")


def test_the_cover_of_the_shop_is_embedded_once(folder, tmp_path):
    picture = recordings.picture(tmp_path / "c.jpg", size=90).read_bytes()
    asked = []

    def fetch(url):
        asked.append(url)
        return picture, ()

    known = replace(KNOWN, cover_url="http://example/c.jpg")
    done = tag(folder, found(known), picture=fetch)
    assert tags.cover(book_in(folder)) == picture
    assert (done.manifest.tagging.cover.origin, done.manifest.tagging.cover.format) == (
        known.cover_url,
        "jpeg",
    )
    tag(folder, found(known), picture=fetch)
    assert len(asked) == 1


def test_a_picture_beside_the_book_wins_over_the_shops(folder):
    picture = recordings.picture(folder / "mine.png").read_bytes()
    known = replace(KNOWN, cover_file=folder / "mine.png", cover_url="http://example/c.jpg")
    tag(folder, found(known), picture=lambda _url: pytest.fail("it was fetched"))
    assert tags.cover(book_in(folder)) == picture


@pytest.mark.parametrize(
    ("origin", "said", "wins"),
    [
        ("cover.jpg", "audible", "laid"),
        ("embedded in 01.mp3", "audible", "shop"),
        ("cover.jpg", "override", "shop"),
        ("cover.jpg", "metadata_yml", "shop"),
    ],
)
def test_a_picture_that_lay_beside_the_sources_goes_before_the_shops(folder, tmp_path, origin, said, wins):
    pictures = {
        "laid": recordings.picture(tmp_path / "laid.jpg", colour="red").read_bytes(),
        "shop": recordings.picture(tmp_path / "shop.png").read_bytes(),
    }
    file = tags.opened(book_in(folder))
    tags.put(file, tags.read(book_in(folder)), pictures["laid"])
    file.save()
    kept = manifests.read(folder)
    laid = Cover(origin=origin, format="jpeg", sha256=hashlib.sha256(pictures["laid"]).hexdigest())
    manifests.write(folder, kept.changed(conversion=kept.conversion.model_copy(update={"cover": laid})))
    known = replace(KNOWN, cover_url="http://example/c.png", origin={"cover_url": said})
    tag(folder, found(known), picture=lambda _url: (pictures["shop"], ()))
    assert tags.cover(book_in(folder)) == pictures[wins]


def no_answer(_url):
    raise Transient("No answer", "http://example/c.jpg")


@pytest.mark.parametrize(
    "fetch",
    [lambda _url: (b"<html>", ()), lambda _url: (None, ["Nothing there"]), no_answer],
    ids=["no picture", "nothing there", "no answer"],
)
def test_a_bad_cover_is_left_out_and_told_and_the_old_one_stays(folder, tmp_path, fetch):
    old = recordings.picture(tmp_path / "old.png").read_bytes()
    tag(folder, found(replace(KNOWN, cover_url="http://example/old")), picture=lambda _url: (old, ()))
    done = tag(folder, found(replace(KNOWN, cover_url="http://example/c.jpg")), picture=fetch)
    assert done.state == "tagged" and len(done.problems) == 1
    assert tags.cover(book_in(folder)) == old
    assert done.manifest.tagging.cover.origin == "http://example/old"
    assert done.manifest.tagging.notes == done.problems


@pytest.mark.parametrize(
    "error", [Transient("Audible does not answer", "audible", "Later"), Permanent("metadata.yml is wrong")]
)
def test_a_failed_try_is_told_in_the_manifest_and_the_book_is_whole(folder, error):
    before = book_in(folder).read_bytes()
    with pytest.raises(type(error)):
        tag(folder, Catalogue(error))
    kept = manifests.read(folder)
    assert (kept.state, kept.tagging.attempts, kept.tagging.error.what) == ("converted", 1, error.what)
    given_up = tagging.give_up(folder, error)
    assert given_up == manifests.read(folder)
    assert (given_up.state, given_up.next_action, given_up.codes) == (
        "failed_tagging",
        "review",
        ("tagging_failed",),
    )
    assert book_in(folder).read_bytes() == before
    done = tag(folder, found())
    assert (done.state, done.manifest.tagging.error, done.manifest.tagging.attempts) == ("tagged", None, 2)
    assert done.manifest.codes == ()


def test_a_book_that_is_not_there_or_damaged_is_a_clear_failure(folder):
    book = book_in(folder)
    content = book.read_bytes()
    book.write_bytes(content[: len(content) // 2])
    with pytest.raises(Permanent):
        tag(folder, found())
    book.unlink()
    with pytest.raises(Permanent, match="not beside its manifest"):
        tag(folder, found())
    with pytest.raises(Permanent, match="There is no manifest"):
        tag(folder.parent, found())


def test_a_stop_or_the_time_limit_ends_it_with_the_book_whole(folder):
    before = book_in(folder).read_bytes()
    stop = Event()
    stop.set()
    with pytest.raises(Transient, match="stopped"):
        tag(folder, found(), stop=stop)
    short = AudiobooksSettings(tagging=TaggingSettings(timeout=1e-6))
    with pytest.raises(Transient, match="too long"):
        tag(folder, found(), short)
    assert book_in(folder).read_bytes() == before


class Plugins:
    def __init__(self, fields):
        self.fields, self.heard = fields, []

    def before(self, step, subject, /):
        self.heard.append(("before", step, subject.state))
        return ["one complained"]

    def after(self, step, subject, /):
        self.heard.append(("after", step, subject.state))
        return []

    def manifest_fields(self, manifest, /):
        return self.fields


def test_plug_ins_are_told_and_add_fields(folder):
    plugins = Plugins({"goodreads": {"shelves": ("a", "b")}})
    done = tag(folder, found(), plugins=plugins)
    assert plugins.heard == [("before", "tag", "converted"), ("after", "tag", "tagged")]
    assert manifests.read(folder).plugins == {"goodreads": {"shelves": ["a", "b"]}}
    assert done.problems == ("one complained",)
    tag(folder, found(), plugins=plugins, dry_run=True)
    assert len(plugins.heard) == 2


def test_a_plug_in_whose_fields_are_no_json_does_not_keep_the_book_from_its_manifest(folder):
    done = tag(folder, found(), plugins=Plugins({"bad": {1, 2}}))
    assert done.state == "tagged" and "JSON" in done.problems[-1]
    assert manifests.read(folder).state == "tagged"


def test_the_language_of_the_settings_is_taken_when_nobody_says_one(folder):
    tag(folder, found(), AudiobooksSettings(language="de"))
    assert tags.read(book_in(folder))[FREE + "LANGUAGE"] == "German"
    tag(folder, found(replace(KNOWN, language="english")), AudiobooksSettings(language="de"))
    assert tags.read(book_in(folder))[FREE + "LANGUAGE"] == "English"


def test_a_beet_that_is_not_installed_is_said_and_the_book_is_whole(folder):
    before = book_in(folder).read_bytes()
    settings = AudiobooksSettings(tagging=TaggingSettings(tagger="beets", beet="/nowhere/beet"))
    with pytest.raises(Permanent, match="/nowhere/beet"):
        tag(folder, found(), settings)
    assert book_in(folder).read_bytes() == before
    assert sorted(one.name for one in folder.iterdir()) == [book_in(folder).name, "intake.json"]


@pytest.mark.parametrize(
    ("script", "told"), [("exit 0", "skipped"), ("echo no plugin >&2; exit 3", "no plugin")]
)
def test_a_beet_that_ends_well_and_tagged_nothing_is_not_believed(folder, tmp_path, script, told):
    beet = tmp_path / "beet"
    beet.write_text(f"#!/bin/sh\n{script}\n")
    beet.chmod(0o755)
    before = book_in(folder).read_bytes()
    settings = AudiobooksSettings(tagging=TaggingSettings(tagger="beets", beet=str(beet)))
    with pytest.raises(Permanent, match="beets did not tag the book") as caught:
        tag(folder, found(), settings)
    assert told in str(caught.value)
    assert book_in(folder).read_bytes() == before


def test_the_manifest_stays_readable_by_others(folder):
    tag(folder, found())
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "format_tags=title", "-of", "csv=p=0", book_in(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == "The Lighthouse Ledger"
    assert Path(folder / "intake.json").stat().st_mode & 0o044 == 0o044
