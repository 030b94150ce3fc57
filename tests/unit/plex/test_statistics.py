"""What the sections of a library hold, in both trigger generations."""

from pathlib import Path

import pytest

from medialift.plex.statistics import statistics
from sandbox.plex.builder import LibraryBuilder


@pytest.mark.parametrize("triggers", ["old", "new"])
def test_a_section_tells_its_types_files_bytes_and_what_is_analysed(tmp_path: Path, triggers: str):
    with LibraryBuilder.in_folder(tmp_path, triggers) as library:
        movies = library.add_section("Movies", "movie", "/m")
        shows = library.add_section("TV", "show", "/tv")
        library.add_section("Photos", "photo", "/photos")
        gone = library.add_movie(movies, "/m/gone.mkv", "Gone")
        for name in ("a", "b"):
            library.add_movie(movies, f"/m/{name}.mkv", name)
        for season, episode in ((1, 1), (1, 2), (2, 1)):
            library.add_episode(shows, f"/tv/x/{season}x{episode}.mkv", "X", season, episode)
        library.con.execute("UPDATE media_parts SET size = 1000 + id")
        library.con.execute("UPDATE media_items SET media_analysis_version = (id % 2)")
        size = library.con.execute(
            "SELECT sum(size) FROM media_parts WHERE file IN ('/m/a.mkv', '/m/b.mkv')"
        ).fetchone()[0]
        library.mark_deleted(gone)
        found = {one.facts.name: one for one in statistics(library.path)}

    told = found["Movies"]
    assert (told.types, told.deleted_types) == ({"movie": 2}, {"movie": 1})
    assert (told.parts, told.bytes, told.analysed) == (2, size, 1)
    assert found["TV"].types == {"show": 1, "season": 2, "episode": 3}
    assert found["TV"].parts == 3
    assert found["Photos"].to_dict() == {
        "id": 3,
        "name": "Photos",
        "type": "photo",
        "locations": ["/photos"],
        "items": 0,
        "leaves": 0,
        "deleted": 0,
        "sonic": 0,
        "sonic_total": 0,
        "types": {},
        "deleted_types": {},
        "parts": 0,
        "bytes": 0,
        "analysed": 0,
    }
