"""beets with beets-audible tags real books from the stand-in of its services, and its traps cost no book."""

import pytest
from mutagen.mp4 import MP4, MP4FreeForm

from medialift.audiobooks import beets, metadata, tagging, tags
from medialift.audiobooks import manifest as manifests
from medialift.audiobooks.book import Structure
from medialift.audiobooks.manifest import Conversion, Detected, Manifest, Sources
from medialift.errors import Permanent
from medialift.settings import AudiobooksSettings, TaggingSettings
from sandbox.audible.editions import Edition
from sandbox.audible.server import StandIn, serve
from sandbox.audiobooks import recordings
from tests import beets_world

FREE = "----:com.apple.iTunes:"
SECONDS = 3.0
EDITION = Edition(
    "B0BEETS001",
    "It's “half” a Ledger: the 2nd",
    ("Ada Example",),
    ("Ben Voice",),
    SECONDS,
    subtitle="A Harbour Tale",
    series=(("Harbour Tales", "1-3", "B0SERIES01"),),
    isbn="9780000000019",
    chapters=(("All", 3000),),
)


@pytest.fixture(scope="session")
def beet():
    return beets_world.beet()


@pytest.fixture
def services():
    stand_in = StandIn()
    stand_in.add(EDITION)
    server = serve(stand_in)
    stand_in.address = f"http://127.0.0.1:{server.server_address[1]}"
    yield stand_in
    stand_in.lifted.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(services, beet, tmp_path):
    return AudiobooksSettings(
        tagging=TaggingSettings(
            tagger="beets",
            beet=str(beet),
            audible_url=services.address + "/{tld}",
            audnexus_url=services.address + "/audnexus",
            cache=tmp_path / "cache",
        )
    )


@pytest.fixture
def folder(tmp_path):
    book = tmp_path / "converted" / "It's “half” a Ledger"
    book.mkdir(parents=True)
    file = book / f"{book.name}.m4b"
    recordings.speak(
        "The keeper of the light writes down everything.",
        file,
        codec="m4b",
        seconds=SECONDS,
        chapters=[(0, "One"), (1.5, "Two")],
        tags={"title": "Track 1", "artist": EDITION.authors[0]},
    )
    raw = MP4(file)
    raw.tags["©mvi"] = [9]
    raw.tags[FREE + "MOOD"] = [MP4FreeForm(b"calm")]
    raw.save()
    manifests.write(
        book,
        Manifest(
            name=book.name,
            sources=Sources(
                key=book.name,
                structure=Structure.FLAT,
                detected=Detected(asin="B0BEETS001", asin_from="name"),
            ),
            conversion=Conversion(kind="converted", file=file.name, seconds=SECONDS),
        ),
    )
    return book


def book_in(folder):
    return folder / f"{folder.name}.m4b"


def tag(folder, settings, **more):
    with metadata.open_client() as client:
        means = {"client": client, "cache": metadata.open_cache(settings.tagging)}

        def lookup(clues, override):
            return metadata.lookup(clues, settings, override=override, **means)

        def picture(url):
            found, problems = metadata.cover(url, settings, **means)
            return found and found.body, problems

        return tagging.tag(folder, settings, lookup=lookup, picture=picture, **more)


def with_tagging(settings, **changed):
    return settings.model_copy(update={"tagging": settings.tagging.model_copy(update=changed)})


def test_beets_finds_the_book_by_its_asin_and_what_it_does_not_know_is_added(folder, settings, services):
    before = recordings.pcm(book_in(folder))
    done = tag(folder, settings, override={"publisher": "Mine"})
    assert (done.state, done.needs_person, done.problems) == ("tagged", [], ())
    held = tags.read(book_in(folder))
    # Only beets writes a whole date there, and only its work has these atoms.
    assert held["©day"] == "2021-03-04" and held["©alb"] == EDITION.title
    raw = MP4(book_in(folder)).tags
    assert raw[FREE + "MusicBrainz Album Type"] == [b"audiobook"]
    assert {one.service for one in services.asked()} >= {"audnexus", "chapters"}
    # What beets-audible leaves out, or writes wrongly.
    assert held[FREE + "SUBTITLE"] == "A Harbour Tale" and held[FREE + "ISBN"] == "9780000000019"
    assert (held["pgap"], held["©nam"], held[FREE + "RATING"]) == ("1", EDITION.title, "4.7")
    assert "©mvi" not in held and held[FREE + "SERIES-PART"] == "1-3"
    assert tags.cover(book_in(folder)).startswith(b"\xff\xd8")
    assert all(value for value in raw.values() if isinstance(value, list))
    assert not [atom for atom, value in raw.items() if value in ([""], [b""])]
    # What is not its business.
    assert held["©pub"] == held[FREE + "PUBLISHER"] == "Mine" and raw[FREE + "MOOD"] == [b"calm"]
    assert recordings.pcm(book_in(folder)) == before
    assert [one.title for one in MP4(book_in(folder)).chapters] == ["One", "Two"]
    assert sorted(one.name for one in folder.iterdir()) == [book_in(folder).name, "intake.json"]
    assert manifests.read(folder).tagging.tagger == "beets"


