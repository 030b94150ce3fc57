"""What one call of books is asked: names are checked, values may be the strings of a survey."""

import json

import pytest

from medialift.books.options import Options
from medialift.errors import Permanent


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "medialift.toml"
    file.write_text('[books]\nlibrary = "/srv/calibre"\nbandwidth = "1 MB"\npassword = "secret-word"\n')
    file.chmod(0o600)
    return file


def test_values_of_a_survey_are_cast():
    options = Options.of(
        {
            "check": "yes",
            "items": "5",
            "seconds": "1h30m",
            "workers": "2",
            "ids": "1, 2,3",
            "kinds": "too large",
        }
    )
    assert (options.check, options.items, options.seconds, options.workers) == (True, 5, 5400.0, 2)
    assert (options.ids, options.kinds) == ((1, 2, 3), ("too large",))


def test_settings_may_be_given_by_their_names_and_stand_before_the_file(file):
    options = Options.of({"config": str(file), "bandwidth": "2 MB", "hours": "22:00-06:30", "library": None})
    found = options.read_settings().books
    assert (found.bandwidth, found.hours, str(found.library)) == (2_000_000, "22:00-06:30", "/srv/calibre")


def test_a_database_that_is_given_takes_the_place_of_an_embedded_one(file):
    file.write_text('[database]\nembedded = "/var/lib/x"\n')
    found = Options.of({"config": str(file), "database": "postgresql://host/name"}).read_settings().database
    assert (found.embedded, found.url.get_secret_value()) == (None, "postgresql://host/name")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"bandwith": "1 MB"}, "There is no such option: bandwith"),
        ({"items": 0}, "This option has a wrong value: items: 0"),
        ({"check": "perhaps"}, "This option has a wrong value: check: 'perhaps'"),
        ({"ids": "one"}, "This option has a wrong value: ids"),
        ({"seconds": "soon"}, "This is not a duration"),
    ],
)
def test_a_wrong_name_or_value_is_told(given, told):
    with pytest.raises(Permanent) as error:
        Options.of(given)
    assert told in str(error.value)


def test_a_wrong_setting_is_told_with_who_gave_it(file):
    options = Options.of({"config": file, "origin": "the module's options", "hours": "late"})
    with pytest.raises(Permanent, match=r"books\.hours \(from the module's options\)"):
        options.read_settings()


def test_workers_are_told_what_they_need_to_read_the_same_settings(file):
    options = Options.of(
        {"config": file, "bandwidth": "2 MB", "database": "postgresql://h/n", "items": 5, "ids": [1]}
    )
    told = Options.of(json.loads(json.dumps(options.for_workers(), default=str)))
    assert told.read_settings() == options.read_settings()
    assert (told.items, told.ids) == (None, ())
