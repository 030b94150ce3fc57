"""Settings: what is wrong is named, secrets never show, and every value can be traced."""

import json
import os

import pytest

from medialift import settings
from medialift.errors import Permanent


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("MEDIALIFT_"):
            monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path):
    def _write(text: str):
        file = tmp_path / "medialift.toml"
        file.write_text(text)
        file.chmod(0o600)
        return file

    return _write


FILE = """
[store]
bucket = "archives"
access_key = "SCWXXXXXXXXXXXXXXXXX"
secret_key = "very-secret-store-key"
[notify]
urls = ["json://very-secret-host/token"]
[mounts]
points = ["/mnt/cloud/media"]
deadline = "1m30s"
[runtime]
free_space = "5 GB"
"""


def test_values_come_from_the_file_and_the_rest_are_defaults(write):
    loaded = settings.load(write(FILE))
    assert loaded.settings.store.bucket == "archives"
    assert loaded.settings.store.region == "fr-par"
    assert loaded.settings.mounts.deadline == 90
    assert loaded.settings.runtime.free_space == 5_000_000_000


def test_the_environment_stands_above_the_file_and_leaves_its_neighbours_alone(write, monkeypatch):
    monkeypatch.setenv("MEDIALIFT_STORE__BUCKET", "elsewhere")
    monkeypatch.setenv("MEDIALIFT_MOUNTS__POINTS", '["/mnt/a", "/mnt/b"]')
    loaded = settings.load(write(FILE))
    assert loaded.settings.store.bucket == "elsewhere"
    assert loaded.settings.store.secret_key.get_secret_value() == "very-secret-store-key"
    assert [str(point) for point in loaded.settings.mounts.points] == ["/mnt/a", "/mnt/b"]


def test_every_setting_is_explained_with_its_origin(write, monkeypatch):
    monkeypatch.setenv("MEDIALIFT_STORE__BUCKET", "elsewhere")
    file = write(FILE)
    explained = {item.name: item for item in settings.explain(settings.load(file))}
    assert explained["store.bucket"].origin == "environment MEDIALIFT_STORE__BUCKET"
    assert explained["store.secret_key"].origin == str(file)
    assert explained["store.region"].origin == "default"
    assert all(item.documentation for item in explained.values())
    assert len(explained) == len(list(settings.fields()))


def test_a_section_within_another_is_explained_setting_by_setting(write, monkeypatch):
    monkeypatch.setenv("MEDIALIFT_HEALING__MODEL__NAME", "small")
    file = write(
        "[healing]\nevery = 30\n[healing.model]\nenabled = true\n"
        "[healing.pipelines.books]\nprogress = '7min'\n[healing.scaling.targets]\nbooks = 8\n"
    )
    explained = {item.name: item for item in settings.explain(settings.load(file))}
    assert (explained["healing.every"].value, explained["healing.every"].origin) == (30, str(file))
    assert (explained["healing.model.enabled"].value, explained["healing.model.enabled"].origin) == (
        True,
        str(file),
    )
    named = explained["healing.model.name"]
    assert (named.value, named.variable) == ("small", "MEDIALIFT_HEALING__MODEL__NAME")
    assert named.origin == "environment MEDIALIFT_HEALING__MODEL__NAME"
    assert explained["healing.pipelines"].value == {"books": {"progress": 420}}
    assert explained["healing.scaling.targets"].value == {"books": 8}
    assert explained["healing.scaling.calm"].origin == "default"
    assert "healing.model" not in explained
    assert json.dumps([item.__dict__ for item in explained.values()])


def test_secrets_show_in_no_explanation_and_no_repr(write):
    loaded = settings.load(write(FILE))
    shown = repr(loaded.settings) + json.dumps([item.__dict__ for item in settings.explain(loaded)])
    assert "very-secret" not in shown
    assert settings.MASKED in shown
    assert sorted(settings.secrets(loaded.settings)) == [
        "SCWXXXXXXXXXXXXXXXXX",
        "json://very-secret-host/token",
        "very-secret-store-key",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[store]\nbuckett = "x"', r"store\.buckett.*no such setting, did you mean 'bucket'"),
        ("[stroe]\nbucket = 'x'", r"stroe.*no such setting, did you mean 'store'"),
        ('[store]\nendpoint = "s3.example.org"', r"store\.endpoint.*http:// or https://"),
        ('[store]\nendpoint = "https://me:pw@s3.example.org"', r"store\.endpoint.*settings of their own"),
        ('[mounts]\ndeadline = "soon"', r"mounts\.deadline.*not a duration"),
        ('[mounts]\npoints = ["relative/path"]', r"mounts\.points\.0.*absolute"),
        ('[runtime]\nfree_space = "-1"', r"runtime\.free_space.*not a size"),
        ('[cloud]\nzone = "paris"', r"cloud\.zone"),
        ("[plex]\nkeep_rollbacks = 0", r"plex\.keep_rollbacks.*greater than or equal to 1"),
        (
            '[notify]\nevents = ["sneezed"]',
            r"notify\.events.*'ended', 'failed', 'overspent'.* or 'audiobook_tagging_failed'",
        ),
        ("[healing.model]\nnmae = 'x'", r"healing\.model\.nmae.*no such setting, did you mean 'name'"),
        (
            "[healing.scaling]\ncalm = 2",
            r"healing\.scaling\.calm.*less than or equal to 1.*it is the below it",
        ),
        ("[healing.modell]\nname = 'x'", r"healing\.modell.*no such setting, did you mean 'model'"),
    ],
)
def test_a_wrong_value_is_named_with_the_reason_and_what_to_do(write, text, message):
    with pytest.raises(Permanent, match=message) as error:
        settings.load(write(text))
    assert "medialift config explain" in error.value.hint


