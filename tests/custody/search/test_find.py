"""`find`: four requests by number whatever the archive's size, everything else by the catalogue, plain sentences."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from diploma_archive.cli import app
from diploma_archive.model.json_document import to_json
from diploma_archive.model.keys import IndexName, Place, certificate_segment, serial_segment
from diploma_archive.model.record import index_entry
from tests.support.s3_proxy import Answer, S3Proxy
from tests.support.world import World

EXAMPLE = "ABC123456"  # diploma 12345 of participant 987654, user 289252, FRONTCORE.md's own
LONG = "Prøve-" * 40


@pytest.fixture
def find(world: World, proxy: S3Proxy, tmp_path: Path) -> Any:
    """Return a function that runs `find --json` and gives exit code, answer, stderr and the number of requests.

    In this process, since starting one takes a second; `process=True` runs the program itself.
    """

    def run(*arguments: str, process: bool = False, **environment: str) -> tuple[int, dict[str, Any], str, int]:
        proxy.requests.clear()
        variables = {"AWS_ENDPOINT_URL_S3": proxy.endpoint_url, "XDG_CACHE_HOME": str(tmp_path), **environment}
        done: Any
        if process:
            done = world.command("find", *arguments, "--json", **variables)
            code = done.returncode
        else:
            done = CliRunner().invoke(app, ["find", *arguments, "--json"], env=world.environment(**variables))
            code = done.exit_code
        assert "Traceback" not in done.stderr
        assert all(request.method in ("GET", "HEAD") for request in proxy.requests)
        return code, json.loads(done.stdout.splitlines()[-1]), done.stderr, len(proxy.requests)

    return run


def plant(world: World, source: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Store a record like `source` with its index entry, as another run would have, and return it."""
    record = {**source, **changes}
    place = Place(
        serial_segment(record["serial"]), certificate_segment(record["certificate_number"], record["diploma_id"])
    )
    if record["file"] is not None:
        record["file"] = {**record["file"], "key": place.pdf_key(record["file"]["sha256"])}
    world.bucket.put(place.record_key(record["revision"], record["generation"]), to_json(record))
    name = IndexName(record["diploma_id"], record["revision"], record["generation"])
    world.bucket.put(name.key(place.certificate), to_json(index_entry(record, place)))
    return record


def ids(answer: dict[str, Any]) -> list[int]:
    return sorted(hit["diploma_id"] for hit in answer["diplomas"])


@pytest.mark.parametrize("option", ["--certificate", "--serial"])
def test_by_number_it_tells_everything_with_four_requests(world: World, find: Any, option: str) -> None:
    """The commonest question, in full: who, which course, when, status; never more than four requests."""
    world.run()
    number = {"--certificate": EXAMPLE, "--serial": "2024-SAFE-001"}[option]
    code, answer, _, requests = find(option, number)
    assert (code, requests <= 4) == (0, True)
    (hit,) = answer["diplomas"]
    assert (hit["certificate_number"], hit["serial"], hit["diploma_id"]) == (EXAMPLE, "2024-SAFE-001", 12345)
    assert (hit["participant_id"], hit["user_id"], hit["status"]) == (987654, 289252, "issued")
    assert (hit["course_reference"], hit["course_title"]) == ("SAFE-101", "Safety Training Course")
    assert (hit["course_date"], hit["revisions"], hit["read"]) == ("2024-02-15 09:00:00", 1, "record")
    (record,) = world.bucket.records(12345)
    assert hit["archived_at"] == record["archived_at"]
    assert (answer["total"], answer["more"], answer["troubles"]) == (1, False, [])