def test_a_second_run_of_beets_changes_nothing_and_asks_it_nothing(folder, settings, services):
    tag(folder, settings)
    content, asked = book_in(folder).read_bytes(), len(services.asked("chapters"))
    assert [one.field for one in tag(folder, settings, dry_run=True).diff] == []
    again = tag(folder, settings)
    assert (again.state, again.diff, again.written) == ("tagged", (), False)
    assert book_in(folder).read_bytes() == content
    assert len(services.asked("chapters")) == asked
    # What changed since then is written again.
    assert tag(folder, settings, override={"title": "Other"}).written
    assert tags.read(book_in(folder))["©alb"] == "Other"


def test_a_book_whose_chapters_nobody_has_is_tagged_all_the_same(folder, settings, services):
    services.behave("chapters", usual={"status": 404, "body": "{}"})
    done = tag(folder, settings)
    assert (done.state, done.needs_person) == ("tagged", [])
    assert len(done.problems) == 1 and "by its ASIN" in done.problems[0]
    held = tags.read(book_in(folder))
    assert (held[FREE + "ASIN"], held["©day"], held["©alb"]) == ("B0BEETS001", "2021", EDITION.title)
    assert MP4(book_in(folder)).tags[FREE + "MusicBrainz Album Type"] == [b"audiobook"]


def test_a_book_without_an_asin_is_tagged_by_what_lies_beside_it_and_nobody_is_asked(
    folder, settings, services
):
    told = "title: 'Home: a diary'\nauthors: [Ada Example]\nnarrators: [Ada Example]\n"
    (folder / "metadata.yml").write_text(told)
    manifests.write(
        folder,
        manifests.read(folder).changed(
            sources=manifests.read(folder).sources.model_copy(update={"detected": Detected()})
        ),
    )
    alone = with_tagging(settings, providers=("metadata_yml",))
    done = tag(folder, alone)
    assert (done.state, done.manifest.codes) == ("tagged", ("missing_asin",))
    raw = MP4(book_in(folder)).tags
    assert raw["©alb"] == ["Home: a diary"] and raw[FREE + "MusicBrainz Album Type"] == [b"audiobook"]
    assert not [atom for atom, value in raw.items() if "1900" in str(value)]
    assert services.asked() == []
    assert (folder / "metadata.yml").is_file()


def test_a_beet_that_hangs_at_its_services_does_not_take_all_of_the_time(folder, settings, tmp_path):
    beet = tmp_path / "beet"
    beet.write_text('#!/bin/sh\ncase "$*" in *-S*) sleep 600;; esac\necho the second one >&2; exit 3\n')
    beet.chmod(0o755)
    before = book_in(folder).read_bytes()
    slow = with_tagging(settings, beet=str(beet), timeout=8.0)
    with pytest.raises(Permanent, match="the second one"):
        tag(folder, slow)
    assert book_in(folder).read_bytes() == before
    assert sorted(one.name for one in folder.iterdir()) == [book_in(folder).name, "intake.json"]


def test_a_catalogue_that_is_away_later_costs_beets_no_book_that_was_found(folder, settings, services):
    first = tag(folder, with_tagging(settings, tagger="own"))
    services.behave("audnexus", usual={"status": 404, "body": "{}"})
    done = tag(folder, settings, override={"title": "Somebody’s title"})
    assert (done.state, done.manifest.tagging.tagger) == ("tagged", "beets")
    held = tags.read(book_in(folder))
    assert (held["©alb"], held[FREE + "ASIN"]) == ("Somebody’s title", "B0BEETS001")
    assert done.manifest.tagging.metadata.publisher == first.manifest.tagging.metadata.publisher


def test_whether_beets_can_be_used_is_known_before_a_book_needs_it(beet, tmp_path):
    assert beets.missing(str(beet)) == ""
    assert "/nowhere/beet" in beets.missing("/nowhere/beet")
    bare = tmp_path / "beet"
    bare.write_text("#!/bin/sh\necho 'beets version 2.14.1'\necho 'no plugins loaded'\n")
    bare.chmod(0o755)
    assert "no beets-audible" in beets.missing(str(bare))
