"""`show`: all revisions, which one is current and why, and a PDF that is verified, saved or shared."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from typer.testing import CliRunner

from diploma_archive.cli import app
from diploma_archive.model.json_document import to_json
from diploma_archive.model.keys import certificate_segment
from tests.support.s3_proxy import Answer, HalfAnswer, S3Proxy
from tests.support.world import World

EXAMPLE = "ABC123456"
BELOW = f"diplomas/s-2024-SAFE-001/c-{EXAMPLE}/"


@pytest.fixture
def show(world: World, proxy: S3Proxy, tmp_path: Path) -> Any:
    """Return a function that runs `show` in this process and gives exit code, stdout and stderr."""

    def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
        variables = {
            "AWS_ENDPOINT_URL_S3": proxy.endpoint_url,
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            **environment,
        }
        done = CliRunner().invoke(app, ["show", *arguments], env=world.environment(**variables))
        assert "Traceback" not in done.stderr
        return done.exit_code, done.stdout, done.stderr

    return run


def as_json(ran: tuple[int, str, str]) -> dict[str, Any]:
    return dict(json.loads(ran[1].splitlines()[-1]))


def pdf_key(world: World) -> str:
    (key,) = [key for key in world.bucket.keys_below(BELOW) if key.endswith(".pdf")]
    return key


def withdraw(world: World) -> None:
    world.sandbox.reissue(12345, "2026-03-05 10:00:00", deleted_at="2026-03-05 10:00:00")
    world.run()


@pytest.mark.parametrize(
    "arguments",
    [(EXAMPLE,), (f" {EXAMPLE}\n",), (f"c-{EXAMPLE}",), ("--serial", "2024-SAFE-001"), ("--diploma", "12345")],
    ids=str,
)
def test_it_shows_everything_and_verifies_the_file(world: World, show: Any, arguments: tuple[str, ...]) -> None:
    """By number, folder, serial or diploma id: person, course, file, and that it was verified while reading."""
    world.run()
    code, stdout, stderr = show(*arguments)
    (record,) = world.bucket.records(12345)
    assert (code, stderr) == (0, "")
    for text in (
        f"{EXAMPLE} (c-{EXAMPLE}), diploma 12345",
        f"current: revision {record['revision']}, archived last",
        "John Doe, user 289252, participant 987654",
        "SAFE-101 Safety Training Course",
        f"file: verified, {record['file']['size']:,} bytes",
        record["file"]["key"],
        record["file"]["sha256"],
    ):
        assert text in stdout
    answer = as_json(show(*arguments, "--json"))
    (shown,) = answer["diplomas"]
    assert shown["revisions"][0]["record"] == record
    assert shown["file"]["verified"] is True


def test_current_is_what_was_archived_last(world: World, show: Any) -> None:
    """Withdrawn and come back unchanged: the third record is current, newest first, and its generation is shown."""
    world.run()
    first = world.bucket.records(12345)[0]["revision"]
    diploma = world.sandbox.diplomas[12345]
    before = diploma.updated_at
    withdraw(world)
    assert as_json(show(EXAMPLE, "--json"))["diplomas"][0]["status"] == "withdrawn"
    world.sandbox.change(12345, {"deleted_at": None, "updated_at": before})
    world.run()
    (shown,) = as_json(show(EXAMPLE, "--json"))["diplomas"]
    records = world.bucket.records(12345)
    assert [one["record"] for one in shown["revisions"]] == records[::-1]
    assert (shown["status"], shown["current"]) == ("issued", f"{first}.2")
    assert [one["current"] for one in shown["revisions"]] == [True, False, False]
    stdout = show(EXAMPLE)[1]
    assert f"current: revision {first}.2, archived last, " in stdout
    assert stdout.count("older ") == 2


def test_a_withdrawn_diploma_is_never_handed_out_unasked(world: World, show: Any, tmp_path: Path) -> None:
    """The PDF of a withdrawn diploma stays and is verified, but saved and linked only by its revision."""
    world.run()
    issued = world.bucket.records(12345)[0]["revision"]
    withdraw(world)
    code, stdout, _ = show(EXAMPLE)
    assert code == 0
    assert "file: none in the current revision" in stdout
    assert f"file of revision {issued}: verified" in stdout
    out = tmp_path / "x.pdf"
    for arguments in (("--out", str(out)), ("--link",)):
        code, stdout, stderr = show(EXAMPLE, *arguments)
        assert (code, "http" in stdout, out.exists()) == (1, False, False)
        assert f"--revision {issued}" in stderr
    assert show(EXAMPLE, "--revision", issued, "--out", str(out))[0] == 0
    assert out.read_bytes() == world.sandbox.pdf_of(12345)


def test_withdrawn_before_it_was_archived(world: World, show: Any) -> None:
    """No PDF was ever there: said so, and no failure."""
    world.sandbox.reissue(12345, "2026-03-05 10:00:00", deleted_at="2026-03-05 10:00:00")
    world.run()
    code, stdout, stderr = show(EXAMPLE)
    assert (code, stderr) == (0, "")
    assert "file: none; no PDF was archived before it was withdrawn" in stdout


def test_a_conflict_is_shown_and_one_must_be_chosen(world: World, show: Any, tmp_path: Path) -> None:
    """Two diplomas under one number: both are shown with their conflict; saving needs to know which."""
    world.run()
    world.sandbox.change(500001, {"random_certificate_number": EXAMPLE})
    world.run()
    answer = as_json(show(EXAMPLE, "--json"))
    assert [(one["diploma_id"], one["conflict"]) for one in answer["diplomas"]] == [
        (12345, [500001]),
        (500001, [12345]),
    ]
    assert "conflict: under this certificate number there are other diplomas too: 500001" in show(EXAMPLE)[1]
    code, _, stderr = show(EXAMPLE, "--out", str(tmp_path))
    assert code == 2
    assert "12345, 500001" in stderr
    assert show(EXAMPLE, "--diploma", "500001", "--out", str(tmp_path))[0] == 0
    (saved,) = tmp_path.glob("*.pdf")
    assert saved.read_bytes() == world.sandbox.pdf_of(500001)


def test_saved_is_what_was_archived(world: World, show: Any, tmp_path: Path) -> None:
    """The bytes of the bucket, under a name of one's own or a readable one, for its owner alone, and no leftovers."""
    world.run()
    assert show(EXAMPLE, "--out", str(tmp_path / "a.pdf"))[0] == 0
    code, _, stderr = show(EXAMPLE, "--out", str(tmp_path))
    assert code == 0
    assert str(tmp_path / f"2024-SAFE-001_{EXAMPLE}.pdf") in stderr
    for name in ("a.pdf", f"2024-SAFE-001_{EXAMPLE}.pdf"):
        assert (tmp_path / name).read_bytes() == world.sandbox.pdf_of(12345)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert len([path for path in tmp_path.iterdir() if path.is_file()]) == 2


