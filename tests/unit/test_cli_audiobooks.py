"""How `medialift audiobooks` shows what it knows, and how its bar is told: no ledger is needed."""

from datetime import UTC, datetime

from medialift.audiobooks.metrics import Figures, Tagged, Totals
from medialift.audiobooks.runs import Run
from medialift.audiobooks.status import Status, Waiting
from medialift.cli import audiobooks_shown as shown
from medialift.cli.face import Face
from medialift.queueing.control import Control

NOON = datetime(2020, 1, 2, 12, tzinfo=UTC)
NOTHING = Totals()


def status(*items, lifetime=NOTHING, recent=(), failures=(), backlog=None, control=None, hindered=()):
    todo = len(hindered)
    figures = Figures(
        lifetime, NOTHING, Tagged(tagged=3, person=1), Tagged(), 2, None, {}, backlog or {}, 5_000_000, todo
    )
    return Status("audiobooks", figures, recent, failures, items, (), control or Control(), hindered)


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_status_tells_figures_what_waits_and_what_needs_a_person(capsys):
    now = status(
        Waiting("convert", "Ada/Ledger", "working", attempts=1, bytes=2_000_000, worker="host"),
        Waiting("tag", "Ledger", "again", why="Audnexus does not answer", again_at=NOON),
        Waiting(
            "tag",
            "Harbour",
            "person",
            why="No candidate is sure",
            details={"candidates": [{"asin": "B0TEST0001", "title": "Harbour", "confidence": 0.7}]},
        ),
        lifetime=Totals(
            converted=9, failed=1, seconds=90.0, played=36_000.0, bytes=10_000_000, fastest=5, slowest=20
        ),
        recent=(
            Run(
                "convert", "Ada/Ledger", "done", name="Ledger", how="splice", seconds=10, played=3600, at=NOON
            ),
        ),
        failures=(Run("convert", "Broken", "failed", error_text="The file is truncated", at=NOON),),
        backlog={"convert": 1, "tag": 1},
    )
    shown.status(Face(as_json=False), now.to_dict())
    told = lines(capsys)
    assert told[0] == "audiobooks: 1 at work, 1 waiting, 1 for you; no service runs"
    assert told[2] == "lifetime\t9\t1\t90 %\t10 s\t5 s\t20 s\t10 h\t10 MB"
    assert "tagging: 3 tagged, 1 needed a person, 0 failed; 75 % right by itself" in told
    assert "backlog: 1 to convert, 1 to tag, 5 MB of sources" in told
    text = "\n".join(told)
    assert "converting\tAda/Ledger\t1\t2 MB\thost" in text
    assert "Ledger\tdone\tjoined\t1 h\t10 s" in text
    assert "convert Broken (try 1)\n      The file is truncated" in text
    assert "again\ttag\tLedger" in text and "Audnexus does not answer" in text
    asked = text.index("? Harbour (tag, person)\n      No candidate is sure\n")
    assert text.index("medialift audiobooks tag Harbour --asin …") > asked
    assert "70 %\tB0TEST0001\tHarbour" in text


def test_what_needs_a_person_tells_what_to_type(capsys):
    shown.status(
        Face(as_json=False),
        status(
            Waiting("convert", "Ada/It's", "failed", why="It is truncated", put_aside="/failed/It's"),
            Waiting("deliver", "Two Books", "person", why="It waits to be approved"),
            Waiting("deliver", "Other", "failed", why="A different book is there"),
            Waiting("convert", "Mixed", "refused", why="It can be read in two ways"),
        ).to_dict(),
    )
    told = "\n".join(lines(capsys))
    assert """      /failed/It's\n      medialift audiobooks retry 'Ada/It'"'"'s'""" in told
    assert "medialift audiobooks approve 'Two Books'" in told
    assert "medialift audiobooks retry deliver/Other" in told
    assert told.endswith("✗ Mixed (convert, refused)\n      It can be read in two ways")


