"""`export`: what leaves the bucket is what was archived, and anybody can check it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from diploma_archive.archive.identity import new_identity
from diploma_archive.export.export_ledger import ExportLedger
from tests.support.exports import (
    TAG_FILES,
    bucket,
    command,
    export_here,
    files,
    key_of,
    last_json,
    named,
    objects,
    overview,
    validate,
)
from tests.support.s3_proxy import Answer, CutAnswer, FlipAnswer, S3Proxy
from tests.support.world import World


def through(proxy: S3Proxy) -> dict[str, str]:
    """Return the environment that sends the program through the proxy."""
    return {"AWS_ENDPOINT_URL_S3": proxy.endpoint_url}


def pdf_gets(proxy: S3Proxy) -> list[str]:
    """Return the keys of the PDFs that were asked for."""
    return [one.key for one in proxy.requests if one.method == "GET" and one.key.endswith(".pdf")]


def test_the_whole_archive_becomes_a_valid_bag(world: World, tmp_path: Path) -> None:
    """Every object of the archive is in the bag byte by byte, and a foreign BagIt tool finds it good."""
    world.counts()
    code, answer, _ = command(world, tmp_path / "bag", "--all")
    assert (code, answer["diplomas"], answer["problems"], answer["not_exported"]) == (0, 6, 0, [])
    validate(tmp_path / "bag")
    assert objects(tmp_path / "bag") == bucket(world)
    info = (tmp_path / "bag/bag-info.txt").read_text()
    archive = world.bucket.document("archive.json")
    assert f"External-Identifier: {archive['archive_id']}" in info
    assert f"Source-Organization: {archive['account']}" in info
    assert files(tmp_path / "bag") >= TAG_FILES
    assert not (tmp_path / "bag/.unfinished").exists()


def test_the_bag_is_good_for_coreutils_too(world: World, tmp_path: Path) -> None:
    """The receiver needs no program at all: sha256sum reads the manifests."""
    world.counts()
    export_here(world, tmp_path / "bag", everything=True)
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        check = ["/usr/bin/env", "sha256sum", "-c", "--strict", manifest]
        done = subprocess.run(check, cwd=tmp_path / "bag", capture_output=True, check=False)
        assert done.returncode == 0, done.stdout


def test_pdfs_have_readable_names_and_the_overview_finds_them(world: World, tmp_path: Path) -> None:
    """A person finds a diploma by serial and certificate number, in the folder and in the table."""
    world.counts()
    export_here(world, tmp_path / "bag", everything=True)
    pdf = tmp_path / "bag/data/diplomas/2024-SAFE-001_ABC123456.pdf"
    assert pdf.read_bytes() == world.sandbox.pdf_of(12345)
    (row,) = [row for row in overview(tmp_path / "bag") if row["certificate number"] == "ABC123456"]
    assert (row["serial"], row["last name"], row["current"], row["passed"]) == ("2024-SAFE-001", "Doe", "yes", "yes")
    assert row["PDF file"] == "diplomas/2024-SAFE-001_ABC123456.pdf"
    assert json.loads((tmp_path / "bag/data" / row["record file"]).read_text())["diploma_id"] == 12345


def test_plain_is_the_same_without_the_bag(world: World, tmp_path: Path) -> None:
    """`--format plain` has the payload at the top and no bag files."""
    world.counts()
    code, _, _ = command(world, tmp_path / "plain", "--all", "--format", "plain")
    assert code == 0
    assert objects(tmp_path / "plain", payload=".") == bucket(world)
    assert not TAG_FILES & files(tmp_path / "plain")


def test_the_bucket_is_only_read(world: World, proxy: S3Proxy, tmp_path: Path) -> None:
    """Read-only credentials are enough: nothing but GET and HEAD goes out."""
    world.counts()
    code, _, _ = command(world, tmp_path / "bag", "--all", **through(proxy))
    assert code == 0
    assert {one.method for one in proxy.requests} <= {"GET", "HEAD"}


def test_the_folder_is_for_its_owner_alone(world: World, tmp_path: Path) -> None:
    """An export is personal data: a new folder is closed to other users of the machine."""
    world.counts()
    export_here(world, tmp_path / "bag", everything=True)
    assert (tmp_path / "bag").stat().st_mode & 0o077 == 0


# What is chosen


def test_a_certificate_costs_the_list_of_that_certificate(world: World, proxy: S3Proxy, tmp_path: Path) -> None:
    """One diploma of a large archive is exported without listing the archive, and nothing else comes along."""
    world.counts()
    code, answer, _ = command(world, tmp_path / "bag", "--certificate", "ABC123456", **through(proxy))
    assert (code, answer["diplomas"]) == (0, 1)
    validate(tmp_path / "bag")
    keys = set(objects(tmp_path / "bag"))
    assert all("c-ABC123456/" in key for key in keys - {"archive.json"})
    assert len(keys) == 4
    listed = [one.query["prefix"] for one in proxy.requests if "prefix" in one.query]
    assert listed
    assert all("c-ABC123456/" in prefix for prefix in listed)


def test_a_certificate_is_found_without_its_index(world: World, tmp_path: Path) -> None:
    """A lost index entry hides no diploma; that it is lost is named."""
    world.counts()
    (entry,) = world.bucket.keys_below("certificates/c-ABC123456/")
    world.bucket.client.delete_object(Bucket=world.bucket.name, Key=f"{world.bucket.prefix}/{entry}")
    code, answer, _ = command(world, tmp_path / "bag", "--certificate", "ABC123456")
    assert (code, answer["diplomas"]) == (1, 1)
    assert [row["key"] for row in answer["not_exported"]] == [entry]


def test_what_nothing_fits_is_said(world: World, tmp_path: Path) -> None:
    """A mistyped number among right ones is exit code 1 and named; alone it leaves no folder."""
    world.counts()
    code, answer, _ = command(world, tmp_path / "bag", "--certificate", "ABC123456", "--certificate", "ABC123465")
    assert (code, answer["diplomas"], answer["not_found"]) == (1, 1, ["--certificate ABC123465"])
    code, answer, _ = command(world, tmp_path / "none", "--user", "999999")
    assert (code, answer["diplomas"], answer["not_found"]) == (1, 0, ["--user 999999"])
    assert not (tmp_path / "none").exists()


def test_users_and_courses(world: World, tmp_path: Path) -> None:
    """`--user` and `--course` choose by what the records say, and add up."""
    world.counts()
    diplomas = world.sandbox.diplomas.values()
    user, course = 700001, world.sandbox.diplomas[12345].course["id"]
    code, answer, _ = command(world, tmp_path / "bag", "--user", str(user), "--course", str(course))
    expected = {one.id for one in diplomas if one.user["id"] == user or one.course["id"] == course}
    assert (code, answer["diplomas"]) == (0, len(expected))
    assert {int(row["diploma id"]) for row in overview(tmp_path / "bag")} == expected


def test_all_revisions_go_together_and_one_is_current(world: World, tmp_path: Path) -> None:
    """A reissued and then withdrawn diploma is exported whole, each PDF with its revision in its name."""
    world.counts()
    course = {**world.sandbox.diplomas[12345].course, "title": "Safety Training, corrected"}
    world.sandbox.reissue(12345, "2025-01-01 10:00:00", course=course)
    world.counts()
    world.sandbox.reissue(12345, "2025-02-01 10:00:00", deleted_at="2025-02-01 10:00:00")
    world.counts()
    export_here(world, tmp_path / "bag", certificates=frozenset({"ABC123456"}))
    rows = overview(tmp_path / "bag")
    assert [(row["status"], row["current"]) for row in rows] == [
        ("issued", "no"),
        ("issued", "no"),
        ("withdrawn", "yes"),
    ]
    pdfs = {row["PDF file"] for row in rows} - {""}
    assert pdfs == {f"diplomas/2024-SAFE-001_ABC123456_{row['revision']}.pdf" for row in rows[:2]}


def test_a_diploma_that_changed_hands_shows_each_person_their_own(world: World, tmp_path: Path) -> None:
    """A revision that names another person is not handed out with this one's."""
    world.counts()
    world.sandbox.reissue(12345, "2025-01-01 10:00:00", user={**world.sandbox.persons[700001]})
    world.counts()
    export_here(world, tmp_path / "bag", users=frozenset({289252}))
    assert {row["user id"] for row in overview(tmp_path / "bag")} == {"289252"}
    assert b"700001" not in b"".join(body for key, body in objects(tmp_path / "bag").items() if key.endswith(".json"))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--all", "--user", "5"),
        ("--user", "0"),
        ("--user", "x"),
        ("--certificate", " "),
        ("--all", "--format", "zip"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(world: World, proxy: S3Proxy, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A choice that is none is refused before the first request; it is never taken for "everything"."""
    code, answer, _ = command(world, tmp_path / "bag", *arguments, **through(proxy))
    assert (code, answer["kind"]) == (2, "usage")
    assert proxy.requests == []
    assert not (tmp_path / "bag").exists()


# Bad objects


def spoil(world: World, key: str, body: bytes | None) -> None:
    """Replace an object, or take it away."""
    name = f"{world.bucket.prefix}/{key}"
    if body is None:
        world.bucket.client.delete_object(Bucket=world.bucket.name, Key=name)
    else:
        world.bucket.client.put_object(Bucket=world.bucket.name, Key=name, Body=body)


def flipped(body: bytes) -> bytes:
    """Return the bytes with one bit changed in the middle."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes | None]] = {
    "gone": lambda _: None,
    "empty": lambda _: b"",
    "cut": lambda body: body[:-10],
    "flipped": flipped,
    "longer": lambda body: body + b" ",
    "not UTF-8": lambda _: b"\xff\xfe\x00",
    "another JSON": lambda _: b"[1, 2]",
    "nested too deeply": lambda _: b"[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("ending", [".pdf", ".json"])
@pytest.mark.parametrize("choice", [{"everything": True}, {"certificates": frozenset({"ABC123456"})}], ids=list)
def test_a_bad_object_is_named_and_left_out(
    world: World, tmp_path: Path, damage: str, ending: str, choice: dict[str, Any]
) -> None:
    """What is not what was archived is never handed on as if it were; everything else is, in a valid bag."""
    world.counts()
    good = bucket(world)
    key = key_of(world, 12345, ending)
    spoil(world, key, DAMAGE[damage](good[key]))
    done = export_here(world, tmp_path / "bag", **choice)
    assert key in named(done)
    assert not done.is_complete
    assert "Doe" not in repr(done)
    validate(tmp_path / "bag")
    held = objects(tmp_path / "bag")
    assert key not in held
    assert all(body == good[name] for name, body in held.items())
    if "everything" in choice:
        assert set(good) - set(held) == {key}
    assert key in (tmp_path / "bag/data/not-exported.csv").read_text("utf-8-sig")


@pytest.mark.parametrize("edit", ["user", "file", "status"])
def test_an_edited_record_is_not_believed(world: World, tmp_path: Path, edit: str) -> None:
    """A record in which somebody changed a name, the file or the state contradicts its own fingerprint."""
    world.counts()
    key = key_of(world, 12345, ".json")
    record = world.bucket.document(key)
    if edit == "user":
        record["user"]["lastname"] = "Smith"
    elif edit == "file":
        record["file"]["sha256"] = "0" * 64
    else:
        record["status"] = "withdrawn"
    spoil(world, key, (json.dumps(record, indent=2) + "\n").encode())
    assert named(export_here(world, tmp_path / "bag", everything=True)) == [key]


@pytest.mark.parametrize("choice", ["users", "courses"])
def test_a_record_that_cannot_be_read_may_be_anybodys(world: World, tmp_path: Path, choice: str) -> None:
    """Where nobody can tell whether a record was asked for, it is named."""
    world.counts()
    key = key_of(world, 500001, ".json")
    spoil(world, key, b"{")
    assert named(export_here(world, tmp_path / "bag", **{choice: frozenset({289252})})) == [key]


@pytest.mark.parametrize(
    "answer", [Answer(403, "AccessDenied"), Answer(403, "InvalidObjectState"), Answer(500, "InternalError")], ids=str
)
@pytest.mark.parametrize("ending", [".pdf", ".json"])
def test_an_object_that_may_not_be_read_now_is_named(
    world: World, proxy: S3Proxy, tmp_path: Path, answer: Answer, ending: str
) -> None:
    """No permission for one object, cold storage, a server that stumbles over it: the others are exported."""
    world.counts()
    key = key_of(world, 12345, ending)
    proxy.fault(answer, method="GET", key=key, times=None)
    code, said, _ = command(world, tmp_path / "bag", "--all", **through(proxy))
    assert code == 1
    assert [row["key"] for row in said["not_exported"]] == [key]
    validate(tmp_path / "bag")


@pytest.mark.parametrize("fault", [FlipAnswer(), CutAnswer(), Answer(403, "AccessDenied")], ids=str)
def test_what_is_bad_once_is_read_again(world: World, proxy: S3Proxy, tmp_path: Path, fault: object) -> None:
    """A bit that flips on the way is no finding."""
    world.counts()
    proxy.fault(fault, method="GET", key=key_of(world, 12345, ".pdf"))  # type: ignore[arg-type]
    code, _, _ = command(world, tmp_path / "bag", "--all", **through(proxy))
    assert code == 0
    assert objects(tmp_path / "bag") == bucket(world)


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "ExpiredToken"])
def test_credentials_that_end_stop_the_export(world: World, proxy: S3Proxy, tmp_path: Path, code: str) -> None:
    """Where nothing can be read any more, that is one sentence and exit code 3, not a list of every diploma."""
    world.counts()
    proxy.fault(Answer(403, code), method="GET", key=".pdf", times=None)
    done, answer, stderr = command(world, tmp_path / "bag", "--all", **through(proxy))
    assert (done, answer["kind"]) == (3, "fatal")
    assert len(stderr.splitlines()) == 1
    assert not (tmp_path / "bag/bagit.txt").exists()


