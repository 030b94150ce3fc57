"""The model's key comes from a file that only its owner can read, or from the environment."""

from __future__ import annotations

import os

import pytest

from medialift.errors import Permanent
from medialift.healing.model.key import read_key
from tests.model_world import KEY, key_file


def test_a_file_with_mode_0600_holds_the_key(tmp_path):
    assert read_key(key_file(tmp_path, f"{KEY}\n"), {}).get_secret_value() == KEY


def test_the_file_goes_before_the_environment(tmp_path):
    assert read_key(key_file(tmp_path), {"OPENAI_API_KEY": "another"}).get_secret_value() == KEY


def test_without_a_file_the_environment_is_asked():
    assert read_key(None, {"OPENAI_API_KEY": KEY}).get_secret_value() == KEY


def test_a_local_server_may_need_none():
    assert read_key(None, {}).get_secret_value() == ""
    assert read_key(None, {"OPENAI_API_KEY": " "}).get_secret_value() == ""


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o400, 0o700, 0o601, 0o4600])
def test_any_other_mode_is_refused_with_what_to_do(tmp_path, mode):
    with pytest.raises(Permanent) as refused:
        read_key(key_file(tmp_path, mode=mode), {})
    assert f"{mode:04o}" in refused.value.what and "chmod 0600" in refused.value.hint
    assert KEY not in str(refused.value)


def test_a_link_to_a_file_that_others_can_read_is_refused(tmp_path):
    link = tmp_path / "link.key"
    link.symlink_to(key_file(tmp_path, mode=0o644))
    with pytest.raises(Permanent, match="0644"):
        read_key(link, {})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path):
    file = key_file(tmp_path)
    os.chown(file, 65534, 65534)
    with pytest.raises(Permanent, match="another user"):
        read_key(file, {})


@pytest.mark.parametrize("text", ["", "\n", "two words", "one\ntwo", "schlüssel", "key\x00", "x" * 5000])
def test_what_is_no_key_is_refused_and_not_repeated(tmp_path, text):
    with pytest.raises(Permanent) as refused:
        read_key(key_file(tmp_path, text), {})
    assert not text.strip() or text.strip() not in str(refused.value)


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(Permanent, match="cannot be read"):
        read_key(tmp_path / "absent", {})


def test_a_folder_or_a_pipe_is_refused_without_waiting(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for place in (tmp_path, pipe):
        with pytest.raises(Permanent, match="not in a file"):
            read_key(place, {})


def test_the_key_is_not_in_what_is_printed_of_it(tmp_path):
    assert KEY not in repr(read_key(key_file(tmp_path), {}))
