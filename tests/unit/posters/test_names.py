"""Ids and names of files: known again, and never a way to somewhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medialift.errors import Permanent
from medialift.posters.names import file_name, id_of_file, image_kind, item_id

ID = "5c0f5c0f5c0f5c0f5c0f5c0f5c0f5c0f"


def test_an_id_is_taken_with_and_without_dashes_and_in_capitals():
    assert item_id(f" {ID.upper()} ") == ID
    assert item_id("5c0f5c0f-5c0f-5c0f-5c0f-5c0f5c0f5c0f") == ID


@pytest.mark.parametrize("wrong", ["", "x", ID[:-1], ID + "0", "../" + ID, ID + "/..", "5c0f\n" + ID])
def test_what_is_no_id_is_refused(wrong):
    with pytest.raises(Permanent, match="no id of Jellyfin"):
        item_id(wrong)


def test_a_kind_of_picture_is_known_in_any_case():
    assert image_kind("primary") == "Primary"
    with pytest.raises(Permanent, match="no such kind"):
        image_kind("Poster")


def test_a_file_is_named_after_its_item_and_without_what_no_disk_takes():
    assert file_name('Who: "Me"? / A <b>', ID, "jpeg") == f"Who Me A b [{ID}].jpg"
    assert file_name("...", ID, "png") == f"[{ID}].png"


@given(st.text(max_size=400), st.sampled_from(["jpeg", "png", "webp", "gif"]))
def test_any_title_makes_one_short_name_that_is_known_again(title, format):
    name = file_name(title, ID, format)
    assert "/" not in name and "\0" not in name and not name.startswith(".")
    assert len(name.encode("utf-8", "surrogatepass")) <= 255
    assert id_of_file(name.rsplit(".", 1)[0]) == ID


def test_a_name_without_an_id_has_none():
    assert id_of_file(f"Film [{ID}] copy") is None and id_of_file("Film") is None
    assert id_of_file(ID.upper()) == ID
