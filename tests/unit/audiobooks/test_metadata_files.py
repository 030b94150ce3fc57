"""What a person or a program wrote beside a book: understood, or told with the line and the fix."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medialift.audiobooks.metadata import Clues, Metadata, Series
from medialift.audiobooks.metadata.local import MetadataFile, read_file
from medialift.audiobooks.metadata.opf import OpfFile, read_opf
from medialift.errors import Permanent, Transient

QUICK = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

OF_BEETS = """---
# These are all required fields
title: The Lighthouse Ledger (Stage Version)
authors: ["A. A. Example", "Brian Quill"]
narrators:
  - "Ian Tone (as the keeper)"
  - Ben Voice
description: |
  First paragraph.

  Second one: with a colon.
genres: ["fantasy"]
releaseDate: 2008-08-19
publisher: Quay Audiobooks
language: English
subtitle: "some subtitle"
series: Harbour Tales
seriesPosition: "1-3"
"""


@pytest.fixture
def written(tmp_path):
    def write(text, name="metadata.yml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_the_example_of_beets_audible_is_understood(written):
    told = read_file(written(OF_BEETS))
    assert told.problems == ()
    assert told.metadata == Metadata(
        title="The Lighthouse Ledger (Stage Version)",
        subtitle="some subtitle",
        authors=("A. A. Example", "Brian Quill"),
        narrators=("Ian Tone (as the keeper)", "Ben Voice"),
        series=Series("Harbour Tales", "1-3"),
        publisher="Quay Audiobooks",
        release_date="2008-08-19",
        year=2008,
        language="english",
        genres=("fantasy",),
        description="First paragraph.\n\nSecond one: with a colon.",
    )


def test_every_field_can_be_said_in_either_spelling(written):
    camel = "releaseDate: 2008\nseriesPosition: 2\nseries: S\nruntimeMinutes: 580\ncoverUrl: "
    snake = "release_date: 2008\nseries_position: 2\nseries: S\nruntime_minutes: 580\ncover_url: "
    camel, snake = (f"{one}https://example.org/a.jpg\n" for one in (camel, snake))
    assert read_file(written(camel)) == read_file(written(snake))
    assert read_file(written(camel)).metadata == Metadata(
        year=2008, series=Series("S", "2"), cover_url="https://example.org/a.jpg", runtime_minutes=580
    )


def test_what_yaml_would_take_for_something_else_is_what_was_written(written):
    told = read_file(
        written(
            "title: 1984\nsubtitle: No\nseries: 0x10\nseriesPosition: 1.50\nisbn: 0123456789\n"
            "authors: 2008-08-19"
        )
    )
    assert told.metadata == Metadata(
        title="1984", subtitle="No", series=Series("0x10", "1.5"), isbn="0123456789", authors=("2008-08-19",)
    )


def test_one_author_needs_no_list(written):
    assert read_file(written("author: Example, Ada")).metadata == Metadata(authors=("Example, Ada",))


def test_a_description_in_html_becomes_plain_text_and_is_kept_as_it_was(written):
    told = read_file(written("description: '<p>One</p><p>Two &amp; three</p>'")).metadata
    assert told.description == "One\n\nTwo & three"
    assert told.description_html == "<p>One</p><p>Two &amp; three</p>"


def test_all_faults_are_told_at_once_with_their_lines_and_fixes(written):
    path = written(
        "title: [a, b]\nauthors:\n  name: Ada\nreleaseDate: soon\nseriesPosition: first\nasin: B01\n"
        "rating: 11\nexplicit: perhaps\nregion: mars\ncoverUrl: ftp://x\nruntimeMinutes: 9 hours\nisbn: 12\n"
    )
    with pytest.raises(Permanent) as caught:
        read_file(path)
    # Shape comes before meaning: a file that is no list of texts is not looked at any further.
    assert "line 2: authors holds names with values, and is to hold a text or a list" in caught.value.what
    path.write_text(path.read_text().replace("authors:\n  name: Ada", "authors:\n  - Ada"))
    with pytest.raises(Permanent) as caught:
        read_file(path)
    for line, fault in (
        (1, 'title is a list, and is to be one text: write "title: a"'),
        (4, 'release_date is “soon”, and is to be a date: write "release_date: 2008-08-19", or a year'),
        (5, 'series_position is “first”, and is to be a number: write "series_position: 2" or "1-3"'),
        (6, "asin is “B01”, and is to have ten letters and digits"),
        (7, "rating is “11”: a rating is from 0 to 5"),
        (8, "explicit is “perhaps”, and is to be true or false"),
        (9, "region is “mars”, which is no shop of Audible's"),
        (10, "cover_url is “ftp://x”, which is no address"),
        (11, "runtime_minutes is “9 hours”, and is to be whole minutes"),
        (12, "isbn is “12”"),
    ):
        assert f"line {line}: {fault}" in caught.value.what
    assert caught.value.subject == str(path)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("- a\n- b\n", "is not a list of names with values (line 1)"),
        ("just words", "is not a list of names with values (line 1)"),
        ("title: a\nsubtitle: b: c\n", "is no YAML: line 2"),
        ("title: 'a\n", "is no YAML: line 2"),
        ("title: a\n\ttab: b\n", "is no YAML: line 2"),
        ("a: &a [x]\nb: *c\n", "is no YAML: line 2"),
        ("title: a\ntitle: b\n", "line 2: title is said twice, first in line 1"),
        ("authors:\n  - [a]\n", "authors has an entry that is no text (line 2)"),
        (b"title: caf\xe9\n", "is not UTF-8 (line 1)"),
        ("[" * 50_000, "is no YAML"),
        ("title: " + "x" * 300_000, "is larger than"),
    ],
)
def test_a_file_that_cannot_be_understood_is_told_with_its_line(written, text, what):
    with pytest.raises(Permanent) as caught:
        read_file(written(text))
    assert what in caught.value.what
    assert caught.value.hint


def test_a_name_that_is_not_known_is_told_and_left_out(written):
    told = read_file(written("title: The Ledger\ntitel: x\nnarators: [Ben Voice]\n"))
    assert told.metadata == Metadata(title="The Ledger")
    assert told.problems == (
        "metadata.yml, line 2: titel is no field that is known: is title meant?",
        "metadata.yml, line 3: narators is no field that is known: is narrators meant?",
    )


def test_a_cover_beside_the_book_is_taken_and_one_that_is_missing_is_told(written, tmp_path):
    (tmp_path / "art.jpg").write_bytes(b"\xff\xd8\xff")
    assert read_file(written("cover: art.jpg")).metadata == Metadata(cover_file=tmp_path / "art.jpg")
    told = read_file(written("title: a\ncover: none.png"))
    assert told.metadata == Metadata(title="a")
    assert told.problems == ("metadata.yml: the cover none.png is not there",)


@pytest.mark.parametrize("cover", ["/etc/passwd", "../cover.jpg", "a/../../b.jpg", "cover.svg"])
def test_a_cover_elsewhere_is_refused(written, cover):
    with pytest.raises(Permanent, match="a picture beside the book"):
        read_file(written(f"cover: {cover}"))


def test_a_file_that_may_not_be_read_is_a_persons_to_mend(written):
    path = written("title: a")
    path.chmod(0)
    if os.geteuid() == 0:
        path.unlink()
        path.mkdir()
        with pytest.raises(Transient):
            read_file(path)
    else:
        with pytest.raises(Permanent, match="cannot be read"):
            read_file(path)


def test_nothing_beside_the_book_says_nothing(tmp_path):
    for reader in (MetadataFile(), OpfFile()):
        assert reader.read(Clues(folder=tmp_path)).metadata is None
        assert reader.read(Clues()).metadata is None
        assert reader.read(Clues(folder=tmp_path / "gone")).metadata is None


def test_an_empty_file_says_nothing(written, tmp_path):
    written("# nothing yet\n")
    assert MetadataFile().read(Clues(folder=tmp_path)).metadata == Metadata()


@QUICK
@given(st.text(max_size=200))
def test_any_text_is_understood_or_told(tmp_path, text):
    path = tmp_path / "metadata.yml"
    path.write_bytes(text.encode("utf-8", "replace"))
    try:
        assert isinstance(read_file(path).metadata, Metadata)
    except Permanent as error:
        assert error.what and error.hint


CALIBRE = """<?xml version='1.0' encoding='utf-8'?>
<package xmlns="http://www.idpf.org/2007/opf" unique-identifier="uuid_id" version="2.0">
  <metadata xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:opf="http://www.idpf.org/2007/opf">
    <dc:identifier opf:scheme="calibre" id="calibre_id">7</dc:identifier>
    <dc:identifier opf:scheme="ISBN">978-0-00-000001-9</dc:identifier>
    <dc:identifier opf:scheme="MOBI-ASIN">B0KINDLE01</dc:identifier>
    <dc:identifier opf:scheme="AMAZON">B0KINDLE02</dc:identifier>
    <dc:identifier opf:scheme="ASIN">B0LEDGER01</dc:identifier>
    <dc:title>The Lighthouse Ledger</dc:title>
    <dc:creator opf:file-as="Example, Ada" opf:role="aut">Ada Example</dc:creator>
    <dc:creator opf:role="nrt">Ben Voice</dc:creator>
    <dc:contributor opf:role="bkp">calibre (7.0) [https://calibre-ebook.com]</dc:contributor>
    <dc:contributor opf:role="trl">Tom Translator</dc:contributor>
    <dc:date>2008-08-19T22:00:00+00:00</dc:date>
    <dc:description>&lt;p&gt;A &lt;b&gt;tale&lt;/b&gt;.&lt;/p&gt;</dc:description>
    <dc:publisher>Quay</dc:publisher>
    <dc:language>deu</dc:language>
    <dc:subject>Sea</dc:subject><dc:subject>Fiction</dc:subject>
    <dc:rights>© 2008</dc:rights>
    <meta name="calibre:series" content="Harbour Tales"/>
    <meta name="calibre:series_index" content="2.0"/>
  </metadata>
</package>
"""
OPF3 = """<package xmlns="http://www.idpf.org/2007/opf" version="3.0">
  <metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
    <dc:title id="s">A Harbour Tale</dc:title><meta refines="#s" property="title-type">subtitle</meta>
    <dc:title id="t">The Lighthouse Ledger</dc:title><meta refines="#t" property="title-type">main</meta>
    <dc:creator id="a">Ada Example</dc:creator>
    <dc:creator id="n">Ben Voice</dc:creator>
    <meta refines="#n" property="role" scheme="marc:relators">nrt</meta>
    <dc:identifier>urn:isbn:9780000000019</dc:identifier>
    <dc:date>0101-01-01T00:00:00+00:00</dc:date>
    <meta property="belongs-to-collection" id="c">Harbour Tales</meta>
    <meta refines="#c" property="group-position">2</meta>
  </metadata>
</package>
"""


def test_an_opf_of_calibre_is_understood(written):
    assert read_opf(written(CALIBRE, "metadata.opf")) == Metadata(
        title="The Lighthouse Ledger",
        authors=("Ada Example",),
        narrators=("Ben Voice",),
        series=Series("Harbour Tales", "2"),
        publisher="Quay",
        release_date="2008-08-19",
        year=2008,
        language="german",
        genres=("Sea", "Fiction"),
        description="A tale.",
        description_html="<p>A <b>tale</b>.</p>",
        copyright="© 2008",
        asin="B0LEDGER01",
        isbn="9780000000019",
    )


def test_an_opf_of_the_third_version_is_understood_and_no_date_is_none(written):
    told = read_opf(written(OPF3, "metadata.opf"))
    assert (told.title, told.authors, told.narrators) == (
        "The Lighthouse Ledger",
        ("Ada Example",),
        ("Ben Voice",),
    )
    assert (told.series, told.isbn, told.year) == (Series("Harbour Tales", "2"), "9780000000019", None)


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE p [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE p [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE p [<!ENTITY % a SYSTEM "http://127.0.0.1:1/x">%a;]>',
    ],
)
def test_entities_are_refused(written, declared):
    with pytest.raises(Permanent, match="declares entities"):
        read_opf(written(f"{declared}<package><metadata><title>x</title></metadata></package>", "a.opf"))


@pytest.mark.parametrize(
    "text", ["", "<package>", "<html/>", b"\xff\xfe\x00", "<p>" * 100_000, "x" * 2_100_000]
)
def test_a_broken_opf_is_told_and_the_book_goes_on_without_it(written, tmp_path, text):
    written(text, "metadata.opf")
    told = OpfFile().read(Clues(folder=tmp_path))
    assert told.metadata is None
    assert len(told.problems) == 1


def test_several_opf_files_are_told_unless_one_is_named_metadata(written, tmp_path):
    written(OPF3, "a.opf"), written(OPF3, "b.opf")
    assert OpfFile().read(Clues(folder=tmp_path)).problems == (
        "2 OPF files lie there, and none is metadata.opf: none is read",
    )
    written(CALIBRE, "metadata.opf")
    found = OpfFile().read(Clues(folder=tmp_path)).metadata
    assert found is not None and found.publisher == "Quay"


def test_the_cover_that_calibre_lays_beside_its_opf_is_taken(written, tmp_path):
    (tmp_path / "cover.jpg").write_bytes(b"\xff\xd8\xff")
    assert read_opf(written(OPF3, "metadata.opf")).cover_file == Path(tmp_path / "cover.jpg")
