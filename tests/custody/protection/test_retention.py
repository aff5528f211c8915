"""`retention report`: what is older than its period, by class of course; it never deletes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.erasing import all_versions
from tests.support.s3_proxy import Answer, S3Proxy
from tests.support.world import World

PERIODS = """
default_years = 40

[[class]]
name = "crane"
courses = ["CRANE-*", "4242"]
years = 5

[[class]]
name = "first aid"
courses = ["AID-?"]
years = 2
"""


def report(world: World, *arguments: str, **environment: str) -> tuple[int, dict[str, Any]]:
    """Run `retention report ... --json`; return exit code and answer."""
    done = world.command("retention", "report", *arguments, "--json", **environment)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def held(world: World, diploma_id: int, reference: str | None, end_at: object, **more: Any) -> None:
    """Give a diploma a course and an end."""
    diploma = world.sandbox.diplomas[diploma_id]
    course, date = {**diploma.course, "reference": reference, **more}, {**diploma.coursedate, "end_at": end_at}
    world.sandbox.change(diploma_id, {"course": course, "coursedate": {**date, "start_at": end_at}})


@pytest.fixture
def dated(world: World) -> World:
    """Six diplomas: of two classes by reference, one by course id, the rest by default."""
    ids = sorted(world.sandbox.diplomas)
    for diploma_id in ids:
        held(world, diploma_id, "OTHER", "2026-01-01 16:00:00")
    held(world, ids[0], "CRANE-1", "2019-05-02 16:00:00")
    held(world, ids[1], "CRANE-2", "2025-05-02 16:00:00")
    held(world, ids[2], "AID-1", "2020-02-29T16:00:00+01:00")
    held(world, ids[3], None, "2001-01-01", id=4242)
    held(world, ids[4], "AID-10", "0000-00-00 00:00:00")
    world.run()
    return world


def test_what_is_older_than_its_class_is_listed(dated: World, tmp_path: Path) -> None:
    """The first class that fits counts, by reference or id; the list has what erase needs, the oldest first."""
    (tmp_path / "periods.toml").write_text(PERIODS)
    ids = sorted(dated.sandbox.diplomas)
    before = all_versions(dated.bucket)
    code, answer = report(dated, "--periods", str(tmp_path / "periods.toml"))
    assert code == 1
    assert [(each["diploma_id"], each["class"], each["since"], each["over_since"]) for each in answer["over"]] == [
        (ids[3], "crane", "2001-01-01", "2006-01-01"),
        (ids[0], "crane", "2019-05-02", "2024-05-02"),
        (ids[2], "first aid", "2020-02-29", "2022-03-01"),
    ]
    numbers = [dated.sandbox.diplomas[each["diploma_id"]].random_certificate_number for each in answer["over"]]
    assert [each["certificate"] for each in answer["over"]] == numbers
    classes = {row["class"]: (row["years"], row["diplomas"], row["over"], row["oldest"]) for row in answer["classes"]}
    assert classes["crane"] == (5, 3, 2, "2001-01-01")
    assert classes["first aid"] == (2, 1, 1, "2020-02-29")
    assert classes["default"][:3] == (40, 2, 0)
    assert all_versions(dated.bucket) == before


def test_json_says_the_same_as_toml(dated: World, tmp_path: Path) -> None:
    """The table may be JSON too."""
    table = {"default_years": 40, "class": [{"name": "crane", "courses": ["CRANE-*", "4242"], "years": 5}]}
    (tmp_path / "periods.json").write_text(json.dumps(table))
    _, answer = report(dated, "--periods", str(tmp_path / "periods.json"))
    assert [each["class"] for each in answer["over"]] == ["crane", "crane"]


def test_a_date_that_is_none_falls_back_to_the_archiving(dated: World) -> None:
    """A course without an end (MySQL's zero date) is measured from the day it was archived."""
    fifth = sorted(dated.sandbox.diplomas)[4]
    code, answer = report(dated, "--years", "1")
    assert code == 1
    assert fifth not in [each["diploma_id"] for each in answer["over"]]
    assert {each["since_is"] for each in answer["over"]} == {"course"}


@pytest.mark.parametrize(
    "none", ["1970-01-01 00:00:00", "1970-01-01T01:00:00+01:00", "0001-01-01 00:00:00", "0000-00-00"]
)
def test_nobody_is_over_for_a_date_that_is_none(world: World, none: str) -> None:
    """A zero date in any spelling says nothing: the start of the course counts, or the day of archiving."""
    first, second = sorted(world.sandbox.diplomas)[:2]
    held(world, first, "CRANE-1", none)
    held(world, second, "CRANE-1", none)
    date = {**world.sandbox.diplomas[second].coursedate, "start_at": "2010-01-01 09:00:00"}
    world.sandbox.change(second, {"coursedate": date})
    world.run()
    over = {each["diploma_id"]: each["since"] for each in report(world, "--years", "10")[1]["over"]}
    assert first not in over
    assert over[second] == "2010-01-01"


def test_the_current_record_counts(dated: World) -> None:
    """A course date that was corrected later counts as it is now; each diploma is counted once."""
    first = sorted(dated.sandbox.diplomas)[3]
    held(dated, first, None, "2026-02-02 16:00:00", id=4242)
    dated.sandbox.change(first, {"updated_at": "2026-03-01 10:00:00"})
    dated.run()
    _, answer = report(dated, "--years", "20")
    assert (answer["over"], answer["diplomas"]) == ([], 6)


def test_without_a_period_nothing_is_ever_over(dated: World, tmp_path: Path) -> None:
    """A file without default_years keeps every other course, and says so; exit code 0."""
    (tmp_path / "p.toml").write_text('[[class]]\nname = "crane"\ncourses = ["CRANE-*"]\nyears = 90\n')
    code, answer = report(dated, "--periods", str(tmp_path / "p.toml"))
    assert (code, answer["over"]) == (0, [])
    assert {row["class"]: row["years"] for row in answer["classes"]} == {"crane": 90, "no period": None}


def test_a_shared_certificate_is_marked(dated: World) -> None:
    """erase --certificate takes all that lies under a number: that another diploma is not over is said."""
    ids = sorted(dated.sandbox.diplomas)
    for diploma_id in (ids[3], ids[5]):
        dated.sandbox.change(diploma_id, {"random_certificate_number": "SHARED-1", "updated_at": "2026-03-01 10:00:00"})
    dated.run()
    _, answer = report(dated, "--years", "20")
    assert [(each["diploma_id"], each["shares_certificate"]) for each in answer["over"]] == [(ids[3], True)]


def test_the_list_is_what_erase_takes(dated: World) -> None:
    """Also a diploma without a certificate number is named as erase wants it."""
    first = sorted(dated.sandbox.diplomas)[3]
    dated.sandbox.change(first, {"random_certificate_number": " ", "updated_at": "2026-03-01 10:00:00"})
    dated.run()
    _, answer = report(dated, "--years", "20")
    assert [each["certificate"] for each in answer["over"]] == [f"d-{first}"]


def test_unreadable_records_are_named_and_the_rest_is_reported(dated: World) -> None:
    """Damage, odd fields and one refused object: named, exit code 1; odd text never breaks the report."""
    keys = [key for key in dated.bucket.keys_below("diplomas/") if key.endswith(".json")]
    dated.bucket.put(keys[0], b"\xff\xfe")
    dated.bucket.put(keys[1], b'{"diploma_id": "x"}')
    dated.bucket.put(keys[2], b'{"diploma_id": 7, "course": [], "coursedate": 5, "archived_at": null}')
    with S3Proxy(dated.s3_environment["AWS_ENDPOINT_URL_S3"]) as proxy:
        proxy.fault(Answer(403, "AccessDenied"), method="GET", key=keys[3].replace(".", "[.]"), times=None)
        code, answer = report(dated, "--years", "100", AWS_ENDPOINT_URL_S3=proxy.endpoint_url)
    assert (code, answer["unreadable"], answer["undated"]) == (1, sorted([keys[0], keys[1], keys[3]]), 1)
    assert answer["diplomas"] == 3


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        (None, None, "--years"),
        ("missing.toml", None, "cannot be read"),
        ("p.toml", b"[[class", "neither TOML nor JSON"),
        ("p.json", b"[" * 100_000, "neither TOML nor JSON"),
        ("p.toml", b"\xff\xfe", "neither TOML nor JSON"),
        ("p.json", b"[]", "--periods"),
        ("p.toml", b"default_year = 5", "default_year"),
        ("p.toml", b'default_years = "5"', "default_years"),
        ("p.toml", b"default_years = 0", "default_years"),
        ("p.toml", b'[[class]]\nname = "a"\nyears = 5', "class.0.courses"),
        ("p.toml", b'[[class]]\nname = "a"\ncourses = ["x"]\nyears = 5\n' * 2, "name of another"),
    ],
    ids=str,
)
def test_a_wrong_table_is_exit_code_2(
    world: World, tmp_path: Path, name: str | None, content: bytes | None, named: str
) -> None:
    """A mistake in the table never passes for a period; the sentence says where it is."""
    if name and content is not None:
        (tmp_path / name).write_bytes(content)
    code, answer = report(world, *(("--periods", str(tmp_path / name)) if name else ()))
    assert (code, answer["kind"]) == (2, "usage")
    assert named in answer["error"]


def test_people_read_a_table(dated: World) -> None:
    """Counts by class, oldest dates, and the list for erase."""
    done = dated.command("retention", "report", "--years", "20")
    assert done.returncode == 1
    assert "default" in done.stdout
    assert "2001-01-01" in done.stdout
    assert "erase --certificate" in done.stdout
    assert dated.sandbox.diplomas[12345].user["lastname"] not in done.stdout


def test_it_needs_no_more_than_reading(dated: World) -> None:
    """Nothing but GET reaches S3."""
    with S3Proxy(dated.s3_environment["AWS_ENDPOINT_URL_S3"]) as proxy:
        report(dated, "--years", "20", AWS_ENDPOINT_URL_S3=proxy.endpoint_url)
        assert {one.method for one in proxy.requests} == {"GET"}