def test_a_record_that_only_the_index_knows_is_named(world: World, tmp_path: Path) -> None:
    """With record and PDF deleted, the index still says that a diploma is missing."""
    world.counts()
    pdf, record = key_of(world, 12345, ".pdf"), key_of(world, 12345, ".json")
    spoil(world, pdf, None)
    spoil(world, record, None)
    for number, choice in enumerate(("--all", "--certificate=ABC123456")):
        code, answer, _ = command(world, tmp_path / str(number), choice)
        assert (code, [row["key"] for row in answer["not_exported"]]) == (1, [record])


def test_strangers_are_copied_as_they_are(world: World, tmp_path: Path) -> None:
    """`--all` loses nothing: odd keys, empty objects and what is no part of the layout come along."""
    world.counts()
    odd = {
        "diplomas/": b"",
        "diplomas/s-x/readme.txt": b"x",
        "diplomas/..\\\\..\\\\etc\\\\passwd": b"nobody",
        "diplomas/s-x/c-x/0123456789abcdef.1.json": b"{}",
        "quarantine/c-x/note": b"n",
        "A": b"1",
        "a": b"2",
        "con": b"3",
        "tab\tand rtl\u202e\u00e5": b"4",
        "long/" + "x" * 990: b"5",
        "=cmd|' /C calc'!A0": b"6",
    }
    for key, body in odd.items():
        world.bucket.put(key, body)
    assert named(export_here(world, tmp_path / "bag", everything=True)) == []
    validate(tmp_path / "bag")
    assert objects(tmp_path / "bag") == bucket(world)
    assert not any("passwd" in file for file in files(tmp_path / "bag"))
    names = [file.lower() for file in files(tmp_path / "bag")]
    assert len(names) == len(set(names))


