"""A plug-in adds to a book, and whatever it does wrong stays its own."""

import textwrap
from pathlib import Path

import pytest

from medialift.audiobooks import plugins
from medialift.audiobooks.book import Book, Part, Structure
from medialift.audiobooks.metadata.model import Metadata, Series
from tests.audiobook_folders import settings_of

HEAD = "from medialift.audiobooks.plugins import hookimpl\n"


@pytest.fixture
def loaded(tmp_path):
    """The plug-ins of these texts, each a file, and what was told."""

    def load(*, timeout=30.0, **texts):
        paths = []
        for name, text in texts.items():
            path = tmp_path / f"{name}.py"
            path.write_text(HEAD + textwrap.dedent(text))
            paths.append(str(path))
        told = []
        settings = settings_of(tmp_path, plugins=paths, plugin_timeout=timeout)
        return plugins.load(settings, tell=told.append), told

    return load


@pytest.fixture
def book(tmp_path):
    part = Part(tmp_path / "01.mp3", "01.mp3", 10)
    return Book("Ada/Sea", tmp_path, Structure.FLAT, (part,), (), "f")


def test_a_plug_in_is_told_of_each_step_in_plain_types(loaded, book, tmp_path):
    used, told = loaded(
        notes=f"""
        from pathlib import Path
        import json
        def note(*words):
            with Path({str(tmp_path / "notes")!r}).open("a") as file:
                print(json.dumps(words), file=file)
        @hookimpl
        def before_step(step, subject):
            note("before", step, subject["key"], subject["structure"], subject["parts"][0]["name"])
        @hookimpl
        def after_step(step):
            note("after", step)
        @hookimpl
        def ready_for_tagging(file, manifest):
            note(str(file), manifest)
        """
    )
    assert used.before("convert", book) == []
    assert used.after("convert", {"a": 1}) == []
    assert used.ready_for_tagging(Path("/b.m4b"), {"name": "Sea"}) == []
    assert (tmp_path / "notes").read_text().splitlines() == [
        '["before", "convert", "Ada/Sea", "flat", "01.mp3"]',
        '["after", "convert"]',
        '["/b.m4b", {"name": "Sea"}]',
    ]
    assert (told, used.problems, used.names) == ([], (), ("notes",))


def test_metadata_are_enriched_one_after_the_other_and_each_is_the_origin_of_its_own(loaded):
    used, _ = loaded(
        first="""
        @hookimpl
        def enrich_metadata(metadata):
            return {"subtitle": "A Tale", "series": {"name": "Harbour", "part": "2"}}
        """,
        second="""
        @hookimpl
        def enrich_metadata(metadata):
            return {"genres": [metadata["subtitle"].upper()], "authors": ["Ada Example"]}
        """,
    )
    found, problems = used.enrich(Metadata(title="Sea", origin={"title": "audible"}))
    assert problems == []
    assert (found.title, found.subtitle, found.series) == ("Sea", "A Tale", Series("Harbour", "2"))
    assert (found.genres, found.authors) == (("A TALE",), ("Ada Example",))
    assert found.origin == {
        "title": "audible", "subtitle": "first", "series": "first", "genres": "second", "authors": "second",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("7", "no mapping"),
        ("{'titel': 'x', 'title': 'New'}", "no field titel"),
        ("{'authors': 5}", "authors"),
        ("{'year': 'long ago'}", "year"),
        ("{'series': {'number': 1}}", "series"),
    ],
)
def test_metadata_that_do_not_fit_are_left_out_and_said(loaded, returned, said):
    used, told = loaded(odd=f"@hookimpl\ndef enrich_metadata(metadata):\n    return {returned}\n")
    found, problems = used.enrich(Metadata(title="Sea"))
    assert found.title in ("Sea", "New")
    assert len(problems) == 1 and said in problems[0] and "odd" in problems[0]
    assert told == problems


