"""Run reports form a chain: each names those before it with their hash, so that one taken away or edited shows."""

from __future__ import annotations

import hashlib
from typing import Any

from tests.support.world import World


def report_of(world: World, run_id: str) -> tuple[str, dict[str, Any]]:
    """Return key and content of a run's report."""
    (key,) = [key for key in world.bucket.keys_below("runs/") if run_id in key]
    return key, world.bucket.document(key)


def link_to(world: World, key: str) -> dict[str, str]:
    """Return the link that a later report must hold."""
    return {"key": key, "sha256": hashlib.sha256(world.bucket.body(key)).hexdigest()}


def test_each_report_names_the_one_before(world: World) -> None:
    """The first report names none, every later one the one before it, by key and hash."""
    keys = []
    for _ in range(3):
        key, report = report_of(world, world.run().run_id)
        assert report["previous"] == [link_to(world, before) for before in keys[-1:]]
        keys.append(key)


def test_reports_that_ended_at_the_same_moment_are_both_named(world: World) -> None:
    """A fork, as of two runs that end together, is joined by the next run."""
    first, _ = report_of(world, world.run().run_id)
    second, report = report_of(world, world.run().run_id)
    twin = f"{second.removesuffix('.json')}-twin.json"
    world.bucket.put(twin, world.bucket.body(second))
    assert report["previous"] == [link_to(world, first)]
    _, third = report_of(world, world.run().run_id)
    assert sorted(third["previous"], key=lambda link: link["key"]) == [link_to(world, twin), link_to(world, second)]


def test_a_long_report_names_its_predecessor_before_its_outcomes(world: World) -> None:
    """Looking for the end of the chain costs the heads of reports only, however many diplomas they speak of."""
    key, _ = report_of(world, world.run().run_id)
    text = world.bucket.body(key)
    assert text.index(b'"previous"') < text.index(b'"outcomes"')


def test_a_damaged_report_does_not_stop_the_next_run(world: World) -> None:
    """What cannot be read is named with its hash as it is; archiving goes on."""
    world.bucket.put("archive.json", b"")
    world.bucket.client.delete_object(Bucket=world.bucket.name, Key="acme/prod/archive.json")
    for number, body in enumerate((b"", b"{", b"\xff\xfe", b"[1]", b'{"previous": [1, {"key": 2}]}')):
        world.bucket.put(f"runs/2026/01/01/2026010{number}T000000Z-x.json", body)
    _, report = report_of(world, world.run().run_id)
    assert len(report["previous"]) == 5


def test_the_report_has_the_hash_of_each_record(world: World) -> None:
    """The chain covers every byte of the records, not only what their fingerprint covers."""
    world.sandbox.diplomas[500001].random_certificate_number = "ABC123456"
    world.sandbox.diplomas[500002].deleted_at = "2026-02-02 10:00:00"
    _, report = report_of(world, world.run().run_id)
    outcomes = {outcome["outcome"] for outcome in report["outcomes"]}
    assert outcomes == {"archived", "conflict", "withdrawn"}
    for outcome in report["outcomes"]:
        assert hashlib.sha256(world.bucket.body(outcome["record"])).hexdigest() == outcome["record_sha256"]


def test_a_cursor_never_moves_without_its_report(world: World) -> None:
    """The run that the cursor names has left a report."""
    world.run()
    cursor = world.bucket.cursor() or {}
    report_of(world, cursor["run_id"])
