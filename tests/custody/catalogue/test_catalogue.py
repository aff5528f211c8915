"""The catalogue: built from the bucket alone, incremental, private, never the truth, safe for two at once."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from diploma_archive.archive.open_archive import open_reader
from diploma_archive.catalogue import catalogue as catalogue_module
from diploma_archive.catalogue import update as catalogue_update
from diploma_archive.catalogue.catalogue import Catalogue, open_catalogue
from diploma_archive.catalogue.query import Criteria
from diploma_archive.errors import SettingsError, StoreError
from diploma_archive.model.json_document import to_json
from diploma_archive.sandbox import LocalS3
from diploma_archive.settings.archive import ArchiveSettings
from tests.support.s3_proxy import Answer, S3Proxy
from tests.support.world import World

EVERYTHING = Criteria()


@pytest.fixture
def proxy(s3: LocalS3, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    """Stands between the catalogue, not the world, and S3."""
    with S3Proxy(s3.endpoint_url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint_url)
        yield proxy


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "catalogue.sqlite"


@pytest.fixture
def opened(world: World, proxy: S3Proxy, file: Path) -> Callable[..., Any]:
    """Return what opens the catalogue of the world, as the commands do."""

    @contextmanager
    def open_it(**options: Any) -> Iterator[Catalogue]:
        where = ArchiveSettings(bucket=world.bucket.name, prefix=world.bucket.prefix)
        with open_reader(where) as reader, open_catalogue(reader, where, **{"file": file, **options}) as catalogue:
            yield catalogue

    return open_it


def reads(proxy: S3Proxy) -> list[str]:
    """Return the records that were read since the last call."""
    keys = [one.key for one in proxy.requests if one.method == "GET" and "/diplomas/" in one.key]
    proxy.requests.clear()
    return keys


def contents(catalogue: Catalogue) -> list[tuple[str, bool]]:
    return [(match.record, match.is_current) for match in catalogue.matching(EVERYTHING)]


def records_in(world: World) -> list[str]:
    return sorted(key for key in world.bucket.keys_below("diplomas/") if key.endswith(".json"))


def test_it_holds_what_the_bucket_holds(world: World, opened: Any) -> None:
    """Every record once, the current one of each diploma marked, and a later update reads nothing again."""
    world.run()
    world.sandbox.reissue(12345, "2026-03-05 10:00:00", passed_note="better")
    world.run()
    with opened() as catalogue:
        updated = catalogue.update(4)
        assert (updated.listed, updated.read, updated.dropped) == (7, 7, 0)
        found = contents(catalogue)
        assert sorted(key for key, _ in found) == records_in(world)
        assert sum(is_current for _, is_current in found) == 6
        mine = list(catalogue.matching(Criteria(diploma_id=12345)))
        assert [match.is_current for match in mine] == [False, True]
        assert mine[1].archived_at == world.bucket.records(12345)[1]["archived_at"]


def test_it_is_incremental(world: World, opened: Any, proxy: S3Proxy) -> None:
    """New and changed records are read, vanished ones dropped, and nothing else is asked for but one LIST."""
    world.run()
    with opened() as catalogue:
        catalogue.update(4)
    assert len(reads(proxy)) == 6
    with opened() as catalogue:
        catalogue.update(4)
        assert (reads(proxy), len(contents(catalogue))) == ([], 6)
        world.sandbox.reissue(12345, "2026-03-05 10:00:00", passed_note="better")
        world.run()
        (new,) = set(records_in(world)) - {key for key, _ in contents(catalogue)}
        proxy.requests.clear()
        catalogue.update(4)
        assert reads(proxy) == [f"{world.bucket.prefix}/{new}"]
        gone = records_in(world)[0]
        world.bucket.client.delete_object(Bucket=world.bucket.name, Key=f"{world.bucket.prefix}/{gone}")
        assert catalogue.update(4).dropped == 1
        assert sorted(key for key, _ in contents(catalogue)) == records_in(world)
        changed = records_in(world)[-1]
        record = world.bucket.document(changed)
        world.bucket.put(changed, to_json({**record, "user": {**record["user"], "id": 777}}))
        catalogue.update(4)
        assert [match.record for match in catalogue.matching(Criteria(user_id=777))] == [changed]


def test_it_keeps_no_names_and_nobody_else_may_read_it(world: World, opened: Any, file: Path) -> None:
    """Ids, dates, courses, statuses and keys; no name, birth date, mail or phone; mode 0600 from the first byte."""
    world.run()
    file.parent.mkdir()
    file.touch(mode=0o644)
    with opened() as catalogue:
        catalogue.update(4)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    everything = b"".join(path.read_bytes() for path in file.parent.iterdir())
    for record in world.bucket.records():
        for name in ("lastname", "email", "phone", "date_of_birth"):
            value = record["user"][name]
            assert not value or value.encode() not in everything
    assert b"SAFE-101" in everything


def test_what_was_erased_leaves_no_trace_in_the_file(world: World, opened: Any, file: Path) -> None:
    """After a record is gone from the bucket its keys and ids are gone from the bytes of the catalogue too."""
    world.run()
    with opened() as catalogue:
        catalogue.update(4)
    assert b"ABC123456" in file.read_bytes()
    for key in world.bucket.keys_below("diplomas/s-2024-SAFE-001/"):
        world.bucket.client.delete_object(Bucket=world.bucket.name, Key=f"{world.bucket.prefix}/{key}")
    with opened() as catalogue:
        catalogue.update(4)
    assert b"ABC123456" not in file.read_bytes()


def _truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _garbage(file: Path) -> None:
    file.write_bytes(b"this is no catalogue at all\n" * 400)


def _scribbled(file: Path) -> None:
    body = bytearray(file.read_bytes())
    for page in range(1, len(body) // 4096):
        body[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    file.write_bytes(body)


def _header(file: Path) -> None:
    body = bytearray(file.read_bytes())
    body[16:60] = b"\xff" * 44
    file.write_bytes(body)


def _older(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 0")
    database.close()


def _other_tables(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("DROP TABLE about")
    database.close()


def _of_another_archive(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("UPDATE about SET value = 'another' WHERE name = 'archive'")
        database.execute("UPDATE record SET diploma = 1, certificate = 'c-FOREIGN'")
    database.close()


@pytest.mark.parametrize(
    "damage",
    [
        _truncated,
        _garbage,
        _scribbled,
        _header,
        _older,
        _other_tables,
        _of_another_archive,
        lambda file: file.write_bytes(b""),
    ],
)
def test_a_bad_file_is_built_anew(world: World, opened: Any, file: Path, damage: Callable[[Path], None]) -> None:
    """Damaged, older, foreign or empty: built anew from the bucket with one note, and the search is answered."""
    world.run()
    with opened() as catalogue:
        catalogue.update(4)
        good = contents(catalogue)
    damage(file)
    notes: list[str] = []
    for expected in (1 if file.stat().st_size else 0, 0):
        notes.clear()
        with opened(note=notes.append) as catalogue:
            catalogue.update(4)
            assert contents(catalogue) == good
        assert len(notes) == expected
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_of_somebody_else_is_not_deleted(world: World, opened: Any, file: Path) -> None:
    """A mistyped --catalogue costs nobody a file: what is no catalogue is moved aside, and that is said."""
    world.run()
    file.parent.mkdir()
    file.write_text("my thesis")
    notes: list[str] = []
    with opened(note=notes.append) as catalogue:
        catalogue.update(4)
    assert file.with_name("catalogue.sqlite.moved-aside").read_text() == "my thesis"
    assert "moved-aside" in notes[0]
    with pytest.raises(SettingsError), opened(file=file.parent):
        pass


def test_rebuild_forgets_what_was_there(world: World, opened: Any, file: Path, proxy: S3Proxy) -> None:
    """--rebuild reads everything again, whatever the file said."""
    world.run()
    with opened() as catalogue:
        catalogue.update(4)
    with sqlite3.connect(file) as database:
        database.execute("UPDATE record SET user = 777")
    database.close()
    proxy.requests.clear()
    with opened(rebuild=True) as catalogue:
        catalogue.update(4)
        assert not list(catalogue.matching(Criteria(user_id=777)))
    assert len(reads(proxy)) == 6


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b"[]", b"\xff", b"9" * 6_000, b"x" * 1_000_001, b'{"format": 1, "diploma_id": "1"}']
)
def test_a_record_that_cannot_be_read_is_named(world: World, opened: Any, damage: bytes) -> None:
    """Nothing is silently missing: a damaged record is in no result and in the list of those that were not read."""
    world.run()
    bad = records_in(world)[0]
    good = world.bucket.body(bad)
    world.bucket.put(bad, damage)
    with opened() as catalogue:
        catalogue.update(4)
        assert [one.record for one in catalogue.unreadable()] == [bad]
        assert len(contents(catalogue)) == 5
        world.bucket.put(bad, good)
        catalogue.update(4)
        assert (catalogue.unreadable(), len(contents(catalogue))) == ([], 6)


def test_swapped_records_are_named(world: World, opened: Any) -> None:
    """A record under another one's key is not shown as that other diploma's."""
    world.run()
    first, second = records_in(world)[:2]
    bodies = world.bucket.body(first), world.bucket.body(second)
    world.bucket.put(first, bodies[1])
    world.bucket.put(second, bodies[0])
    with opened() as catalogue:
        catalogue.update(4)
        assert [one.record for one in catalogue.unreadable()] == [first, second]


def test_one_refused_record_stops_nothing_and_is_tried_again(world: World, opened: Any, proxy: S3Proxy) -> None:
    """403 on one object: the others are read; the next update asks for it again."""
    world.run()
    bad = records_in(world)[0]
    proxy.fault(Answer(403, "AccessDenied"), method="GET", key=bad, times=1)
    with opened() as catalogue:
        catalogue.update(4)
        assert [one.record for one in catalogue.unreadable()] == [bad]
        catalogue.update(4)
        assert (catalogue.unreadable(), len(contents(catalogue))) == ([], 6)


def test_expired_credentials_stop_it(world: World, opened: Any, proxy: S3Proxy) -> None:
    """What concerns every object is one fatal error and not a list of a hundred thousand unreadable records."""
    world.run()
    with opened() as catalogue:
        proxy.fault(Answer(400, "ExpiredToken"), method="GET", key=f"{world.bucket.prefix}/", times=None)
        with pytest.raises(StoreError, match="credentials"):
            catalogue.update(4)
        proxy.clear()
        assert catalogue.update(4).listed == 6
        assert len(contents(catalogue)) == 6


def test_an_interrupted_update_goes_on(
    world: World, opened: Any, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read stays read; until an update was whole, --no-update is not believed."""
    monkeypatch.setattr(catalogue_update, "ROWS_A_TRANSACTION", 2)
    world.run()

    def interrupt(done: int, total: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with opened() as catalogue:
        with pytest.raises(KeyboardInterrupt):
            catalogue.update(1, interrupt)
        assert catalogue.updated_at is None
        proxy.requests.clear()
        assert catalogue.update(1).read == 2
        assert catalogue.updated_at is not None
    assert len(reads(proxy)) == 2


def test_two_at_once(world: World, file: Path, tmp_path: Path) -> None:
    """Four processes that begin, update, rebuild and search one catalogue at the same moment all get it right."""
    world.run()
    searches = [("--user", "289252"), ("--diploma", "12345"), ("--course", "SAFE-101")]
    mixed = [*searches, (*searches[0], "--rebuild")]
    for commands in (mixed, [(*searches[0], "--rebuild")] * 4):
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "diploma_archive.cli", "find", *command, "--json"],
                env=world.environment(ARCHIVE_CATALOGUE=str(file)),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for command in commands
        ]
        for process in processes:
            stdout, stderr = process.communicate(timeout=120)
            assert process.returncode == 0, stderr
            assert 12345 in [hit["diploma_id"] for hit in json.loads(stdout)["diplomas"]], stderr
        file.unlink()


