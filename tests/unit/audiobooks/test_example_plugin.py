"""The plug-in in examples/ does what its page says."""

import shutil
from pathlib import Path

import pytest

from medialift.audiobooks import plugins
from medialift.audiobooks.metadata.model import Metadata
from tests.audiobook_folders import settings_of

EXAMPLE = Path(__file__).parents[3] / "examples" / "audiobooks-plugin" / "goodreads_shelves.py"
EXPORT = '''Book Id,Title,Author,ISBN,ISBN13,My Rating,Average Rating,Bookshelves
7,"The Sea (Harbour Tales, #1)",Ada Exâmple,"=""3""","=""9783161484100""",5,4.25,"to-read, sea-stories"
8,The Land,Bob Other,,,0,,
'''


@pytest.fixture
def used(tmp_path):
    path = tmp_path / EXAMPLE.name
    shutil.copy(EXAMPLE, path)
    path.chmod(0o644)
    (tmp_path / "goodreads_library_export.csv").write_text(EXPORT)
    loaded = plugins.load(settings_of(tmp_path, plugins=[str(path)]))
    assert loaded.problems == ()
    return loaded


def test_shelves_isbn_and_rating_are_added(used):
    found, problems = used.enrich(Metadata(title="The Sea", authors=("Ada Example",), genres=("Fiction",)))
    assert problems == []
    assert found.genres == ("Fiction", "Sea stories")
    assert (found.isbn, found.rating) == ("9783161484100", 4.25)
    assert found.origin == dict.fromkeys(("genres", "isbn", "rating"), "goodreads_shelves")


def test_what_is_known_already_stays(used):
    known = Metadata(title="The Sea", authors=("Ada Example",), isbn="1", rating=0.0)
    found, _ = used.enrich(known)
    assert (found.isbn, found.rating) == ("1", 0.0)


def test_another_book_is_left_alone(used):
    known = Metadata(title="The Sea", authors=("Somebody Else",))
    assert used.enrich(known) == (known, [])


def test_the_persons_own_stars_are_kept_in_the_manifest(used):
    manifest = {"tagging": {"metadata": {"title": "The Sea", "authors": ["Ada Example"]}}}
    assert used.manifest_fields(manifest) == {
        "goodreads_shelves": {"id": "7", "my_rating": 5, "shelves": ["Sea stories"]}
    }
    assert used.manifest_fields({"tagging": {"metadata": None}}) == {}