def test_nothing_is_overwritten_unasked(world: World, show: Any, tmp_path: Path) -> None:
    """An existing file stays unless --overwrite is given; links, folders and stdout are no place for a file."""
    world.run()
    mine = tmp_path / "mine.pdf"
    mine.write_text("mine")
    code, _, stderr = show(EXAMPLE, "--out", str(mine))
    assert (code, mine.read_text()) == (2, "mine")
    assert "--overwrite" in stderr
    assert show(EXAMPLE, "--out", str(mine), "--overwrite")[0] == 0
    assert mine.read_bytes() == world.sandbox.pdf_of(12345)
    link = tmp_path / "link.pdf"
    link.symlink_to(mine)
    for place in (link, Path("-"), tmp_path / "nowhere" / "x.pdf"):
        assert show(EXAMPLE, "--out", str(place), "--overwrite")[0] == 2
    assert link.is_symlink()


def test_a_file_that_appears_meanwhile_stays(world: World, show: Any, proxy: S3Proxy, tmp_path: Path) -> None:
    """Between the first look and the end somebody else may save there: theirs stays, ours leaves nothing behind."""
    world.run()
    out = tmp_path / "x.pdf"
    proxy.on_request = lambda request: out.write_text("theirs") and None if ".pdf" in request.key else None
    assert show(EXAMPLE, "--out", str(out))[0] == 2
    assert out.read_text() == "theirs"
    assert not list(tmp_path.glob(".diploma-archive-*"))


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "swap", "delete", "refuse", "cold", "half"])
def test_a_bad_file_is_never_saved(world: World, show: Any, proxy: S3Proxy, tmp_path: Path, damage: str) -> None:
    """Whatever happened to the PDF: exit code 1, one sentence, no file, what was there before stays."""
    world.run()
    key, client, where = pdf_key(world), world.bucket.client, {"Bucket": world.bucket.name}
    good = world.bucket.body(key)
    bodies = {
        "flip": bytes([good[0] ^ 1]) + good[1:],
        "truncate": good[:-1],
        "empty": b"",
        "swap": world.sandbox.pdf_of(500001),
    }
    if damage in bodies:
        world.bucket.put(key, bodies[damage])
    elif damage == "delete":
        client.delete_object(**where, Key=f"{world.bucket.prefix}/{key}")
    elif damage == "half":
        proxy.fault(HalfAnswer(), method="GET", key=".pdf", times=None)
    else:
        proxy.fault(
            Answer(403, "AccessDenied" if damage == "refuse" else "InvalidObjectState"), key=r"\.pdf", times=None
        )
    before = tmp_path / "before.pdf"
    before.write_text("before")
    for arguments in ((), ("--out", str(tmp_path / "new.pdf")), ("--out", str(before), "--overwrite")):
        code, stdout, stderr = show(EXAMPLE, *arguments)
        assert (code, "file: verified" in stdout) == (1, False)
        assert len(stderr.splitlines()) == 1
        assert "PDF" in stderr
    assert "John Doe" in stdout
    assert before.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["before.pdf"]
    checked = as_json(show(EXAMPLE, "--json"))["diplomas"][0]["file"]
    assert checked["verified"] is (False if damage in bodies else None)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 200_000, b'{"format": 2}', None])