def test_a_rebuild_disturbs_no_reader(world: World, opened: Any) -> None:
    """Who searches while another process rebuilds finds what was there before."""
    world.run()
    with opened() as catalogue:
        catalogue.update(4)
        searches = (lambda: catalogue.find(EVERYTHING, 10).hits, lambda: contents(catalogue))
        before = [search() for search in searches]
        with opened(rebuild=True) as other:
            other.update(1, lambda _done, _total: None)
            assert [search() for search in searches] == before


def test_another_process_may_update_between_list_and_end(world: World, opened: Any) -> None:
    """What a second process added after our LIST is not dropped by us as vanished."""
    world.run()
    with opened() as ours:
        world.sandbox.reissue(12345, "2026-03-05 10:00:00", passed_note="better")

        def meanwhile(done: int, total: int) -> None:
            def theirs() -> None:
                world.run()
                with opened() as other:
                    other.update(1)

            thread = threading.Thread(target=theirs)
            thread.start()
            thread.join()

        ours.update(1, meanwhile)
        assert len(contents(ours)) == 7


def test_a_catalogue_begun_anew_under_a_reader_is_said(world: World, opened: Any, file: Path) -> None:
    """A search never answers from a catalogue that another version of this program has just begun."""
    world.run()
    with opened() as catalogue:
        catalogue.update(4)
        with sqlite3.connect(file) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
        with opened():
            pass
        for search in (lambda: catalogue.find(EVERYTHING, 10), lambda: contents(catalogue)):
            with pytest.raises(SettingsError, match="begun the catalogue anew"):
                search()