@pytest.mark.long
def test_more_than_a_page_of_objects(world: World, tmp_path: Path) -> None:
    """A LIST of more than 1,000 keys is read to its end."""
    world.counts()
    for number in range(1005):
        world.bucket.put(f"quarantine/c-x/{number}", b"x")
    assert export_here(world, tmp_path / "bag", everything=True).objects == 21 + 1005


# Text from the source

NASTY = {
    12345: {"serial": "../../etc/passwd", "random_certificate_number": "con"},
    500001: {"serial": "A/B\\C:\x00\n\u202egpj.exe", "random_certificate_number": "abc"},
    500002: {"serial": "a/b\\c:\x00\n\u202egpj.exe", "random_certificate_number": "ABC"},
    500003: {"serial": "\u00e5" * 1500, "random_certificate_number": "X" * 1500},
    500004: {"serial": "\ud800\udfff", "random_certificate_number": "\u062f\u0628\u0644\u0648\u0645 1 "},
    500005: {"serial": None, "random_certificate_number": None},
}


def test_nasty_names_make_safe_files(world: World, tmp_path: Path) -> None:
    """Whatever serials and certificate numbers hold, every file has a plain, short name of its own in the folder."""
    world.sandbox.overrides.update(NASTY)
    assert world.counts() == {"archived": 6}
    done = export_here(world, tmp_path / "bag", everything=True)
    assert (done.diplomas, named(done)) == (6, [])
    validate(tmp_path / "bag")
    assert objects(tmp_path / "bag") == bucket(world)
    names = [path.name for path in (tmp_path / "bag/data/diplomas").iterdir()]
    assert len({name.lower() for name in names}) == 6
    assert all(name.isascii() and name.isprintable() and len(name) <= 120 for name in names)
    assert not {"con", "abc"} & {name.partition(".")[0].lower() for name in names}


