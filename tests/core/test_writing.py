"""Files are written whole or not at all, and nothing is left beside them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lab_utils.core.files import remove_stale, replacing, scratch_folder, write_whole
from lab_utils.core.files.writing import PREFIX, STALE_AFTER_S, SUFFIX

KILLED = """
    import os, signal, sys
    from lab_utils.core.files import replacing
    with replacing(sys.argv[1]) as part:
        part.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")

    def fail() -> None:
        with replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "a.txt", "\ud800")
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere/a\.txt'$"):
        write_whole(tmp_path / "nowhere" / "a.txt", "text")


FULL = """
    import resource, sys
    import pyarrow as pa, pyarrow.parquet as pq
    from lab_utils.core.files import replacing, write_whole
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # as on a full disk
    try:
        if sys.argv[2] == "text":
            write_whole(sys.argv[1], "x" * 5000)
        else:
            with replacing(sys.argv[1]) as part:
                pq.write_table(pa.table({"x": list(range(5000))}), part)
    except OSError as error:
        print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
@pytest.mark.parametrize("kind", ["text", "parquet"])
def test_where_there_is_no_room_the_file_is_named_and_the_old_one_stays(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    program = [sys.executable, "-c", textwrap.dedent(FULL), path, kind]
    told = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    assert told.strip() == f"[Errno 27] File too large: '{path}'"
    assert names(tmp_path) == ["a.txt"]
    assert path.read_text() == "old"


@pytest.mark.skipif(os.name != "posix", reason="processes are told apart by POSIX means")
def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path: Path) -> None:
    program = textwrap.dedent(KILLED)
    subprocess.run([sys.executable, "-c", program, tmp_path / "a.txt"], check=False)
    assert len(names(tmp_path)) == 1
    assert names(tmp_path)[0].startswith(PREFIX)
    write_whole(tmp_path / "b.txt", "text")
    assert names(tmp_path) == ["b.txt"]


def test_what_is_being_written_elsewhere_stays(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.txt") as part:
        part.write_text("new")
        write_whole(tmp_path / "b.txt", "text")
        other = tmp_path / f"{PREFIX}another-1-x{SUFFIX}"  # of a machine that shares the folder
        other.write_text("")
        remove_stale(tmp_path)
        assert part.exists()
        assert other.exists()
        old_s = other.stat().st_mtime - STALE_AFTER_S - 60
        os.utime(other, (old_s, old_s))
        remove_stale(tmp_path)
        assert not other.exists()
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="links and permissions of POSIX")
def test_a_link_stays_a_link_and_permissions_are_those_asked_for(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    write_whole(tmp_path / "link.txt", b"new", durable=True, mode=0o600)
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "real.txt").stat().st_mode) == 0o600


def test_a_durable_write_reaches_the_disk_before_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (done.append("sync"), sync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("rename"), rename(a, b))[1])
    write_whole(tmp_path / "a.txt", "text", durable=True)
    assert done == ["sync", "rename", "sync"]


KILLED_IN_FOLDER = """
    import os, signal, sys
    from pathlib import Path
    from lab_utils.core.files import scratch_folder
    with scratch_folder("watch", Path(sys.argv[1])) as folder:
        (folder / "what was said").write_text("secret")
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="processes are told apart by POSIX means")
def test_a_killed_processes_folder_goes_with_the_next_one(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED_IN_FOLDER), tmp_path], check=False)
    (left,) = tmp_path.iterdir()
    assert (left / "what was said").exists()
    elsewhere = tmp_path / ".lab-watch-00000000-1-x"  # of a machine that shares the folder
    elsewhere.mkdir()
    (tmp_path / "lab-notes").mkdir()  # the user's own
    with scratch_folder("watch", tmp_path) as one:
        with scratch_folder("batch", tmp_path) as other:
            assert stat.S_IMODE(other.stat().st_mode) == 0o700
        assert set(names(tmp_path)) == {elsewhere.name, "lab-notes", one.name}, "what is in use stays"
    assert set(names(tmp_path)) == {elsewhere.name, "lab-notes"}
