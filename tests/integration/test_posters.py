"""Posters out of a Jellyfin that does all that real ones were seen to do, into a folder, and back."""

from __future__ import annotations

import json
import signal

import pytest

from medialift.errors import Permanent, Unsafe
from medialift.posters import operations, working
from medialift.posters.selection import Selection
from medialift.queueing.outcome import Bounds
from medialift.settings import DiagnosticsSettings
from sandbox.jellyfin.faults import Fault
from sandbox.jellyfin.media import Media, png
from tests.poster_world import Posters, poster_world


def everything(posters: Posters) -> dict[str, bytes]:
    return {one.id: one.images["Primary"] for one in posters.media.items.values() if one.images}


# -- downloads ---------------------------------------------------------------------------------------------


def test_all_posters_of_a_server_come_into_the_folder_as_they_are(posters):
    batch = posters.download()
    assert batch["total"] == 8 and batch["state"] == "open"
    posters.run()
    assert posters.files() == everything(posters)
    assert posters.states() == {"done": 8}
    assert {one.name for one in (posters.folder / "pictures/Primary").glob("Film 0001*")} == {
        f"Film 0001 (1951) [{next(iter(everything(posters)))}].png"
    }
    assert all(
        "authorization" in one.headers and "x-emby-token" not in one.headers
        for one in posters.server.calls
        if "Images" in one.path
    )


def test_a_library_and_a_search_choose_what_comes(posters):
    assert posters.download(libraries=["shows"])["total"] == 2
    assert posters.download(search="film 0003")["total"] == 1
    with pytest.raises(Permanent, match=r"no such library.*There are: Movies, Shows"):
        posters.download(libraries=["Music"])
    with pytest.raises(Permanent, match="nothing to do"):
        posters.download(search="nobody made this")


def test_what_is_here_and_of_the_same_version_is_not_asked_for_again(posters):
    posters.download()
    posters.run()
    before = posters.asked("GET")
    posters.download()
    posters.run()
    assert posters.asked("GET") == before
    assert posters.states() == {"skipped": 8}


def test_a_new_version_replaces_the_old_one_which_is_kept(posters):
    posters.download(search="Film 0001")
    posters.run()
    id, old = next(iter(posters.files().items()))
    posters.media.items[id].images["Primary"] = new = png("a new poster")
    posters.download(search="Film 0001")
    posters.run()
    assert posters.files() == {id: new}
    assert [one.read_bytes() for one in posters.folder.glob("kept/*/*") if one.is_file()] == [old]


def test_a_file_that_somebody_changed_here_is_left_until_it_may_be_replaced(posters):
    posters.download(search="Film 0001")
    posters.run()
    id, old = next(iter(posters.files().items()))
    file = next(posters.folder.glob("pictures/Primary/*.png"))
    mine = png("mine")
    file.write_bytes(mine)
    posters.download(search="Film 0001")
    posters.run()
    assert posters.files() == {id: mine} and posters.states() == {"skipped": 1}
    posters.download(search="Film 0001", replace=True)
    posters.run()
    assert posters.files() == {id: old}
    assert [one.read_bytes() for one in posters.folder.glob("kept/*/*") if one.is_file()] == [mine]


def test_items_without_a_picture_and_unknown_ids_are_told_apart(posters):
    bare = posters.media.add("Bare", next(iter(posters.media.libraries)), picture=None)
    posters.download(ids=[bare, "0" * 32])
    posters.run()
    assert posters.states() == {"skipped": 1, "failed": 1}
    (failed,) = posters.failed()
    assert failed["id"] == "0" * 32 and "no such item or picture (404" in failed["why"]
    assert failed["attempts"] == 1


def test_ids_that_are_none_are_refused_before_anything_is_begun(posters):
    for wrong in ("nonsense", "../../etc/passwd", "0" * 31, "g" * 32, ""):
        with pytest.raises(Permanent, match="no id of Jellyfin"):
            posters.download(ids=[wrong])
    assert posters.rows("select count(*) from poster_batch")[0][0] == 0


@pytest.mark.parametrize("kind", ["corrupt", "truncated", "html"])
def test_a_picture_that_comes_broken_is_asked_for_again(posters, kind):
    posters.faults(Fault(kind, times=2, method="GET"))
    posters.download(libraries=["Shows"])
    posters.run()
    assert posters.states() == {"done": 2}
    assert len(posters.files()) == 2


