"""The object store through a real S3 server: clear errors, resumed reads, and no partial object ever."""

from __future__ import annotations

import dataclasses
import hashlib
import os

import pytest

from medialift.cloud import objects
from medialift.errors import Permanent, Transient

MIB = 1 << 20
# S3 wants 5 MiB in every part but the last.
PART = 5 * MIB


@pytest.fixture
def world(store_of_test):
    return store_of_test


def other(world, **changes):
    return dataclasses.replace(world.store, **changes)


@pytest.fixture
def impatient(world):
    """The store for tests whose fault does not pass: they need not wait until it is given up."""
    return other(world, patience=0.1)


def test_the_secret_never_shows_in_a_repr(world):
    assert world.store.secret_key not in repr(world.store)
    assert world.store.access_key not in repr(world.store)


def test_a_good_bucket_is_good_and_stays_as_it_was(world):
    objects.check(world.store, world.bucket, write=True, prefix="plex")
    assert world.keys() == []
    assert world.unfinished_uploads() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"secret_key": "wrong"}, "does not accept the credentials"),
        ({"access_key": "WRONG"}, "does not accept the credentials"),
        ({"secret_key": ""}, "credentials are missing"),
        ({"endpoint": "nonsense"}, "address is malformed"),
    ],
)
def test_wrong_credentials_are_said_at_once_and_not_tried_again(world, changes, message):
    with pytest.raises(Permanent, match=message) as caught:
        objects.check(other(world, **changes), world.bucket, write=False)
    assert "wrong" not in str(caught.value).lower().replace("wrong credentials", "")


def test_an_absent_bucket_is_named(world):
    with pytest.raises(Permanent, match=r"no such bucket: s3://none"):
        objects.check(world.store, "none", write=True)
    with pytest.raises(Permanent, match="malformed"):
        objects.check(world.store, "Not A Bucket", write=True)


def test_a_refusal_is_permanent_and_an_outage_is_not(world, impatient):
    with world.faults.active("status403"), pytest.raises(Permanent, match="refuses access"):
        objects.check(impatient, world.bucket, write=False)
    with world.faults.active("status503"), pytest.raises(Transient, match="busy or failing"):
        objects.check(impatient, world.bucket, write=False)
    with world.faults.active("refuse"), pytest.raises(Transient, match="cannot be reached"):
        objects.check(impatient, world.bucket, write=False)


def test_a_short_outage_is_not_even_noticed(world):
    world.faults.add("status503", "GET", times=3)
    objects.check(other(world, patience=30), world.bucket, write=False)


def test_small_objects_are_put_read_listed_and_deleted(world):
    for number in range(3):
        objects.put_bytes(world.store, world.bucket, f"a/{number}", b"x" * number)
    assert objects.get_bytes(world.store, world.bucket, "a/2") == b"xx"
    assert [(o.key, o.size) for o in objects.list_objects(world.store, world.bucket, "a/")] == [
        ("a/0", 0),
        ("a/1", 1),
        ("a/2", 2),
    ]
    assert objects.head(world.store, world.bucket, "a/1").size == 1
    objects.delete(world.store, world.bucket, "a/1")
    objects.delete(world.store, world.bucket, "a/1")
    assert objects.head(world.store, world.bucket, "a/1") is None
    with pytest.raises(Permanent, match=r"no such object: s3://medialift/a/1"):
        objects.get_bytes(world.store, world.bucket, "a/1")
    with pytest.raises(Permanent, match="larger than"):
        objects.get_bytes(world.store, world.bucket, "a/2", at_most=1)


def test_a_list_longer_than_a_page_is_complete(world):
    for number in range(5):
        objects.put_bytes(world.store, world.bucket, f"p/{number}", b"")
    listed = objects.list_objects(world.store, world.bucket, "p/", page=2)
    assert [found.key for found in listed] == [f"p/{number}" for number in range(5)]


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 3 * PART - 1])
def test_an_upload_appears_whole_when_committed(world, size):
    content = os.urandom(size)
    with objects.Upload(world.store, world.bucket, "big", part_size=PART) as upload:
        for start in range(0, size, 1_000_003):
            upload.write(content[start : start + 1_000_003])
        assert world.keys() == []
        facts = upload.commit()
    assert facts.size == size
    with objects.open_reader(world.store, world.bucket, "big") as reader:
        assert reader.read() == content
    assert world.unfinished_uploads() == []