def test_the_overview_survives_nasty_text(world: World, tmp_path: Path) -> None:
    """No formula, no broken row, no lone surrogate, also in names and titles of 40,000 characters."""
    course = world.sandbox.diplomas[12345].course
    person = world.sandbox.persons[700001]
    course["title"] = '=HYPERLINK("http://x";"y")\r\n;"\t\u202e\ud800'
    person.update({"firstname": "@SUM(1)", "lastname": "+" + "x" * 40_000})
    world.sandbox.overrides[500001] = {"passed_note": "-1\x00"}
    world.counts()
    assert export_here(world, tmp_path / "bag", everything=True).is_complete
    raw = (tmp_path / "bag/data/overview.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r") == 7
    rows = {row["diploma id"]: row for row in overview(tmp_path / "bag")}
    assert len(rows) == 6
    assert rows["12345"]["course"] == '\'=HYPERLINK("http://x";"y")\\r\\n;"\\t\\u202e\\ud800'
    assert rows["500001"]["note"] == "'-1\\x00"
    for row in rows.values():
        assert not any(value.startswith(("=", "+", "-", "@")) for value in row.values())


# The folder


def test_a_second_call_reads_no_file_again(world: World, proxy: S3Proxy, tmp_path: Path) -> None:
    """A finished export is brought up to date: what is there with the right hash is not asked for again."""
    world.counts()
    export_here(world, tmp_path / "bag", everything=True)
    before = objects(tmp_path / "bag")
    code, answer, _ = command(world, tmp_path / "bag", "--all", **through(proxy))
    assert (code, answer["objects"]) == (0, len(before))
    assert [one.key for one in proxy.requests if one.method == "GET" and one.key] == [
        f"{world.bucket.prefix}/archive.json"
    ] * 2
    world.sandbox.add_diploma(987654)
    world.counts()
    assert export_here(world, tmp_path / "bag", everything=True).diplomas == 7
    validate(tmp_path / "bag")
    assert objects(tmp_path / "bag") == bucket(world)