@pytest.mark.parametrize("kind", ["corrupt", "truncated", "html"])
def test_a_picture_that_is_broken_for_good_fails_and_no_half_of_it_lies_anywhere(posters, kind):
    broken = next(iter(everything(posters)))
    posters.faults(Fault(kind, id=broken))
    posters.download()
    posters.run()
    assert posters.states() == {"done": 7, "failed": 1}
    (failed,) = posters.failed()
    assert failed["id"] == broken and failed["error_kind"] == "transient" and failed["attempts"] == 3
    assert broken not in posters.files()
    assert not list(posters.folder.rglob("*.part"))


@pytest.mark.parametrize(
    ("status", "attempts", "said"),
    [(400, 1, "does not take"), (404, 1, "no such item"), (500, 3, "fails"), (429, 3, "too much to do")],
)
def test_what_a_status_means_decides_whether_it_is_tried_again(posters, status, attempts, said):
    one = next(iter(everything(posters)))
    posters.faults(Fault("status", status=status, id=one, retry_after="0"))
    posters.download(ids=[one])
    posters.run()
    (failed,) = posters.failed()
    assert (failed["attempts"], posters.asked("GET")) == (attempts, attempts)
    assert said in failed["why"]


def test_a_server_that_is_too_busy_is_left_alone_as_long_as_it_says(posters):
    posters.faults(Fault("status", status=429, times=1, retry_after="1"))
    posters.given["concurrency"] = 1
    batch = posters.download(libraries=["Shows"])
    posters.run()
    assert posters.states() == {"done": 2}
    began, ended = posters.rows(
        "select extract(epoch from min(i.created)), extract(epoch from min(i.changed)) from item i"
    )[0]
    assert batch["total"] == 2 and ended - began >= 1.0


def test_connections_that_break_are_tried_again_and_no_more_than_was_said(posters):
    one, *_ = everything(posters)
    posters.faults(Fault("reset", times=2, id=one))
    posters.download()
    posters.run()
    assert posters.states() == {"done": 8}
    assert posters.asked("GET") == 10


@pytest.mark.parametrize("session", ["shared", "per_request"])
def test_a_batch_may_have_its_own_way_of_connections(posters, session):
    posters.download(options={"session": session, "concurrency": 1})
    posters.run()
    assert posters.states() == {"done": 8}


def test_a_wrong_option_is_refused(posters):
    for wrong in ({"session": "none"}, {"concurrency": 0}, {"interval": -1}, {"colour": "red"}):
        with pytest.raises(Permanent, match="option"):
            posters.download(options=wrong)


def test_while_the_server_is_down_no_picture_pays_and_all_goes_on_when_it_is_up(posters):
    posters.given["max_retries"] = 0
    posters.download()
    posters.faults(Fault("status", status=503), Fault("status", status=503, path="/System/Ping"))
    process = posters.spawn()
    posters.until(lambda: posters.asked(path="/System/Ping") >= 2)
    posters.faults()
    posters.until(lambda: posters.states() == {"done": 8})
    process.terminate()
    assert process.wait(30) == 0


def test_a_folder_that_is_away_fails_nothing(posters):
    posters.download()
    gone = posters.folder.rename(posters.root / "away")
    process = posters.spawn()
    posters.until(lambda: bool(posters.rows("select 1 from worker where name = 'one'")))
    gone.rename(posters.folder)
    posters.until(lambda: posters.states() == {"done": 8})
    process.terminate()
    assert process.wait(30) == 0


def test_a_worker_that_is_killed_leaves_everything_to_the_next_and_nothing_half(posters):
    posters.faults(Fault("slow", seconds=0.3, method="GET"))
    posters.download()
    first = posters.spawn("first")
    posters.until(lambda: posters.states().get("done", 0) >= 2)
    first.send_signal(signal.SIGKILL)
    first.wait()
    done = posters.states()["done"]
    posters.faults()
    second = posters.spawn("second")

    def over() -> bool:
        posters.sweep()
        return posters.states() == {"done": 8}

    posters.until(over)
    second.terminate()
    second.wait(30)
    assert posters.files() == everything(posters)
    assert posters.asked("GET") <= 8 + 8 - done


