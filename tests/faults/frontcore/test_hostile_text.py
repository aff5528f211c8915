"""Hostile text in names, numbers, titles and messages: distinct keys, nothing lost, and log lines that stay lines.

The fixture `world` checks I1 to I7 after each test; what the program logs is checked here record by record as well.
"""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from diploma_archive.model.keys import certificate_segment, escape, serial_segment
from diploma_archive.sandbox import Sandbox
from diploma_archive.sandbox import answer_faults as faults
from tests.support.invariants import API_KEY, OUR_LOGGERS
from tests.support.world import World

TEXTS = {
    "control-characters": "".join(map(chr, range(32))) + "\x7f\x85",
    "ansi-escapes": "\x1b[31mred\x1b[0m\x1b]0;title\x07\x9b2J",
    "rich-markup": "[bold red]x[/] [/] [link=http://evil.example]y[/link] [",
    "percent-s": "%s %d %(name)s %% %n {} {0} {name!r} ${HOME}",
    "newlines": "one\r\ntwo\nthree\u2028four\u2029five\x0bsix\x0cseven",
    "rtl-override": "\u202efdp.exe\u202c \u2066x\u2069 \u200f\u200e\u061c",
    "invisible": "\u200b\u200d\ufeff\u00ad\u2060\u180e",
    "lone-surrogates": "a\ud800b\udc00\udfff",
    "nul": "a\x00b",
    "100-kb": "\u00e5" * 50_000,
    "path": "../../etc/passwd\\..\\x",
    "sql-and-html": "'; DROP TABLE diplomas; --<script>alert(1)</script>&amp;",
    "json": '","status":"withdrawn","x":"',
    "emoji": "\U0001f393\U0001f469\u200d\U0001f393",
}
NAMES = "+".join(TEXTS)
RESERVED = (
    ".",
    "..",
    "con",
    "CON",
    "nul",
    "no-serial",
    "archive.json",
    "s-x",
    "c-x",
    "d-12345",
    "_",
    "__proto__",
    "/",
    "~",
)
FIELD_NAMES = {
    "__proto__": 1,
    "constructor": {"prototype": 1},
    "__class__": 1,
    "": 1,
    "[bold]x[/]": 1,
    "%s{}": 1,
    "two\nlines\r\n\u2028": 1,
    "\x1b[31m\x07\x9b": 1,
    "\u202ertl\u200f\u061c": 1,
    "\u200b\ufeff": 1,
    "lone\ud800": 1,
    "long" * 25_000: 1,
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A school of one person with a diploma; the tests add theirs."""
    with Sandbox(participants=1, persons=1, seed=7, requests_per_second=None) as server:
        yield server


def add(world: World, **attributes: Any) -> int:
    """Add a diploma to the documented enrolment and return its id."""
    return world.sandbox.add_diploma(987654, **attributes).id


def fill(world: World) -> dict[int, str]:
    """Add a diploma for each hostile text in all its fields at once; return the texts by diploma id."""
    user, course = world.sandbox.diplomas[12345].user, world.sandbox.diplomas[12345].course
    made = {}
    for text in TEXTS.values():
        made[
            add(
                world,
                user={**user, "firstname": text, "lastname": text, "position": text},
                course={**course, "title": text, "reference": text},
                random_certificate_number=f"N{text}",
                serial=f"S{text}",
                passed_note=text,
            )
        ] = text
    return made


def assert_one_line_each(records: list[logging.LogRecord]) -> None:
    """Check that what the program and its libraries said is one printable line a record."""
    for record in records:
        # The tests' own look at the bucket is not the program's.
        if record.name.split(".")[0] in OUR_LOGGERS and not record.name.startswith("botocore.auth"):
            assert record.getMessage().isprintable(), (record.name, record.getMessage()[:300])


def sync(world: World, *arguments: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run the real command without a terminal and with talkative libraries; check its output line by line."""
    done = world.command(
        "--verbose",
        "sync",
        *arguments,
        "--json",
        PREFECT_LOGGING_EXTRA_LOGGERS="httpx,botocore",
        PREFECT_LOGGING_LEVEL="DEBUG",
        PYTHONIOENCODING="utf-8",
    )
    assert "Traceback" not in done.stdout + done.stderr
    for line in [*done.stdout.split("\n"), *done.stderr.split("\n")]:
        assert line.isprintable(), repr(line[:300])
        assert len(line) < 10_000, line[:300]
    assert API_KEY not in done.stdout + done.stderr
    return done, dict(json.loads(done.stdout))


@pytest.mark.parametrize("names", [NAMES], ids=str)
def test_hostile_values_are_archived_as_they_came(world: World, caplog: pytest.LogCaptureFixture, names: str) -> None:
    """Whatever stands in names, numbers, titles and notes is evidence: kept exactly, under a key of its own."""
    made = fill(world)
    assert names.split("+") == list(TEXTS)
    caplog.set_level(logging.DEBUG)
    assert world.counts() == {"archived": 1 + len(TEXTS)}
    assert_one_line_each(caplog.records)
    for diploma_id, text in made.items():
        (record,) = world.bucket.records(diploma_id)
        assert (record["user"]["firstname"], record["course"]["title"]) == (text, text)
        assert (record["serial"], record["certificate_number"]) == (f"S{text}", f"N{text}")
        assert record["result"]["passed_note"] == text
    keys = world.bucket.keys_below()
    assert all(key.isascii() and key.isprintable() for key in keys)
    assert not {part for key in keys for part in key.split("/")} & {"", ".", ".."}
    assert len({key.split("/")[2] for key in keys if key.startswith("diplomas/")}) == 1 + len(TEXTS)


@pytest.mark.parametrize("names", [NAMES], ids=str)
def test_hostile_values_through_the_real_command(world: World, names: str) -> None:
    """The command says ids and counts only: each line stays a line, and stdout is one JSON object."""
    made = fill(world)
    assert names.split("+") == list(TEXTS)
    for diploma_id in made:
        world.sandbox.fault("download", faults.HtmlLogin(), id=diploma_id)
    done, answer = sync(world, "--all")
    assert (done.returncode, answer["failed"], answer["archived"]) == (1, len(TEXTS), 1)
    for piece in ("red", "evil.example", "DROP TABLE", "etc/passwd", "five", "fdp.exe"):
        assert piece not in done.stdout + done.stderr


def test_hostile_field_names_are_logged_on_one_line(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Undocumented fields are named once, on one line, without control characters and 100 kB, by the command too."""
    world.sandbox.overrides[12345] = FIELD_NAMES
    done, answer = sync(world, "--all", "--dry-run")
    assert (done.returncode, answer["archived"]) == (0, 1)
    assert len([line for line in done.stderr.splitlines() if "undocumented" in line]) == 1
    caplog.set_level(logging.DEBUG)
    assert world.counts() == {"archived": 1}
    (said,) = [record for record in caplog.records if "undocumented" in record.getMessage()]
    assert "__proto__" in said.getMessage()
    assert len(said.getMessage()) < 2_000
    assert_one_line_each(caplog.records)
    (record,) = world.bucket.records()
    assert not set(FIELD_NAMES) & set(record)


@pytest.mark.parametrize("names", [NAMES], ids=str)
def test_hostile_error_messages_are_not_passed_on(world: World, caplog: pytest.LogCaptureFixture, names: str) -> None:
    """What FrontCore says in an error may name anybody: none of it is in failures, logs or output."""
    caplog.set_level(logging.DEBUG)
    world.run()
    for name in names.split("+"):
        message = f"{TEXTS[name]} Canaryfirst {API_KEY} token=x"
        world.sandbox.fault("diplomas", faults.ErrorUnder200(message), times=1)
        assert world.counts(participants="987654") == {"unlisted": 1}
        headers = {"Content-Type": "application/pdf"} if name == "rich-markup" else {}
        world.sandbox.fault("download", faults.Status(404, {"error": message}, headers), times=2)
        assert world.counts(participants="987654", force=True) == {"failed": 1}
    assert_one_line_each(caplog.records)
    world.sandbox.fault("diplomas", faults.ErrorUnder200("".join(TEXTS.values()) + "Canarylast"))
    done, answer = sync(world, "--participant", "987654")
    assert (done.returncode, answer["unlisted"]) == (1, 1)
    assert "Canary" not in done.stdout + done.stderr


def test_reserved_names_are_only_names(world: World) -> None:
    """`.`, `..`, `con`, `no-serial` and `archive.json` as numbers get keys of their own; nothing leaves its place."""
    for number in RESERVED:
        add(world, random_certificate_number=number, serial=number)
    for serial, number in (("x/y", "1"), ("x", "y/1"), ("x_2Fy", "1x"), (None, "archive.json2"), ("no-serial2", None)):
        add(world, random_certificate_number=number, serial=serial)
    total = len(world.sandbox.diplomas)
    assert world.counts() == {"archived": total}
    records = [key for key in world.bucket.keys_below("diplomas/") if key.endswith(".json")]
    assert len({tuple(key.split("/")[1:3]) for key in records}) == total
    assert all(len(key.split("/")) == 4 for key in records)
    tops = {key.split("/")[0] for key in world.bucket.keys_below()}
    assert tops == {"archive.json", "certificates", "diplomas", "runs", "state"}
    assert not any(part in (".", "..") or part.startswith(".") for key in records for part in key.split("/"))


def test_case_and_unicode_twins(world: World) -> None:
    """Twins by case are two certificates; twins by Unicode form (NFC) are one, so a conflict, and both are kept."""
    world.sandbox.pdf_bytes = 4_000  # the padding differs where the fonts cannot show a difference
    apart = ("twin", "Twin", "TWIN", "\ufb01n", "fin", "\u0131x", "ix", "\u0391", "A", "A ", "A\u200b", "\u00df", "ss")
    for number in apart:
        add(world, random_certificate_number=number, serial=number)
    together = (("\u00c5-1", "A\u030a-1", "\u212b-1"), ("\u1ec7", "e\u0323\u0302", "e\u0302\u0323"), ("K", "\u212a"))
    for twins in together:
        for number in twins:
            add(world, random_certificate_number=number, serial=number)
    assert world.counts() == {"archived": 1 + len(apart) + 3, "conflict": 5}
    assert len(world.bucket.records()) == len(world.sandbox.diplomas)
    assert len({certificate_segment(number, 1) for number in apart}) == len(apart)
    assert {len({serial_segment(number) for number in twins}) for twins in together} == {1}


def test_a_hostile_number_of_every_single_byte_has_a_key_of_its_own() -> None:
    """Keys stay apart for each of the first 2,048 characters, and for long texts that differ at their end."""
    short = [escape(f"x{chr(code)}") for code in range(2048) if chr(code) not in "\u0340\u0341\u0343\u0374\u037e\u0387"]
    long = [escape("y" * 100_000 + str(number)) for number in range(20)]
    assert len({key.casefold() for key in long}) == 20
    assert len(set(short)) == len(short)
    assert all(key.isascii() and key.isprintable() and len(key) <= 120 for key in short + long)