@pytest.mark.long
def test_the_size_of_the_archive_does_not_matter(world: World, find: Any) -> None:
    """Four requests with 1,500 keys under one serial and 1,500 more diplomas without a number."""
    world.run()
    (record,) = world.bucket.records(12345)
    for step in range(750):
        plant(world, record, diploma_id=600_000 + step, certificate_number=f"X{step}")
    assert find("--certificate", EXAMPLE)[3] <= 4
    code, answer, stderr, requests = find("--serial", "2024-SAFE-001", "--limit", "10")
    assert (code, len(answer["diplomas"]), requests <= 4) == (0, 10, True)
    for step in range(1_001):
        world.bucket.put(f"certificates/d-{700_000 + step}/{700_000 + step}.0123456789abcdef.json", b"{}")
    code, answer, stderr, requests = find("--certificate", "")
    assert (answer["more"], answer["total"], requests) == (True, None, 4)
    assert code == 1  # two entries were read, and these are damaged
    assert "narrow the search down" not in stderr  # said beside the table, not beside JSON


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (EXAMPLE, True),
        (f"  {EXAMPLE} \n", True),
        (f"c-{EXAMPLE}", True),
        (f" c-{EXAMPLE}/ ", True),
        (EXAMPLE.lower(), False),
        (f"{EXAMPLE}7", False),
        (EXAMPLE[:-1], False),
        ("c-", False),
        ("../archive.json", False),
        ("%", False),
        ("*", False),
    ],
)
def test_what_is_typed_or_pasted(world: World, find: Any, typed: str, found: bool) -> None:
    """The number, with blanks from the pasting, or its folder; a part of a number or a pattern is no number."""
    world.run()
    code, answer, stderr, requests = find("--certificate", typed)
    assert (code, ids(answer), requests <= 4) == ((0, [12345], True) if found else (1, [], True))
    assert found or stderr == "The archive holds no such diploma.\n"


@pytest.mark.parametrize(
    "number", [LONG, "Å/1", "d-12", "c-ABC123456", " x ", "no-serial", "a_b", "-", "c-c-ABC123456"]
)
def test_odd_numbers_are_found_as_they_are_and_by_their_folder(world: World, find: Any, number: str) -> None:
    """Over-long, slashed, folder-like and NFD numbers: each leads to its own diploma, as certificate and as serial."""
    world.sandbox.change(12345, {"random_certificate_number": number, "serial": number})
    world.run()
    for text in (number, unicodedata.normalize("NFD", number), certificate_segment(number, 1)):
        code, answer, _, requests = find(f"--certificate={text}")
        assert (code, ids(answer), requests <= 4) == (0, [12345], True), text
    for text in (number, unicodedata.normalize("NFD", number), serial_segment(number)):
        code, answer, _, requests = find(f"--serial={text}")
        assert (code, ids(answer), requests <= 4) == (0, [12345], True), text
    code, answer, _, requests = find(f"--certificate={number}", f"--serial={number}")
    assert (code, ids(answer), requests <= 4) == (0, [12345], True)


def test_a_number_that_looks_like_the_folder_of_another_comes_first(world: World, find: Any) -> None:
    """What a script passes is the number itself: `c-X` is never taken for the folder of X where it is a number too."""
    world.sandbox.change(12345, {"random_certificate_number": "X1"})
    world.sandbox.change(500001, {"random_certificate_number": "c-X1"})
    world.run()
    assert ids(find("--certificate", "c-X1")[1]) == [500001]
    assert ids(find("--certificate", "X1")[1]) == [12345]
    assert ids(find("--certificate", "c-c-X1")[1]) == [500001]


def test_blank_means_without_number(world: World, find: Any) -> None:
    """DESIGN.md: blank is null. Those without a number are listed, or one of them by its diploma id."""
    world.sandbox.change(12345, {"random_certificate_number": None, "serial": " "})
    world.sandbox.change(500001, {"random_certificate_number": "  "})
    world.run()
    assert ids(find("--certificate", " ")[1]) == [12345, 500001]
    assert ids(find("--serial", "")[1]) == [12345]
    code, answer, _, requests = find("--certificate", "", "--diploma", "500001")
    assert (code, ids(answer), requests) == (0, [500001], 4)
    assert ids(find("--certificate", "d-12345")[1]) == [12345]