@pytest.mark.parametrize("what", ["record", "entry"])
def test_a_damaged_object_is_named_and_the_rest_shown(world: World, show: Any, what: str, damage: bytes | None) -> None:
    """A damaged or missing record or index entry: its key, exit code 1, and the other revisions all the same."""
    world.run()
    world.sandbox.reissue(12345, "2026-03-05 10:00:00", passed_note="better")
    world.run()
    first, second = world.bucket.records(12345)
    key = f"{BELOW}{first['revision']}.json"
    key = key if what == "record" else f"certificates/c-{EXAMPLE}/12345.{first['revision']}.json"
    if damage is None:
        world.bucket.client.delete_object(Bucket=world.bucket.name, Key=f"{world.bucket.prefix}/{key}")
    else:
        world.bucket.put(key, damage)
    code, stdout, stderr = show(EXAMPLE)
    assert code == 1
    assert (key if damage is not None or what == "record" else first["revision"]) in stderr
    assert f"current: revision {second['revision']}" in stdout
    assert "file: verified" in stdout
    assert (first["revision"] in stdout) is (what == "entry")


def test_a_record_without_index_entry_is_found_by_serial_and_diploma(world: World, show: Any) -> None:
    """The index is derived: a diploma whose whole index is gone is still shown by its serial and its id."""
    world.run()
    for key in world.bucket.keys_below(f"certificates/c-{EXAMPLE}/"):
        world.bucket.client.delete_object(Bucket=world.bucket.name, Key=f"{world.bucket.prefix}/{key}")
    code, _, stderr = show(EXAMPLE)
    assert code == 1
    assert "rebuild-index" in stderr
    for arguments in (("--serial", "2024-SAFE-001"), ("--diploma", "12345")):
        code, stdout, stderr = show(*arguments)
        assert (code, "file: verified" in stdout) == (1, True)
        assert "has no index entry" in stderr


def test_swapped_and_foreign_records_are_never_shown_as_this_diploma(world: World, show: Any) -> None:
    """The record of another diploma under this one's key: named, and nothing of it is shown."""
    world.run()
    (mine,) = world.bucket.records(12345)
    other = next(record for record in world.bucket.records() if record["user"]["lastname"] != mine["user"]["lastname"])
    world.bucket.put(f"{BELOW}{mine['revision']}.json", to_json(other))
    code, stdout, stderr = show(EXAMPLE)
    assert (code, stdout) == (1, "")
    assert "does not belong where it lies" in stderr
    edited = {**mine, "file": {**mine["file"], "key": other["file"]["key"], "sha256": other["file"]["sha256"]}}
    world.bucket.put(f"{BELOW}{mine['revision']}.json", to_json(edited))
    code, stdout, stderr = show(EXAMPLE)
    assert (code, stdout) == (1, "")
    assert "names a file that is not its own" in stderr