def test_what_could_not_be_done_after_a_book_is_told_in_sentences(capsys):
    detail = {"name": "Ledger", "book": {"key": "Ada/Ledger"}}
    one = {"what": "complete", "tries": 2, "error": "It may not be moved: x. Give rights.", "detail": detail}
    shown.status(Face(as_json=False), status(hindered=(one,)).to_dict())
    said = (
        "  ! Ledger: its sources could not be put away, 2 tries so far: It may not be moved: x. Give rights."
    )
    assert said in lines(capsys)


def test_an_inbox_without_anything_says_so(capsys):
    shown.status(Face(as_json=False), status().to_dict())
    assert lines(capsys)[0] == "audiobooks: nothing to do; no service runs"


def test_a_name_out_of_a_library_is_no_markup(capsys):
    shown.status(Face(as_json=False), status(Waiting("convert", "[red]Ledger[/]", "failed")).to_dict())
    assert "[red]Ledger[/]" in capsys.readouterr().out


def test_the_bar_counts_what_was_left_at_most_and_says_what_goes_on():
    position = shown.Position()
    waiting = [Waiting("convert", f"Book {number}", "waiting") for number in range(3)]
    assert position.of(status(*waiting)) == (0, 3, "")
    working = Waiting("tag", "Book 0", "working")
    assert position.of(status(working, waiting[2])) == (1, 3, "tagging Book 0")
    person = Waiting("tag", "Book 0", "person")
    assert position.of(status(person)) == (3, 3, "1 need you")
    assert shown.Position().of(status()) == (0, None, "")


def test_faults_are_told_with_their_fixes_and_old_names_beside(capsys):
    told = {
        "file": "/etc/medialift/medialift.toml",
        "faults": [{"where": "audiobooks.inbox", "what": "there is no folder", "fix": "Make it"}],
        "warnings": [{"where": "audiobooks.cores", "what": "this machine has 2", "fix": "Use 2"}],
        "old_variables": {"CPU_CORES": "MEDIALIFT_AUDIOBOOKS__CORES"},
        "without_effect": {"USE_DOCKER": "m4b-tool is not used"},
    }
    shown.faults(Face(as_json=False), told)
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "✗ audiobooks.inbox: there is no folder",
        "    Make it",
        "! audiobooks.cores: this machine has 2",
        "    Use 2",
        "1 thing is wrong (/etc/medialift/medialift.toml)",
    ]
    assert said.err.splitlines() == [
        "CPU_CORES counts as MEDIALIFT_AUDIOBOOKS__CORES",
        "USE_DOCKER has no effect: m4b-tool is not used",
    ]


def test_a_difference_of_tags_names_what_is_missing_and_how_to_say_it(capsys):
    done = {
        "changed": False,
        "name": "Ledger",
        "state": "converted",
        "changes": [{"field": "©nam", "old": "", "new": "The Ledger"}],
        "needs_person": ["The ASIN is missing"],
        "confidence": 0.9,
        "why": "by title and length",
        "candidates": [],
    }
    shown.tagged(Face(as_json=False), done, dry_run=True)
    assert lines(capsys) == [
        "tag\tbefore\tafter",
        "©nam\t\tThe Ledger",
        "Ledger: 1 tags would be changed; by title and length (90 % sure)",
        "! The ASIN is missing",
        "Say what you know: medialift audiobooks tag Ledger --asin … or --set FIELD=VALUE",
    ]


def test_chapters_are_told_to_the_millisecond(capsys):
    done = {
        "changed": True,
        "book": "/b.m4b",
        "target": "/c.txt",
        "chapters": [{"start": 0, "end": 3723.4567, "title": "One"}],
    }
    shown.chapters(Face(as_json=False), done)
    assert lines(capsys) == [
        "#\tbegins\tends\ttitle",
        "1\t0:00:00.000\t1:02:03.457\tOne",
        "Written to /c.txt",
    ]
    shown.chapters(Face(as_json=False), done, check=True)
    assert lines(capsys)[-1] == "/b.m4b would get these"