def test_a_batch_that_is_cancelled_begins_nothing_more_and_can_be_taken_up_again(posters):
    batch = posters.download()
    told = operations.cancel(posters.settings, batch["id"])
    assert told["count"] == 8 and told["batch"]["state"] == "cancelled"
    posters.run()
    assert posters.asked() == 0
    again = operations.retry(posters.settings, batch["id"])
    assert again["count"] == 8 and again["batch"]["state"] == "open"
    posters.run()
    assert posters.states() == {"done": 8}


def test_failed_items_are_listed_and_tried_again_one_or_all(posters):
    one, two, *_ = everything(posters)
    posters.faults(Fault("status", status=404, id=one), Fault("status", status=404, id=two))
    batch = posters.download()
    posters.run()
    failed = posters.failed(batch["id"])
    assert {row["id"] for row in failed} == {one, two}
    posters.faults()
    assert operations.retry(posters.settings, batch["id"], items=[failed[0]["item"]])["count"] == 1
    posters.run()
    assert posters.states() == {"done": 7, "failed": 1}
    with pytest.raises(Permanent, match="cannot be tried again"):
        operations.retry(posters.settings, batch["id"], items=[failed[0]["item"]])
    assert operations.retry(posters.settings, batch["id"])["count"] == 1
    posters.run()
    assert posters.states() == {"done": 8}


def test_another_server_cannot_take_the_place_of_the_one_whose_ids_these_are(posters):
    posters.download()
    posters.server.name = "another"
    with pytest.raises(Unsafe, match="of another Jellyfin"):
        posters.download()


# -- uploads and what was there before -----------------------------------------------------------------------


def test_an_upload_replaces_the_picture_once_the_old_one_is_kept(posters):
    one, old = next(iter(everything(posters).items()))
    mine = png("mine")
    posters.upload({one: mine})
    posters.run()
    assert posters.media.picture(one) == mine
    assert posters.asked("POST") == 1
    (kept,) = [file for file in posters.folder.glob("kept/*/*") if file.is_file()]
    assert kept.read_bytes() == old


def test_an_upload_that_is_there_already_is_not_sent(posters):
    one, old = next(iter(everything(posters).items()))
    posters.upload({one: old})
    posters.run()
    assert posters.asked("POST") == 0 and posters.states() == {"skipped": 1}


@pytest.mark.parametrize("kind", ["stored_silently", "stored_late"])
def test_an_upload_whose_answer_was_lost_is_looked_for_before_it_is_sent_again(posters, kind):
    posters.given["timeout"] = 1
    one = next(iter(everything(posters)))
    mine = png("mine")
    posters.faults(Fault(kind, method="POST", seconds=1.5))
    posters.upload({one: mine})
    posters.run()
    assert posters.asked("POST") == 1
    assert posters.media.picture(one) == mine
    assert posters.states() == {"done": 1}
    assert posters.rows("select result->>'how' from item")[0][0] == "found after an answer was lost"


def test_an_upload_that_never_arrived_is_sent_again(posters):
    one = next(iter(everything(posters)))
    posters.faults(Fault("reset", method="POST", times=1))
    posters.upload({one: (mine := png("mine"))})
    posters.run()
    assert posters.asked("POST") == 2 and posters.media.picture(one) == mine


def test_what_a_batch_replaced_is_put_back_where_it_was_and_where_nothing_was_nothing(posters):
    one, old = next(iter(everything(posters).items()))
    bare = posters.media.add("Bare", next(iter(posters.media.libraries)), picture=None)
    batch = posters.upload({one: png("mine"), bare: png("mine too")})
    posters.run()
    operations.restore(posters.settings, batch=batch["id"])
    posters.run()
    assert posters.media.picture(one) == old and posters.media.picture(bare) is None
    # And what was taken away by that is not lost either.
    assert {file.read_bytes() for file in posters.folder.glob("kept/*/*") if file.is_file()} >= {
        old,
        png("mine"),
        png("mine too"),
    }


def test_what_a_worker_sent_that_did_not_live_to_tell_is_put_back_too(posters):
    one, old = next(iter(everything(posters).items()))
    batch = posters.upload({one: (mine := png("mine"))})
    posters.faults(Fault("slow", method="POST", seconds=30))
    worker = posters.spawn("first")
    posters.until(lambda: posters.asked("POST") == 1)
    worker.kill()
    worker.wait()
    # It arrived all the same.
    posters.media.items[one].images["Primary"] = mine
    posters.faults()
    posters.until(lambda: posters.sweep() or posters.states() == {"ready": 1})
    posters.run()
    assert posters.states() == {"skipped": 1} and posters.asked("POST") == 1
    operations.restore(posters.settings, batch=batch["id"])
    posters.run()
    assert posters.media.picture(one) == old