def test_all_wrong_values_are_named_at_once_each_with_its_source(write, monkeypatch):
    monkeypatch.setenv("MEDIALIFT_CLOUD__ZONE", "paris")
    file = write("[plex]\nkeep_rollbacks = 0")
    with pytest.raises(Permanent, match="2 settings are wrong") as error:
        settings.load(file)
    assert f"plex.keep_rollbacks (from {file})" in str(error.value)
    assert "cloud.zone (from MEDIALIFT_CLOUD__ZONE)" in str(error.value)


def test_an_error_never_shows_the_value_of_a_secret(write):
    with pytest.raises(Permanent) as error:
        settings.load(write('[store]\nsecret_key = ["hunter2-in-a-list"]'))
    assert "hunter2" not in str(error.value)
    with pytest.raises(Permanent) as error:
        settings.load(write("[store]\nsecret_key = hunter2-not-quoted"))
    assert "hunter2" not in str(error.value)


def test_a_list_that_is_not_json_in_the_environment_says_how_to_write_it(monkeypatch, write):
    monkeypatch.setenv("MEDIALIFT_MOUNTS__POINTS", "/mnt/a,/mnt/b")
    with pytest.raises(Permanent, match="as JSON"):
        settings.load(write(""))


def test_a_settings_file_that_was_asked_for_must_be_there(tmp_path, monkeypatch):
    with pytest.raises(Permanent, match="no such settings file"):
        settings.load(tmp_path / "absent.toml")
    monkeypatch.setenv("MEDIALIFT_CONFIG", str(tmp_path / "absent.toml"))
    with pytest.raises(Permanent, match="no such settings file"):
        settings.load()


def test_a_file_open_to_others_is_noticed(write):
    file = write(FILE)
    assert settings.exposure(file) == ""
    file.chmod(0o640)
    assert "0640" in settings.exposure(file)


def test_a_dotenv_file_in_the_folder_one_stands_in_never_counts(tmp_path, monkeypatch, write):
    (tmp_path / ".env").write_text("MEDIALIFT_STORE__BUCKET=planted\n")
    monkeypatch.chdir(tmp_path)
    assert settings.load(write("")).settings.store.bucket == ""


def test_variables_of_other_programs_with_the_same_prefix_do_no_harm(write, monkeypatch):
    monkeypatch.setenv("MEDIALIFT_SANDBOX_SUBNET", "172.30.78.0/24")
    assert settings.load(write("")).settings.store.bucket == ""


def test_what_one_call_gives_stands_above_file_and_environment_and_is_checked_like_them(write, monkeypatch):
    monkeypatch.setenv("MEDIALIFT_BOOKS__COLLECTION", "elsewhere")
    loaded = settings.load(write('[books]\nbandwidth = "1 MB"\n'))
    given = settings.overriding(loaded, {"books": {"collection": "second", "max_upload": "100 MiB"}})
    assert (given.books.collection, given.books.max_upload) == ("second", 104857600)
    assert given.books.bandwidth == 1_000_000
    with pytest.raises(Permanent, match=r"books\.hours \(from the playbook\): These are not hours"):
        settings.overriding(loaded, {"books": {"hours": "late"}}, origin="the playbook")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[books]\nhours = "22:00 to 6"', "These are not hours of the day"),
        ('[books]\nlanguage_map = "/etc/medialift/languages.ini"', "A map is a file of YAML or JSON"),
        ('[books]\ntransfer = "hardlink"', "needs server_books"),
        ('[books]\nsocket = "http://books.example:8080/ws"', "starts with ws:// or wss://"),
        ('[books]\ncollection = "My Library"', "books.collection"),
        ('[workers]\nlease = "15s"', "A lease must last for two heartbeats"),
    ],
)
def test_a_wrong_setting_of_books_or_workers_is_named_before_anything_begins(write, text, told):
    with pytest.raises(Permanent) as error:
        settings.load(write(text))
    assert told in str(error.value)


def test_a_wrong_database_address_is_refused_and_not_shown(write):
    with pytest.raises(Permanent) as error:
        settings.load(write('[database]\nurl = "mysql://me:hidden-word@db/x"'))
    assert "starts with postgresql://" in str(error.value)
    assert "hidden-word" not in str(error.value)