def test_a_withdrawn_diploma_is_withdrawn(world: World, find: Any) -> None:
    """Two revisions of the same second: current is what was archived last, by certificate, serial and diploma id."""
    world.run()
    world.sandbox.reissue(12345, "2026-03-05 10:00:00", deleted_at="2026-03-05 10:00:00")
    world.run()
    for arguments in (("--certificate", EXAMPLE), ("--serial", "2024-SAFE-001"), ("--diploma", "12345")):
        _, answer, _, requests = find(*arguments)
        (hit,) = answer["diplomas"]
        assert (hit["status"], hit["revisions"]) == ("withdrawn", 2), arguments
        assert requests <= 4 or arguments[0] == "--diploma"


def test_what_four_requests_do_not_tell_is_not_guessed(world: World, find: Any) -> None:
    """Three revisions of the same second: the status is left open, and the way to it is said."""
    world.run()
    for day in (5, 6):
        world.sandbox.reissue(12345, f"2026-03-0{day} 10:00:00", passed_note=str(day))
        world.run()
    for arguments in (("--certificate", EXAMPLE), ("--serial", "2024-SAFE-001")):
        _, answer, _, requests = find(*arguments)
        (hit,) = answer["diplomas"]
        assert (hit["status"], hit["read"], hit["revisions"], requests <= 4) == (None, "keys", 3, True)
    shown = world.command("find", "--certificate", EXAMPLE)
    assert (
        "c-ABC123456: which revision is current was not read; diploma-archive show c-ABC123456 tells it."
        in shown.stderr
    )
    assert find("--diploma", "12345")[1]["diplomas"][0]["status"] == "issued"


def test_a_new_revision_after_an_old_one_is_told_in_full(world: World, find: Any) -> None:
    """Where the objects' own dates prove which is last, four requests tell everything of it."""
    world.run()
    (record,) = world.bucket.records(12345)
    time.sleep(1.1)  # a LIST tells seconds
    later = plant(world, record, revision="0123456789abcdef", archived_at="2999-01-01T00:00:00.000000Z", serial="S-NEW")
    code, answer, _, requests = find("--certificate", EXAMPLE)
    (hit,) = answer["diplomas"]
    assert (code, requests, hit["read"], hit["serial"]) == (0, 4, "record", "S-NEW")
    assert (hit["archived_at"], hit["participant_id"]) == (later["archived_at"], 987654)
    _, answer, _, requests = find("--serial", "2024-SAFE-001")
    (hit,) = answer["diplomas"]
    assert (hit["status"], hit["revisions"], requests) == (None, 2, 4)
    assert "another serial" in hit["note"]


def test_a_conflict_shows_both_diplomas(world: World, find: Any) -> None:
    """One certificate number under two diploma ids: two lines, four requests."""
    world.sandbox.change(500001, {"random_certificate_number": EXAMPLE})
    world.run()
    code, answer, _, requests = find("--certificate", EXAMPLE)
    assert (code, ids(answer), requests) == (0, [12345, 500001], 4)
    assert [hit["status"] for hit in answer["diplomas"]] == ["issued", "issued"]