def test_what_a_batch_asked_is_recorded_while_the_batch_debug_log_is_on(posters):
    broken = next(iter(everything(posters)))
    posters.faults(Fault("status", status=404, id=broken), Fault("reset", times=1))
    batch = posters.download()
    records = posters.root / "records"
    settings = posters.settings.model_copy(
        update={"diagnostics": DiagnosticsSettings(folder=records, batch_debug=True)}
    )
    working.work(settings, posters.database, "recorded", Bounds(until_done=True))
    (file,) = records.glob("job_*.json")
    assert file.name.startswith(f"job_posters-{batch['id']}_")
    told = json.loads(file.read_text())
    assert "sandbox-jellyfin-key" not in file.read_text()
    assert told["environment"]["product"] == "Jellyfin"
    statuses = [one.get("status") for one in told["requests"] if "/Images/" in one["url"]]
    assert len(statuses) == posters.asked() == 9
    assert statuses.count(404) == 1 and statuses.count(200) == 7


def test_the_first_picture_is_put_back_after_several_uploads(posters):
    one, old = next(iter(everything(posters).items()))
    for words in ("first", "second"):
        posters.upload({one: png(words)})
        posters.run()
    operations.restore(posters.settings, ids=[one])
    posters.run()
    assert posters.media.picture(one) == old
    operations.restore(posters.settings, ids=[one], which="last")
    posters.run()
    assert posters.media.picture(one) == png("second")


def test_a_kept_picture_that_is_another_now_is_not_put_back(posters):
    one = next(iter(everything(posters)))
    batch = posters.upload({one: (mine := png("mine"))})
    posters.run()
    next(file for file in posters.folder.glob("kept/*/*") if file.is_file()).write_bytes(b"something")
    operations.restore(posters.settings, batch=batch["id"])
    posters.run()
    assert posters.media.picture(one) == mine
    assert posters.failed()[0]["error_kind"] == "unsafe"


def test_a_key_that_is_refused_pauses_all_and_fails_nothing(posters):
    one, two, *_ = everything(posters)
    posters.upload({one: png("mine"), two: png("mine too")})
    posters.server.key = "another"
    process = posters.spawn()
    posters.until(lambda: operations.look(posters.settings).control.paused)
    now = operations.look(posters.settings)
    assert "refuses the key (401" in now.control.why and not posters.failed()
    posters.server.key = "sandbox-jellyfin-key"
    operations.resume(posters.settings)
    posters.until(lambda: posters.states() == {"done": 2})
    process.terminate()
    process.wait(30)


def test_two_batches_never_replace_the_same_picture_at_once(posters):
    one = next(iter(everything(posters)))
    first = posters.upload({one: png("mine")})
    second = posters.upload({one: png("mine")})
    assert (first["states"], second["states"]) == ({"ready": 1}, {"skipped": 1})


def test_pictures_that_are_none_and_kinds_that_cannot_be_replaced_are_refused(posters):
    one = next(iter(everything(posters)))
    with pytest.raises(Permanent, match="added to the others"):
        posters.upload({one: png("mine")}, image="Backdrop")
    posters.upload({one: b"\x89PNG\r\n\x1a\n nothing"})
    posters.run()
    assert posters.asked("POST") == 0
    assert "cut off" in posters.failed()[0]["why"]


def test_files_without_an_id_are_left_and_named(posters):
    one = next(iter(everything(posters)))
    place = posters.folder / "upload"
    place.mkdir()
    (place / f"{one}.png").write_bytes(png("mine"))
    (place / "holiday.jpg").write_bytes(b"")
    (place / "notes.txt").write_text("")
    told = operations.upload(posters.settings)
    assert told["batch"]["total"] == 1 and set(told["left"]) == {"holiday.jpg", "notes.txt"}


# -- many ----------------------------------------------------------------------------------------------------


def test_a_library_of_two_pages_comes_whole(tmp_path, database):
    media = Media()
    films = media.library("Movies")
    for number in range(620):
        media.add(f"Film {number:04}", films, picture=None)
    with poster_world(tmp_path, database, media) as posters:
        batch = operations.download(posters.settings, Selection())["batch"]
    assert batch["total"] == 620 and batch["states"] == {"skipped": 620} and batch["finished"]