def test_a_busy_catalogue_is_not_taken_for_a_damaged_one(
    world: World, opened: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that another process has locked is said to be busy, and stays."""
    world.run()
    with opened() as catalogue:
        catalogue.update(4)
    before = file.read_bytes()
    monkeypatch.setattr("diploma_archive.catalogue.schema.BUSY_SECONDS", 0.1)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(SettingsError, match="another process"), opened():
            pass
    finally:
        other.close()
    assert file.read_bytes() == before


def test_matching_holds_no_lock(world: World, opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever walks over everything for hours, as an export does, keeps nobody from updating."""
    monkeypatch.setattr("diploma_archive.catalogue.query.PAGE", 2)
    world.run()
    with opened() as catalogue:
        catalogue.update(4)
        walk = catalogue.matching(EVERYTHING)
        first = next(walk)
        with opened() as other:
            other.update(4)
        assert sorted([first.record, *(match.record for match in walk)]) == records_in(world)


def test_the_default_place_is_one_file_an_archive(
    world: World, opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XDG_CACHE_HOME/diploma-archive/{archive id}-{bucket}.sqlite; ARCHIVE_CATALOGUE goes before it."""
    world.run()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with opened(file=None) as catalogue:
        archive_id = world.bucket.document("archive.json")["archive_id"]
        assert catalogue.file == tmp_path / "cache" / "diploma-archive" / f"{archive_id}-{world.bucket.name}.sqlite"
        assert stat.S_IMODE(catalogue.file.parent.stat().st_mode) == 0o700
    monkeypatch.setenv("ARCHIVE_CATALOGUE", str(tmp_path / "here.sqlite"))
    with opened(file=None) as catalogue:
        assert catalogue.file == tmp_path / "here.sqlite"
    monkeypatch.delenv("ARCHIVE_CATALOGUE")
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    place = catalogue_module.default_file("a/../b", "c", print)
    assert place == tmp_path / "home/.cache/diploma-archive/a_2F.._2Fb-c.sqlite"


@pytest.mark.parametrize("home", ["missing", "read-only"])
def test_without_a_home_the_catalogue_lies_in_the_temporary_folder(world: World, tmp_path: Path, home: str) -> None:
    """A container under any user id: `find` works, says in one line where the cache went, and uses it again."""
    world.run()
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith(("pytest-", "popen-", "test_")):
            folder.chmod(0o755)
    (tmp_path / "home").mkdir(mode=0o555)
    (tmp_path / "work").mkdir(mode=0o777)
    (tmp_path / "work").chmod(0o777)
    environment = {**world.environment(TMPDIR=str(tmp_path / "work")), "HOME": str(tmp_path / "home")}
    environment.pop("XDG_CACHE_HOME", None)
    if home == "missing":
        environment.pop("HOME")
    user = 12345 if os.getuid() == 0 else os.getuid()  # whom no list of users knows
    # It becomes that user after Python itself was read, which may lie where nobody else can look.
    code = (
        f"import encodings.idna, os, sys\nfrom diploma_archive.cli import main\nos.setresgid({user}, {user}, {user})\n"
        f"os.setresuid({user}, {user}, {user})\nsys.argv[1:] = ['find', '--user', '289252', '--json']\nmain()"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            cwd=tmp_path / "work",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("cannot be kept in a home folder") == 1
    (folder,) = (tmp_path / "work").iterdir()
    assert (folder.name, stat.S_IMODE(folder.stat().st_mode)) == (f"diploma-archive-{user}", 0o700)


def test_a_temporary_folder_of_somebody_else_is_not_used(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Personal data never goes where others can read it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("HOME", str(tmp_path / "a-file"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    (tmp_path / "a-file").write_text("")
    folder = tmp_path / f"diploma-archive-{os.getuid()}"
    folder.mkdir(mode=0o755)
    with pytest.raises(SettingsError, match="not this user's alone"):
        catalogue_module.default_file("a", "b", print)


def test_a_place_that_cannot_be_written_is_said(world: World, file: Path) -> None:
    """One sentence that names the setting, exit code 2, no traceback."""
    world.run()
    file.parent.write_text("a file where a folder should be")
    done = world.command("find", "--user", "5", "--catalogue", str(file))
    assert done.returncode == 2
    assert "--catalogue" in done.stderr
    assert len(done.stderr.splitlines()) == 1