def test_the_other_searches(world: World, find: Any) -> None:
    """Person, participant, course by id, reference and part of its title, date range; AND; every archive once."""
    world.run()
    records = world.bucket.records()
    for record in records[:3]:
        user, course, day = record["user"]["id"], record["course"], record["coursedate"]["start_at"][:10]
        assert ids(find("--user", str(user))[1]) == sorted(
            one["diploma_id"] for one in records if one["user"]["id"] == user
        )
        same = sorted(one["diploma_id"] for one in records if one["course"]["id"] == course["id"])
        for text in (
            str(course["id"]),
            course["reference"],
            course["reference"].lower(),
            course["title"][1:-1].upper(),
        ):
            assert ids(find("--course", text)[1]) == same
        assert record["diploma_id"] in ids(find("--from", day, "--to", day)[1])
        one = find("--user", str(user), "--course", course["reference"], "--from", day, "--to", day)[1]
        assert ids(one) == sorted(
            other["diploma_id"]
            for other in records
            if (other["user"]["id"], other["course"]["id"], other["coursedate"]["start_at"][:10])
            == (user, course["id"], day)
        )
    assert find("--participant", "987654")[1]["diplomas"][0]["diploma_id"] == 12345
    assert ids(find("--user", "289252", "--certificate", f"c-{EXAMPLE}", "--serial", " 2024-SAFE-001")[1]) == [12345]
    assert find("--user", "289252", "--certificate", records[-1]["certificate_number"] + "0")[0] == 1


def test_days_are_those_of_oslo_and_both_are_included(world: World, find: Any) -> None:
    """A course date with an offset belongs to the day it has in Norway."""
    world.sandbox.change(12345, {"coursedate": {"id": 1, "start_at": "2024-06-30T23:30:00+00:00"}})
    world.run()
    assert 12345 in ids(find("--from", "2024-07-01", "--to", "2024-07-01")[1])
    assert 12345 not in ids(find("--to", "2024-06-30")[1])


def test_an_older_revision_is_found_and_marked(world: World, find: Any, tmp_path: Path) -> None:
    """A diploma that was moved to another course is found by the old one too, and shown as it is now."""
    world.run()
    changed = {"id": 9, "title": "New title", "reference": "NEW-1"}
    world.sandbox.reissue(12345, "2026-03-05 10:00:00", course=changed)
    world.run()
    hits = find("--course", "SAFE-101")[1]["diplomas"]
    (hit,) = [one for one in hits if one["diploma_id"] == 12345]
    assert (hit["course_reference"], hit["matched"]) == ("NEW-1", "older")
    shown = world.command("find", "--course", "SAFE-101", XDG_CACHE_HOME=str(tmp_path))
    assert "issued*" in shown.stdout
    assert "* only an older revision" in shown.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--user", "0"),
        ("--user", "-5"),
        ("--user", "x"),
        ("--diploma", str(2**63)),
        ("--course", " "),
        ("--from", "2026-02-30"),
        ("--to", "soon"),
        ("--from", "2026-03-02", "--to", "2026-03-01"),
        ("--certificate", "", "--user", "5"),
        ("--limit", "0", "--user", "5"),
        ("--rebuild", "--no-update", "--user", "5"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(world: World, find: Any, arguments: tuple[str, ...]) -> None:
    """A mistyped search is refused with one sentence before the first request, never taken for another search."""
    world.run()
    code, answer, stderr, requests = find(*arguments, process=True)
    assert (code, answer["kind"], requests) == (2, "usage", 0)
    assert len(stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [("--certificate", EXAMPLE), ("--serial", EXAMPLE), ("--user", "5")], ids=" ".join
)
def test_no_archive_is_not_an_empty_archive(world: World, find: Any, arguments: tuple[str, ...]) -> None:
    """A misspelt prefix or bucket is exit code 3, never "no such diploma"."""
    world.run()
    for environment in ({"ARCHIVE_PREFIX": "acme/test"}, {"ARCHIVE_BUCKET": "a-bucket-that-is-not-there"}):
        code, answer, _, requests = find(*arguments, **environment)
        assert (code, answer["kind"], requests <= 4) == (3, "fatal", True)
    code, answer, _, _ = find(*arguments, process=True, AWS_ENDPOINT_URL_S3="http://127.0.0.1:9")
    assert (code, answer["kind"]) == (3, "fatal")


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"\xff\xfe", b"null", b"[" * 200_000, b'{"record": 7}', b'{"record": "x"}']
)
@pytest.mark.parametrize("what", ["certificates/", "diplomas/"])
def test_a_damaged_object_is_named_and_its_diploma_still_found(
    world: World, find: Any, what: str, damage: bytes
) -> None:
    """A damaged index entry or record never hides that the diploma is there, and is exit code 1 with its key."""
    world.run()
    (key,) = [key for key in world.bucket.keys_below(what) if EXAMPLE in key and key.endswith(".json")]
    world.bucket.put(key, damage)
    code, answer, stderr, requests = find("--certificate", EXAMPLE)
    assert (code, ids(answer), requests <= 4) == (1, [12345], True)
    assert key in stderr
    assert answer["diplomas"][0]["certificate_number"] == EXAMPLE
    assert answer["diplomas"][0]["read"] == ("keys" if what == "certificates/" else "entry")


