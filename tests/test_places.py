"""A user without a home, or whose home cannot be written to, works all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from protocol import kernels, places
from protocol.errors import ConfigError

ROOT = Path(__file__).parents[1]


def test_a_temporary_folder_is_this_users_or_none(tmp_path, monkeypatch):
    monkeypatch.setattr(places.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = places.temporary_folder()
    assert folder is not None and folder.stat().st_mode & 0o777 == 0o700
    assert places.temporary_folder() == folder
    folder.chmod(0o755)
    assert places.temporary_folder() is None
    folder.rmdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)
    assert places.temporary_folder() is None
    monkeypatch.setattr(places.tempfile, "gettempdir", lambda: str(tmp_path / "nowhere"))
    assert places.temporary_folder() is None


def test_no_home_at_all_is_a_sentence(monkeypatch):
    def no_home():
        raise RuntimeError

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    with pytest.raises(ConfigError, match="no home folder; set XDG_STATE_HOME"):
        places.state_folder()


def test_a_folder_that_cannot_be_written_to_is_not_usable(tmp_path):
    (tmp_path / "file").write_text("")
    assert places.usable(tmp_path / "new")
    assert not places.usable(tmp_path / "file")
    assert not places.usable(tmp_path / "file" / "beneath")


def test_a_service_account_without_a_home(tmp_path):
    """Nothing can be written to, not even by root, but the place for temporary files."""
    script = (
        "import sys; from protocol import kernels, keyring; from party.__main__ import main;"
        " print(kernels.kept()); print(keyring.shared_folder()); sys.exit(main(['plan', '--job',"
        " 'seed']))"
    )
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/dev/null/home", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment | {"NUMBA_CACHE_DIR": "/dev/null/cache", "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    place = tmp_path / f"mpc-playground-{os.geteuid()}"
    if kernels.BACKEND == "numba":
        assert f"kept in {place}" in done.stdout
        assert "until that is cleared; set NUMBA_CACHE_DIR" in done.stdout
    assert str(place / "loopback-keys") in done.stdout
    assert "Predicted:" in done.stdout