def test_fields_for_the_manifest_are_kept_by_plug_in(loaded):
    used, told = loaded(
        one="@hookimpl\ndef manifest_fields(manifest):\n    return {'shelf': manifest['name'] + '!'}\n",
        two="@hookimpl\ndef manifest_fields(manifest):\n    return {'bad': object()}\n",
        three="@hookimpl\ndef manifest_fields():\n    return None\n",
    )
    assert used.manifest_fields({"name": "Sea"}) == {"one": {"shelf": "Sea!"}}
    assert len(told) == 1 and "two" in told[0] and "JSON" in told[0]


@pytest.mark.parametrize(
    "deed",
    [
        "raise ValueError('a mistake')",
        "raise SystemExit(1)",
        "raise KeyboardInterrupt",
        "1 / 0",
        "import nothing_here",
    ],
)
def test_a_plug_in_that_fails_is_said_and_the_others_go_on(loaded, tmp_path, deed):
    used, told = loaded(
        bad=f"@hookimpl\ndef after_step(step, subject):\n    {deed}\n",
        good=f"""
        @hookimpl
        def after_step(step, subject):
            open({str(tmp_path / "done")!r}, "w").close()
        """,
    )
    (problem,) = used.after("tag", {})
    assert "bad" in problem and "after_step" in problem
    assert told == [problem]
    assert (tmp_path / "done").exists()


def test_a_plug_in_that_hangs_is_left_behind_and_not_called_again(loaded, tmp_path):
    used, _ = loaded(
        timeout=0.2,
        stuck=f"""
        import os, time
        @hookimpl
        def before_step(step, subject):
            while not os.path.exists({str(tmp_path / "go")!r}):
                time.sleep(0.05)
        """,
    )
    assert "did not end within 0.2 s" in used.before("tag", {})[0]
    assert "has not ended" in used.before("tag", {})[0]
    (tmp_path / "go").touch()


def test_a_plug_in_cannot_change_a_book_through_what_it_is_given(loaded):
    used, _ = loaded(
        greedy="""
        @hookimpl
        def before_step(step, subject):
            subject["tags"].append("mine")
            subject.clear()
        """
    )
    manifest = {"tags": ["a"]}
    assert used.before("tag", manifest) == []
    assert manifest == {"tags": ["a"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise RuntimeError('not today')", "not today"),
        ("def f(:", "SyntaxError"),
        ("x = 1", "hookimpl"),
        ("@hookimpl\ndef after_steps(step): pass", "after_steps"),
        ("@hookimpl\ndef after_step(stepp): pass", "stepp"),
        ("API = 99\n@hookimpl\ndef after_step(step): pass", "version 99"),
    ],
)
def test_a_plug_in_that_cannot_be_loaded_is_left_out_and_said(loaded, text, said):
    used, told = loaded(bad=text, good="@hookimpl\ndef after_step(step): pass")
    assert used.names == ("good",)
    assert list(used.problems) == told
    assert len(told) == 1 and said in told[0]
    assert used.after("tag", {}) == []


def test_a_module_is_found_by_its_name_and_one_that_is_missing_is_said(tmp_path, monkeypatch):
    (tmp_path / "shelf_of_a_test.py").write_text(HEAD + "@hookimpl\ndef after_step(step): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    used = plugins.load(settings_of(tmp_path, plugins=["shelf_of_a_test", "no_such_module_here"]))
    assert used.names == ("shelf_of_a_test",)
    assert "no_such_module_here" in used.problems[0]


def test_a_file_that_others_may_write_is_not_run(loaded, tmp_path):
    path = tmp_path / "open.py"
    path.write_text("raise SystemExit('it was run')")
    path.chmod(0o666)
    used = plugins.load(settings_of(tmp_path, plugins=[str(path)]))
    assert used.names == ()
    assert "written by others" in used.problems[0]


def test_secrets_in_an_error_are_masked(loaded):
    used, _ = loaded(bad="@hookimpl\ndef after_step(step):\n    raise ValueError('token=abcdefgh')\n")
    assert "abcdefgh" not in used.after("tag", {})[0]


def test_without_plug_ins_nothing_is_done():
    metadata = Metadata(title="Sea")
    assert plugins.NONE.enrich(metadata) == (metadata, [])
    assert plugins.NONE.before("tag", {}) == []
    assert plugins.NONE.manifest_fields({}) == {}
