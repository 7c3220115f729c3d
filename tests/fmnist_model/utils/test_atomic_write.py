"""Files that appear whole or not at all."""

from __future__ import annotations

import pytest

from fmnist_model.utils.atomic_write import atomic_path, write_atomically


def test_a_file_takes_the_place_of_another_in_a_folder_that_is_made(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_atomically(path, "ä")
    write_atomically(path, "öö")
    assert path.read_text(encoding="utf-8") == "öö"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")

    def fail_half_way() -> None:
        with atomic_path(path) as scratch:
            scratch.write_text("half")
            assert scratch.suffix == ".txt"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
