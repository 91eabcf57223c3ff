"""Durable files: whole and private, or not there."""

from __future__ import annotations

import stat

import pytest

from protocol.files import durable


def test_a_file_appears_when_the_block_ends_and_is_private(tmp_path):
    path = tmp_path / "a"
    with durable(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), durable(path) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("replace", [True, False])
def test_a_name_that_is_taken_is_replaced_only_if_that_is_wanted(tmp_path, replace):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    if replace:
        with durable(path) as file:
            file.write(b"new")
    else:
        with pytest.raises(FileExistsError), durable(path, replace=False) as file:
            file.write(b"new")
    assert path.read_bytes() == (b"new" if replace else b"old")
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_removed_and_what_is_being_written_is_not(tmp_path):
    path = tmp_path / "a[1]*.npz"
    (tmp_path / ".a[1]*.npz.x1y2.new").write_bytes(b"half")
    with durable(path) as first:
        first.write(b"first")
        with durable(path) as second:
            second.write(b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]