def test_a_refused_object_is_named(world: World, find: Any, proxy: S3Proxy) -> None:
    """403 or cold storage on one record: named with the reason, and what the keys tell is shown."""
    world.run()
    for code_name, sentence in (("AccessDenied", "S3 refuses GetObject"), ("InvalidObjectState", "cold storage")):
        proxy.clear()
        proxy.fault(Answer(403, code_name), method="GET", key="diplomas/s-2024-SAFE-001", times=None)
        for arguments in (("--certificate", EXAMPLE), ("--serial", "2024-SAFE-001"), ("--user", "289252")):
            code, answer, stderr, _ = find(*arguments)
            assert (code, len(answer["troubles"])) == (1, 1), arguments
            assert sentence in stderr
        assert ids(find("--user", "700001")[1])


def test_text_from_the_source_is_never_interpreted(world: World, tmp_path: Path, find: Any) -> None:
    """Escape sequences, markup, line breaks and direction marks of a title never reach the terminal; JSON is exact."""
    title = "\x1b[2J[red]A[/red]\x07\r\nB\u202e:smile:\x9b1m\ud800"
    world.sandbox.change(12345, {"course": {"id": 1, "title": title, "reference": "[/]R"}, "serial": "s\x1b[31m"})
    world.run()
    variables = {"XDG_CACHE_HOME": str(tmp_path)}
    done = world.command("find", "--diploma", "12345", **variables)
    assert "[red]A[/red]" in done.stdout
    assert ":smile:" in done.stdout
    assert not any(one in done.stdout + done.stderr for one in "\x1b\x07\r\x9b\u202e")
    assert len(done.stdout.splitlines()) == 2
    assert find("--diploma", "12345")[1]["diplomas"][0]["course_title"] == title
    on_terminal = _on_terminal(world, "find", "--diploma", "12345", **variables)
    assert "\x1b[2J" not in on_terminal
    assert "\x1b[31m" not in on_terminal
    assert "12345" in on_terminal


def test_a_table_can_be_read_by_a_script_and_in_any_encoding(world: World, tmp_path: Path) -> None:
    """Without a terminal: one row a line however long, no colours, no frames, and no failure in plain ASCII."""
    world.sandbox.change(12345, {"course": {"id": 1, "title": "Kjøring på is " * 30, "reference": "Æ"}})
    world.run()
    done = world.command("find", "--certificate", EXAMPLE, PYTHONIOENCODING="ascii", COLUMNS="40", FORCE_COLOR="1")
    assert done.returncode == 0, done.stderr
    head, row = done.stdout.splitlines()
    assert head.split()[:3] == ["serial", "certificate", "diploma"]
    assert "Kj?ring" in row
    assert "\x1b" not in done.stdout


def _on_terminal(world: World, *arguments: str, **environment: str) -> str:
    """Run the program with a terminal as its stdout and return what the terminal got."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "diploma_archive.cli", *arguments],
        env=world.environment(**environment, TERM="xterm-256color"),
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    got = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            chunk = os.read(ours, 65_536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not chunk:
            break
        got += chunk
    os.close(ours)
    assert process.wait(timeout=60) == 0
    return got.decode("utf-8", "replace")