@pytest.mark.parametrize("ending", [".pdf", ".json"])
def test_a_file_that_was_damaged_on_disk_comes_anew(world: World, tmp_path: Path, ending: str) -> None:
    """The hash decides what is there, not the name or the size."""
    world.counts()
    export_here(world, tmp_path / "bag", everything=True)
    folder = tmp_path / "bag/data" / ("diplomas" if ending == ".pdf" else "records")
    victim = sorted(folder.iterdir())[0]
    victim.write_bytes(flipped(victim.read_bytes()))
    assert export_here(world, tmp_path / "bag", everything=True).is_complete
    validate(tmp_path / "bag")
    assert objects(tmp_path / "bag") == bucket(world)


def test_what_was_erased_leaves_the_folder_too(world: World, tmp_path: Path) -> None:
    """An export that is brought up to date keeps nothing that the archive does not hold any more."""
    world.counts()
    export_here(world, tmp_path / "bag", everything=True)
    for below in ("diplomas/s-2024-SAFE-001/", "certificates/c-ABC123456/"):
        for key in world.bucket.keys_below(below):
            spoil(world, key, None)
    assert export_here(world, tmp_path / "bag", everything=True).diplomas == 5
    validate(tmp_path / "bag")
    assert not [file for file in files(tmp_path / "bag") if "ABC123456" in file]


