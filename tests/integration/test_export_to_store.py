"""Exports straight into a real S3 server: no second copy, no partial object, proven by reading back."""

from __future__ import annotations

import dataclasses
import os

import pytest

from medialift.errors import MedialiftError, Permanent, Transient, Unsafe
from medialift.foundation import archive
from medialift.plex import manifest
from medialift.plex.export import export
from medialift.plex.places import FolderPlace, StorePlace
from tests.unit.plex.export_world import SteppingClock, make_data, means, request

NAME = "reference/home-20261118T110640Z.tar.zst"
KEY = f"plex/{NAME}"


@pytest.fixture
def world(store_of_test):
    return store_of_test


@pytest.fixture
def place(world):
    return StorePlace(world.store, world.bucket, "plex")


@pytest.fixture
def impatient_place(world):
    """That place for tests whose fault does not pass: they need not wait until it is given up."""
    return StorePlace(dataclasses.replace(world.store, patience=0.1), world.bucket, "plex")


@pytest.fixture
def data(tmp_path):
    made = make_data(tmp_path / "plex")
    # Enough that does not shrink for an upload of three parts.
    (made.path / "Metadata" / "artwork").write_bytes(os.urandom(40 << 20))
    return made


@pytest.fixture
def run(tmp_path, data):
    def run(*places, with_=None, **changes):
        changes = {"work": tmp_path / "work", **changes}
        return export(data, places, request(**changes), means(tmp_path, **(with_ or {})))

    return run


def test_an_archive_goes_up_in_parts_and_is_found_again(run, world, place, tmp_path):
    exported = run(place)
    assert exported.archives == (f"s3://medialift/{KEY}",)
    assert world.keys() == [KEY, KEY + ".json"]
    assert world.unfinished_uploads() == []
    found = manifest.newest(place, "reference", "home")
    with found.open() as stream:
        verified = archive.verify(stream)
    assert verified.sha256 == exported.facts.sha256 == found.sidecar.archive.sha256
    # The parts show in the ETag: "<md5>-3".
    assert world.store.client.head_object(Bucket=world.bucket, Key=KEY)["ETag"].endswith('-3"')
    assert list((tmp_path / "work").iterdir()) == []


def test_store_and_folder_are_written_in_one_pass(run, world, place, tmp_path):
    folder = FolderPlace(tmp_path / "archives")
    exported = run(place, folder)
    assert exported.archives == (f"s3://medialift/{KEY}", str(folder.path / NAME))
    assert world.content(KEY) == (folder.path / NAME).read_bytes()


@pytest.mark.parametrize(
    ("changes", "bucket", "message"),
    [
        ({"secret_key": "wrong"}, "medialift", "does not accept the credentials"),
        ({"access_key": "", "secret_key": ""}, "medialift", "credentials are missing"),
        ({}, "none", "no such bucket: s3://none"),
    ],
)
def test_a_wrong_store_is_noticed_before_plex_is_touched(run, world, changes, bucket, message):
    wrong = StorePlace(dataclasses.replace(world.store, **changes), bucket, "plex")
    asked = []

    class Service:
        def running(self):
            asked.append("running")
            return True

        stop = start = running

    with pytest.raises(Permanent, match=message):
        run(wrong, with_={"service": Service()})
    assert asked == []


@pytest.mark.parametrize(
    ("action", "match", "more"),
    [
        ("status503", r"PUT .*partNumber=2", {}),
        ("reset", r"PUT .*partNumber=3", {"after_bytes": 1 << 20}),
        ("status403", r"POST .*uploadId=", {}),
    ],
    ids=["a part is refused", "a part is cut off", "the end is refused"],
)
def test_an_upload_that_fails_leaves_no_object_and_no_parts(run, world, impatient_place, action, match, more):
    world.faults.add(action, match, **more)
    with pytest.raises((Transient, Permanent)):
        run(impatient_place)
    world.faults.clear()
    assert world.keys() == []
    assert world.unfinished_uploads() == []


def test_short_faults_during_upload_and_verification_are_overcome(run, world, place):
    world.faults.add("status503", "PUT .*partNumber", times=2)
    world.faults.add("truncate", f"GET /medialift/{KEY}$", after_bytes=10 << 20, times=2)
    exported = run(place)
    assert manifest.newest(place, "reference", "home").sidecar.archive == exported.facts


def test_an_object_altered_in_the_store_is_caught_and_removed(run, world, data, place):
    class Altering(StorePlace):
        def create(self, name):
            pending = super().create(name)
            finish = pending.finish

            def tampered():
                finish()
                content = bytearray(world.content(KEY))
                content[len(content) // 2] ^= 1
                world.store.client.put_object(Bucket=world.bucket, Key=KEY, Body=bytes(content))

            pending.finish = tampered
            return pending

    with pytest.raises(Unsafe, match=r"damaged on its way.*s3://medialift/plex/reference"):
        run(Altering(world.store, world.bucket, "plex"))
    assert world.keys() == []


def test_when_the_store_dies_after_the_upload_what_is_left_is_not_taken_for_an_archive(
    run, world, place, impatient_place
):
    # The archive is up, and from then on nothing answers: it cannot be proven, described or removed.
    world.faults.add("status503", f"(GET|PUT|DELETE) /medialift/{KEY}(.json)?$")
    with pytest.raises(MedialiftError):
        run(impatient_place)
    world.faults.clear()
    assert world.keys() == [KEY]
    with pytest.raises(Permanent, match=r"no usable reference archive.*never verified"):
        manifest.newest(place, "reference", "home")


def test_uploads_of_killed_exports_are_aborted_when_they_are_old(run, world, place):
    for name in ("reference/home-20261101T000000Z.tar.zst", "reference/home-20261118T110000Z.tar.zst"):
        world.store.client.create_multipart_upload(Bucket=world.bucket, Key=f"plex/{name}")
    run(place, contents=("databases",), with_={"clock": SteppingClock()})
    # The young one may be an export that is going on.
    assert world.unfinished_uploads() == ["plex/reference/home-20261118T110000Z.tar.zst"]