def test_a_link_works_without_credentials_and_for_fifteen_minutes(
    world: World, show: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The link alone on stdout, in no log; it gives the bytes under a readable name; version 4, 15 minutes."""
    world.run()
    caplog.set_level("DEBUG")
    code, stdout, stderr = show(EXAMPLE, "--link")
    (link,) = stdout.splitlines()
    query = parse_qs(urlsplit(link).query)
    assert (code, query["X-Amz-Expires"], query["X-Amz-Algorithm"]) == (0, ["900"], ["AWS4-HMAC-SHA256"])
    with urlopen(link, timeout=20) as answer:
        assert answer.read() == world.sandbox.pdf_of(12345)
        assert answer.headers["Content-Disposition"] == f'attachment; filename="2024-SAFE-001_{EXAMPLE}.pdf"'
        assert answer.headers["Content-Type"] == "application/pdf"
    assert "Signature" not in stderr + caplog.text
    assert "15 minutes" in stderr
    answer = as_json(show(EXAMPLE, "--link", "--minutes", "60", "--json"))
    assert parse_qs(urlsplit(answer["link"]).query)["X-Amz-Expires"] == ["3600"]
    assert (answer["link_minutes"], answer["diplomas"][0]["file"]["verified"]) == (60, None)


def test_no_link_to_what_is_not_there(world: World, show: Any) -> None:
    """A missing file or one of another size gets no link."""
    world.run()
    key = pdf_key(world)
    world.bucket.put(key, b"short")
    assert show(EXAMPLE, "--link")[:2] == (1, "")
    world.bucket.client.delete_object(Bucket=world.bucket.name, Key=f"{world.bucket.prefix}/{key}")
    assert show(EXAMPLE, "--link")[:2] == (1, "")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("",),
        ("--diploma", "0"),
        (EXAMPLE, "--serial", "x"),
        (EXAMPLE, "--link", "--out", "x"),
        (EXAMPLE, "--link", "--minutes", "61"),
        (EXAMPLE, "--link", "--minutes", "0"),
        (EXAMPLE, "--minutes", "5"),
        (EXAMPLE, "--overwrite"),
        (EXAMPLE, "--revision", "0123456789abcdef"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(world: World, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Refused with one sentence; more than an hour is never promised."""
    world.run()
    done = world.command("show", *arguments, "--json", cwd=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["kind"]) == (2, "usage")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_nothing_found_and_no_archive(world: World, show: Any) -> None:
    """No hit is exit code 1 and a sentence; no archive is exit code 3."""
    world.run()
    assert show("nope")[0] == 1
    assert "no such diploma" in show("nope")[2]
    assert show("--diploma", "999")[0] == 1
    assert as_json(show("nope", "--json"))["diplomas"] == []
    assert show(EXAMPLE, ARCHIVE_PREFIX="acme/test")[0] == 3


def test_text_from_the_source_is_never_interpreted(world: World, show: Any) -> None:
    """Escape sequences, markup and line breaks in names and titles never reach the terminal; JSON is exact."""
    nasty = "\x1b]0;x\x07[bold]\r\n\u202eEvil\ud83d"
    world.sandbox.change(
        12345,
        {
            "user": {"id": 289252, "firstname": nasty, "lastname": "B"},
            "course": {"id": 1, "title": nasty, "reference": nasty},
            "random_certificate_number": nasty,
            "serial": nasty,
        },
    )
    world.run()
    code, stdout, stderr = show("--diploma", "12345")
    assert code == 0, stderr
    assert "[bold]" in stdout
    assert not any(one in stdout + stderr for one in "\x1b\x07\r\u202e\ud83d")
    assert as_json(show("--diploma", "12345", "--json"))["diplomas"][0]["revisions"][0]["record"]["serial"] == nasty
    assert show(certificate_segment(nasty, 1))[0] == 0


def test_what_was_left_out_of_the_record_is_no_failure(world: World, show: Any) -> None:
    """An archive without names (ARCHIVE_OMIT_FIELDS) is shown all the same."""
    world.settings["omit_fields"] = ("user", "course", "coursedate")
    world.run()
    code, stdout, _ = show(EXAMPLE)
    assert code == 0
    assert "(no name kept), user -" in stdout


def test_many_revisions_and_many_readers(world: World, show: Any) -> None:
    """Ten revisions in the order they were archived, and two readers at once change nothing in the bucket."""
    world.run()
    for note in range(9):
        world.sandbox.reissue(12345, f"2026-03-05 10:00:0{note}", passed_note=str(note))
        world.run()
    before = world.bucket.versions()
    (shown,) = as_json(show(EXAMPLE, "--json"))["diplomas"]
    assert [one["record"] for one in shown["revisions"]] == world.bucket.records(12345)[::-1]
    assert world.bucket.versions() == before