def test_an_interrupted_upload_leaves_nothing(world):
    with pytest.raises(KeyboardInterrupt), objects.Upload(world.store, world.bucket, "big") as upload:
        upload.write(b"x" * (objects.PART_SIZE + 1))
        raise KeyboardInterrupt
    assert world.keys() == []
    assert world.unfinished_uploads() == []


def test_a_store_that_fails_during_an_upload_leaves_nothing_visible(world, impatient):
    with (
        pytest.raises(Transient),
        objects.Upload(impatient, world.bucket, "big", part_size=PART) as upload,
    ):
        world.faults.add("status503", "PUT")
        upload.write(b"x" * 2 * PART)
        upload.commit()
    assert world.keys() == []
    assert world.unfinished_uploads() == []


def test_parts_that_are_reset_on_the_way_are_sent_again(world):
    content = os.urandom(3 * PART)
    world.faults.add("reset", "PUT", after_bytes=MIB, times=3)
    with objects.Upload(world.store, world.bucket, "big", part_size=PART) as upload:
        upload.write(content)
        upload.commit()
    assert hashlib.sha256(world.content("big")).digest() == hashlib.sha256(content).digest()


def test_a_commit_whose_answer_was_lost_still_counts(world):
    # The store completes the upload, and the connection breaks before its answer arrives.
    world.faults.add("truncate", r"POST .*uploadId=", after_bytes=400, times=1)
    with objects.Upload(world.store, world.bucket, "big") as upload:
        upload.write(b"x")
        upload.commit()
    assert world.content("big") == b"x"


def test_uploads_left_by_a_killed_run_are_found_and_can_be_aborted(world):
    world.store.client.create_multipart_upload(Bucket=world.bucket, Key="plex/reference/a.tar.zst")
    (found,) = objects.unfinished_uploads(world.store, world.bucket, "plex/")
    assert found.key == "plex/reference/a.tar.zst"
    objects.abort_upload(world.store, world.bucket, found)
    objects.abort_upload(world.store, world.bucket, found)
    assert world.unfinished_uploads() == []


@pytest.mark.parametrize("action", ["truncate", "reset"])
def test_a_read_that_breaks_goes_on_where_it_broke(world, action):
    content = os.urandom(6 * MIB)
    objects.put_bytes(world.store, world.bucket, "big", content)
    world.faults.reset_counters()
    world.faults.add(action, "GET", after_bytes=2 * MIB, times=2)
    with objects.open_reader(world.store, world.bucket, "big") as reader:
        assert reader.read() == content
    counters = world.faults.counters()
    assert counters["by_action"][action] == 2
    # Each time only what was missing is asked for again, not the whole object. What lay in the buffers of
    # a connection when it was reset is lost with it.
    assert counters["bytes"] < len(content) + 4 * MIB


def test_a_read_that_hangs_is_broken_off_and_goes_on(world):
    content = os.urandom(2 * MIB)
    objects.put_bytes(world.store, world.bucket, "big", content)
    world.faults.add("hang", "GET", after_bytes=MIB, times=1)
    with objects.open_reader(world.store, world.bucket, "big") as reader:
        assert reader.read() == content


def test_a_store_that_stays_away_ends_the_read_with_an_error(world, impatient):
    objects.put_bytes(world.store, world.bucket, "big", os.urandom(6 * MIB))
    world.faults.add("status503", "GET")
    world.faults.add("truncate", "GET", after_bytes=2 * MIB, times=1)
    with (
        objects.open_reader(impatient, world.bucket, "big") as reader,
        pytest.raises(Transient, match="busy or failing"),
    ):
        reader.read()


def test_an_object_that_was_replaced_during_a_read_is_an_error_not_a_mixture(world):
    objects.put_bytes(world.store, world.bucket, "big", b"a" * 4 * MIB)
    world.faults.add("truncate", "GET", after_bytes=MIB, times=1)
    with objects.open_reader(world.store, world.bucket, "big") as reader:
        reader.read(1)
        objects.put_bytes(world.store, world.bucket, "big", b"b" * 4 * MIB)
        with pytest.raises(Permanent, match="replaced"):
            reader.read()