@pytest.mark.parametrize("requests", [3, 9, 20])
def test_an_export_that_was_cut_off_goes_on(world: World, proxy: S3Proxy, tmp_path: Path, requests: int) -> None:
    """S3 goes away in the middle: exit code 3, nothing half under a final name, and the next call completes it."""
    world.counts()
    good = set(bucket(world).values())
    proxy.die(requests, after=False)
    code, answer, _ = command(world, tmp_path / "bag", "--all", **through(proxy))
    assert (code, answer["kind"]) == (3, "fatal")
    for file in files(tmp_path / "bag"):
        if file.startswith("data/"):
            assert (tmp_path / "bag" / file).read_bytes() in good
    assert not (tmp_path / "bag/bagit.txt").exists()
    assert export_here(world, tmp_path / "bag", everything=True).is_complete
    validate(tmp_path / "bag")
    assert objects(tmp_path / "bag") == bucket(world)


def test_a_killed_export_goes_on(world: World, proxy: S3Proxy, tmp_path: Path) -> None:
    """kill -9 in the middle of the files: whole files only, and the next call does not read those again."""
    world.counts()
    seen, killed = 0, threading.Event()

    def wait(request: object) -> None:
        nonlocal seen
        if getattr(request, "key", "").endswith(".pdf"):
            seen += 1
            if seen > 2:
                killed.wait(30)

    proxy.on_request = wait
    process = subprocess.Popen(
        [sys.executable, "-m", "diploma_archive.cli", "export", "--all", "--to", str(tmp_path / "bag")],
        env=world.environment(ARCHIVE_CONCURRENCY="1", **through(proxy)),
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while seen < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    killed.set()
    proxy.on_request = None
    there = list((tmp_path / "bag/data/diplomas").iterdir())
    assert 1 <= len(there) <= 2
    assert {path.read_bytes() for path in there} <= set(bucket(world).values())
    proxy.reset()
    code, _, _ = command(world, tmp_path / "bag", "--all", **through(proxy))
    assert code == 0
    assert len(pdf_gets(proxy)) == 6 - len(there)
    validate(tmp_path / "bag")
    assert objects(tmp_path / "bag") == bucket(world)


@pytest.mark.parametrize("content", ["a file", "another choice", "another archive", "another layout", "broken"])
def test_a_folder_of_something_else_is_refused(world: World, tmp_path: Path, content: str) -> None:
    """Nothing in a foreign folder is touched, also if it was another export."""
    world.counts()
    to = tmp_path / "bag"
    if content == "a file":
        to.mkdir()
        (to / "letter.txt").write_text("dear")
    elif content == "another choice":
        export_here(world, to, certificates=frozenset({"ABC123456"}))
    elif content == "another layout":
        export_here(world, to, "plain", everything=True)
    else:
        export_here(world, to, everything=True)
        if content == "broken":
            (to / "data/objects.jsonl").write_text('{"key": "a", "file": "../../x"}\n')
    if content == "another archive":
        identity = new_identity(account="default", prefix="x", base_url="x", created_at=datetime.now(UTC))
        spoil(world, "archive.json", json.dumps(identity).encode())
    before = {file: (to / file).read_bytes() for file in files(to)}
    code, answer, _ = command(world, to, "--all")
    assert (code, answer["kind"]) == (2, "usage")
    after = {file: (to / file).read_bytes() for file in files(to)}
    assert {file: body for file, body in after.items() if not file.startswith(".unfinished/")} == before


def test_a_file_in_place_of_the_folder_is_refused(world: World, tmp_path: Path) -> None:
    """`--to` names a folder."""
    world.counts()
    (tmp_path / "bag").write_text("x")
    code, answer, _ = command(world, tmp_path / "bag", "--all")
    assert (code, answer["kind"]) == (2, "usage")
    assert (tmp_path / "bag").read_text() == "x"


@pytest.mark.parametrize("link", ["data", "data/diplomas", "data/records", "data/objects", ".unfinished"])
def test_links_in_the_folder_lead_nowhere(world: World, tmp_path: Path, link: str) -> None:
    """A folder in the export that is a link to elsewhere stops it; nothing is written there."""
    world.counts()
    to, outside = tmp_path / "bag", tmp_path / "outside"
    export_here(world, to, everything=True)
    outside.mkdir()
    if (to / link).exists():
        (to / link).rename(tmp_path / "moved")
    (to / link).symlink_to(outside, target_is_directory=True)
    code, answer, _ = command(world, to, "--all")
    assert code in (2, 3), answer
    assert list(outside.iterdir()) == []


def test_a_linked_file_is_replaced_and_never_followed(world: World, tmp_path: Path) -> None:
    """A link in place of a file is no copy of it: the file comes anew, and what the link named stays as it is."""
    world.counts()
    to, outside = tmp_path / "bag", tmp_path / "outside.pdf"
    export_here(world, to, everything=True)
    pdf = to / "data/diplomas/2024-SAFE-001_ABC123456.pdf"
    pdf.rename(outside)
    pdf.symlink_to(outside)
    before = outside.read_bytes()
    assert export_here(world, to, everything=True).is_complete
    assert (outside.read_bytes(), pdf.is_symlink()) == (before, False)
    assert pdf.read_bytes() == before


def test_a_full_disk_is_one_sentence_and_the_next_call_goes_on(world: World, tmp_path: Path) -> None:
    """What the disk cannot hold is fatal with what to do; nothing half is left under a final name."""
    world.sandbox.pdf_bytes = 2_000_000
    world.counts()
    program = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000));"
        "sys.argv[0] = 'diploma-archive'; runpy.run_module('diploma_archive.cli', run_name='__main__')"
    )
    limited = subprocess.run(
        [sys.executable, "-c", program, "export", "--all", "--json", "--to", str(tmp_path / "bag")],
        env=world.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert limited.returncode == 3, limited.stderr
    assert "no space left" in last_json(limited.stdout)["error"]
    assert "Traceback" not in limited.stderr
    assert [file for file in files(tmp_path / "bag") if file.endswith((".pdf", ".part"))] == []
    assert export_here(world, tmp_path / "bag", everything=True).is_complete
    validate(tmp_path / "bag")


def test_two_exports_never_share_a_folder(world: World, tmp_path: Path) -> None:
    """A second command in the same folder at the same time is told so, and the first one is not disturbed."""
    world.counts()
    notes = tmp_path / "bag/.unfinished"
    export_here(world, tmp_path / "bag", everything=True)
    notes.mkdir()
    first = ExportLedger(notes / "notes.sqlite")
    try:
        code, answer, _ = command(world, tmp_path / "bag", "--all")
    finally:
        first.close()
    assert (code, answer["kind"]) == (3, "fatal")
    assert "nother program is at work" in answer["error"]
    validate(tmp_path / "bag")


def test_a_folder_that_cannot_be_written_to_is_one_sentence(world: World) -> None:
    """No permission or no such disk is exit code 3 without a traceback."""
    world.counts()
    code, answer, _ = command(world, Path("/proc/no-such-folder"), "--all")
    assert (code, answer["kind"]) == (3, "fatal")


def test_no_name_is_said_where_it_does_not_belong(world: World, tmp_path: Path) -> None:
    """The persons are in the bag, and in nothing that the command prints."""
    world.counts()
    done = world.command("--verbose", "export", "--all", "--to", str(tmp_path / "bag"))
    assert done.returncode == 0
    for text in ("Doe", "john.doe", "sandbox-secret", "token="):
        assert text not in done.stdout + done.stderr


def test_a_run_at_the_same_time_leaves_a_whole_state(world: World, proxy: S3Proxy, tmp_path: Path) -> None:
    """What is archived while the export is at work comes whole or not at all, and its report not alone."""
    world.counts()
    world.sandbox.add_diploma(987654)
    began = False

    def archive_meanwhile(request: object) -> None:
        nonlocal began
        if not began and getattr(request, "key", "").endswith(".pdf"):
            began = True
            world.counts()

    proxy.on_request = archive_meanwhile
    code, answer, _ = command(world, tmp_path / "bag", "--all", **through(proxy))
    assert (code, answer["not_exported"], began) == (0, [], True)
    held = objects(tmp_path / "bag")
    for key, body in held.items():
        if key.startswith("runs/"):
            for outcome in json.loads(body)["outcomes"]:
                assert outcome.get("record") is None or outcome["record"] in held
        if key.startswith("certificates/"):
            entry = json.loads(body)
            assert entry["record"] in held
            assert hashlib.sha256(held[entry["file"]]).hexdigest() == entry["sha256"]
