"""The module jellyfin_posters, as Ansible runs it, with a real ledger and a Jellyfin with pictures."""

from __future__ import annotations

from threading import Thread

import pytest

from sandbox.jellyfin.faults import Fault
from sandbox.jellyfin.media import png


@pytest.fixture
def module(posters, run_module):
    """module("download", libraries=[...]) with the settings file of this host."""
    given = {name: value for name, value in posters.given.items() if name != "key_file"}
    lines = [f"{name} = {value!r}".replace("'", '"') for name, value in given.items()]
    config = posters.root / "posters.toml"
    config.write_text(
        f'[database]\nurl = "{posters.database.url}"\n[posters]\n'
        f'key_file = "{posters.given["key_file"]}"\n' + "\n".join(lines) + "\n"
    )
    config.chmod(0o600)

    def run(action, *, check=False, **options):
        return run_module(
            "jellyfin_posters", {"action": action, "config": str(config), **options}, check=check, diff=True
        )

    return run


def test_a_batch_is_foreseen_begun_and_told_of(posters, module):
    foreseen = module("download", check=True, libraries=["Movies"])
    assert foreseen["changed"] and foreseen["batch"]["total"] == 6
    assert posters.rows("select count(*) from poster_batch")[0][0] == 0
    begun = module("download", libraries=["Movies"])
    assert begun["changed"] and begun["batch"]["states"] == {"ready": 6}
    assert begun["diff"]["after"] == "ready: 6\n"
    posters.run()
    told = module("status")
    assert not told["changed"] and told["batch"]["states"] == {"done": 6}


def test_a_survey_that_was_left_empty_means_everything(posters, module):
    told = module("download", check=True, libraries="", ids="")
    assert told.get("msg", "") == "" and told["batch"]["total"] == 8
    assert module("download", check=True, libraries="Movies, Shows")["batch"]["total"] == 8


def test_a_batch_that_is_waited_for_fails_the_task_when_something_failed(posters, module):
    broken = next(iter(posters.media.items))
    posters.faults(Fault("status", status=404, id=broken))
    working = Thread(target=lambda: posters.until(_begun(posters)) or posters.run())
    working.start()
    done = module("download", wait=True, timeout="60s")
    working.join(60)
    assert done["failed"] and "1 of 8" in done["subject"] and "posters failed" in done["hint"]
    posters.faults()
    assert module("retry", check=True)["changed"]
    assert module("retry")["count"] == 1
    posters.run()
    assert not module("retry", check=True)["changed"]


def test_what_was_replaced_is_put_back_and_a_wrong_batch_is_refused(posters, module):
    one, item = next(iter(posters.media.items.items()))
    old = item.images["Primary"]
    mine = posters.root / "mine"
    mine.mkdir()
    (mine / f"{one}.png").write_bytes(png("mine"))
    (mine / "holiday.png").write_bytes(png("holiday"))
    sent = module("upload", folder=str(mine))
    assert set(sent["left"]) == {"holiday.png"}
    posters.run()
    number = sent["batch"]["id"]
    assert module("restore", batch=number, check=True)["batch"]["total"] == 1
    module("restore", batch=number)
    posters.run()
    assert posters.media.picture(one) == old
    assert "no such batch" in module("restore", batch=99)["msg"]
    assert module("cancel", batch=number)["changed"] is False


def _begun(posters):
    return lambda: bool(posters.rows("select 1 from poster_batch"))
