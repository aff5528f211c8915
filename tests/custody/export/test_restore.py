"""`restore`: an export becomes the archive that it was, key by key and byte by byte, and never overwrites anything."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import bagit
import pytest

from diploma_archive.sandbox import LocalS3
from diploma_archive.sandbox import answer_faults as faults
from tests.support.erasing import SUPPRESSION_KEY, erase
from tests.support.exports import bucket, export_here, last_json
from tests.support.s3_proxy import Answer, S3Proxy, StripCondition
from tests.support.world import Bucket, World, new_bucket

ELSEWHERE = "other/place"


@pytest.fixture
def target(s3: LocalS3) -> Bucket:
    """An empty, versioned bucket."""
    return new_bucket(s3, prefix=ELSEWHERE)


@pytest.fixture
def bag(world: World, tmp_path: Path) -> Path:
    """An export of the whole archive, of two runs."""
    world.counts()
    world.sandbox.reissue(12345, "2025-01-01 10:00:00", passed_note="corrected")
    world.counts()
    export_here(world, tmp_path / "bag", everything=True)
    return tmp_path / "bag"


def restore(world: World, source: Path, target: Bucket, **environment: str) -> tuple[int, dict[str, Any], str]:
    """Run the command and return exit code, its JSON and what it said on stderr; there is never a traceback."""
    where = {"ARCHIVE_BUCKET": target.name, "ARCHIVE_PREFIX": target.prefix, **environment}
    done = world.command("restore", "--from", str(source), "--json", **where)
    assert "Traceback" not in done.stderr
    return done.returncode, last_json(done.stdout), done.stderr


def held(target: Bucket) -> dict[str, bytes]:
    """Return every object of the target."""
    return {key: target.body(key) for key in target.keys_below()}


def test_an_export_becomes_the_archive_that_it_was(world: World, bag: Path, target: Bucket) -> None:
    """Same keys, same bytes, each written once; `verify --full --chain` finds nothing."""
    code, answer, _ = restore(world, bag, target)
    assert (code, answer["differing"], answer["failed"], answer["is_part"]) == (0, 0, 0, False)
    assert held(target) == bucket(world)
    assert set(target.versions().values()) == {1}
    done = world.command("verify", "--full", "--chain", ARCHIVE_BUCKET=target.name, ARCHIVE_PREFIX=target.prefix)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_restored_archive_is_worked_on_as_before(world: World, bag: Path, target: Bucket) -> None:
    """The next run downloads nothing that is there, and its report goes on with the chain."""
    restore(world, bag, target)
    where = {"ARCHIVE_BUCKET": target.name, "ARCHIVE_PREFIX": target.prefix}
    done = world.command("sync", "--all", "--json", **where)
    assert (done.returncode, last_json(done.stdout)["unchanged"]) == (0, 6), done.stderr
    (new,) = [key for key in target.keys_below("runs/") if last_json(done.stdout)["run_id"] in key]
    assert {one["key"] for one in target.document(new)["previous"]} <= set(target.keys_below("runs/")) - {new}
    assert target.document(new)["previous"]
    done = world.command("verify", "--chain", **where)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_plain_export_is_restored_too(world: World, tmp_path: Path, target: Bucket) -> None:
    """What was exported without bag files comes back as well, checked by `objects.jsonl`."""
    world.counts()
    export_here(world, tmp_path / "plain", "plain", everything=True)
    assert restore(world, tmp_path / "plain", target)[0] == 0
    assert held(target) == bucket(world)


def test_chosen_diplomas_are_restored_as_a_part(world: World, tmp_path: Path, target: Bucket) -> None:
    """A bag of one certificate becomes a small archive of its own, and that it is a part is said."""
    world.counts()
    export_here(world, tmp_path / "bag", certificates=frozenset({"ABC123456"}))
    code, answer, _ = restore(world, tmp_path / "bag", target)
    assert (code, answer["is_part"]) == (0, True)
    assert held(target) == {key: body for key, body in bucket(world).items() if key in set(held(target))}


def test_what_the_export_lacks_is_said(world: World, tmp_path: Path, target: Bucket) -> None:
    """A bag from a damaged archive is restored as far as it goes, and that is not called complete."""
    world.counts()
    (pdf,) = [key for key in world.bucket.keys_below("diplomas/s-2024-SAFE-001/") if key.endswith(".pdf")]
    world.bucket.client.delete_object(Bucket=world.bucket.name, Key=f"{world.bucket.prefix}/{pdf}")
    assert export_here(world, tmp_path / "bag", everything=True).problems == 1
    code, answer, _ = restore(world, tmp_path / "bag", target)
    assert (code, answer["not_in_the_export"]) == (1, 1)
    assert held(target) == bucket(world)


def test_evidence_is_written_before_what_names_it(world: World, bag: Path, target: Bucket, proxy: S3Proxy) -> None:
    """PDF, record, index, the rest, run reports: a restore that stops promises nothing without proof."""
    code, _, _ = restore(world, bag, target, AWS_ENDPOINT_URL_S3=proxy.endpoint_url)
    assert code == 0
    order = [key.removeprefix(f"{ELSEWHERE}/") for key in proxy.written()]

    def rank(key: str) -> int:
        ranks = {"archive.json": 0, "certificates": 3, "state": 4, "runs": 5}
        return ranks.get(key.split("/", 1)[0], 1 if key.endswith(".pdf") else 2)

    assert [rank(key) for key in order] == sorted(rank(key) for key in order)
    assert sorted(key for key in order if key.startswith("runs/")) == world.bucket.keys_below("runs/")


@pytest.mark.parametrize("requests", [2, 7, 20, 40])
@pytest.mark.parametrize("after", [True, False])
def test_a_restore_that_was_cut_off_is_completed(
    world: World, bag: Path, target: Bucket, proxy: S3Proxy, requests: int, after: bool
) -> None:
    """S3 goes away in the middle: that is no success; the same command brings the rest, and writes nothing twice."""
    proxy.die(requests, after=after)
    code, answer, _ = restore(world, bag, target, AWS_ENDPOINT_URL_S3=proxy.endpoint_url)
    assert (code, answer.get("kind")) in ((1, None), (3, "fatal"))
    code, answer, _ = restore(world, bag, target)
    assert code == 0
    assert held(target) == bucket(world)
    assert set(target.versions().values()) == {1}


def test_other_bytes_in_the_target_are_named_and_left_alone(world: World, bag: Path, target: Bucket) -> None:
    """A key that holds something else by now is not overwritten."""
    restore(world, bag, target)
    (entry,) = target.keys_below("certificates/c-KRT507919/")
    target.put(entry, b"{}")
    code, answer, _ = restore(world, bag, target)
    assert (code, answer["differing"], [row["key"] for row in answer["not_restored"]]) == (1, 1, [entry])
    assert target.body(entry) == b"{}"


@pytest.mark.parametrize("content", ["a stranger", "a stranger's name", "other evidence"])
def test_an_archive_with_strangers_in_it_is_refused(world: World, bag: Path, target: Bucket, content: str) -> None:
    """The same `archive.json` is not enough: what is nobody's, or other evidence, stops it before the first write."""
    restore(world, bag, target)
    (pdf, *_) = [key for key in target.keys_below("diplomas/") if key.endswith(".pdf")]
    where = {"a stranger": "photos/1.jpg", "a stranger's name": "suppressed/somebody.json", "other evidence": pdf}
    target.put(where[content], b"x")
    before = held(target)
    code, answer, _ = restore(world, bag, target)
    assert (code, answer["kind"]) == (3, "fatal")
    assert held(target) == before


def test_what_came_later_is_counted_and_stays(world: World, bag: Path, target: Bucket) -> None:
    """A live archive that went on since the export is no stranger."""
    restore(world, bag, target)
    world.sandbox.reissue(500001, "2026-01-01 10:00:00", passed_note="later")
    run = world.command("sync", "--all", ARCHIVE_BUCKET=target.name, ARCHIVE_PREFIX=target.prefix)
    assert run.returncode == 0
    before = held(target)
    code, answer, _ = restore(world, bag, target)
    assert (code, answer["created"], answer["suppressed"]) == (0, 0, 0)
    assert answer["further"] >= 3
    assert held(target) == before


def test_the_archive_of_another_account_is_refused(world: World, bag: Path, target: Bucket) -> None:
    """`FRONTCORE_ACCOUNT`, where set, is whose archive it must be."""
    code, answer, _ = restore(world, bag, target, FRONTCORE_ACCOUNT="north")
    assert (code, answer["kind"]) == (2, "usage")
    assert "north" in answer["error"]
    assert held(target) == {}
    assert restore(world, bag, target, FRONTCORE_ACCOUNT="default")[0] == 0


@pytest.mark.parametrize("whom", [("--user", "289252"), ("--certificate", "ABC123456")], ids=["person", "certificate"])
def test_who_was_erased_does_not_come_back(world: World, bag: Path, whom: tuple[str, str]) -> None:
    """A bag from before the erasure, restored over the live archive: they stay out, and are counted."""
    code, _, said = erase(world, *whom, "--confirm")
    assert code == 0, said
    before = bucket(world)
    live = world.bucket
    code, answer, _ = restore(world, bag, live)
    assert (code, answer["kind"]) == (3, "fatal")
    assert "ARCHIVE_SUPPRESSION_KEY" in answer["error"]
    assert bucket(world) == before
    code, answer, said = restore(world, bag, live, ARCHIVE_SUPPRESSION_KEY=SUPPRESSION_KEY)
    assert (code, answer["created"]) == (0, 0), said
    assert answer["suppressed"] >= 1
    assert "erased stay out" not in said  # --json says it
    assert bucket(world) == before


def test_the_marks_of_the_bag_hold_in_an_empty_place(world: World, tmp_path: Path, target: Bucket) -> None:
    """A bag whose archive had erased somebody asks for the key of its marks, and nobody else goes missing."""
    world.counts()
    assert erase(world, "--user", "289252", "--confirm")[0] == 0
    export_here(world, tmp_path / "bag", everything=True)
    assert restore(world, tmp_path / "bag", target)[0] == 3
    assert held(target) == {}
    code, answer, _ = restore(world, tmp_path / "bag", target, ARCHIVE_SUPPRESSION_KEY=SUPPRESSION_KEY)
    assert (code, answer["suppressed"]) == (0, 0)
    assert held(target) == bucket(world)


@pytest.mark.parametrize("content", ["another archive", "other things"])
def test_a_target_that_is_not_empty_is_refused(world: World, bag: Path, target: Bucket, content: str) -> None:
    """Two archives are never mixed, and a mistyped prefix fills nobody's folder."""
    if content == "another archive":
        target.put("archive.json", bucket(world)["archive.json"].replace(b"default", b"another"))
    else:
        target.put("photos/1.jpg", b"x")
    before = held(target)
    code, answer, _ = restore(world, bag, target)
    assert (code, answer["kind"]) == (3, "fatal")
    assert held(target) == before


def test_a_receipt_keeps_out_who_was_erased_after_the_export(
    world: World, bag: Path, target: Bucket, tmp_path: Path
) -> None:
    """An old bag into an empty place, with the receipt at hand: the person stays out, and runs wait for the mark."""
    assert erase(world, "--user", "289252", "--confirm")[0] == 0
    (key,) = world.bucket.keys_below("erasures/")
    receipt = tmp_path / key.rpartition("/")[2]
    receipt.write_bytes(world.bucket.body(key))
    where = {"ARCHIVE_BUCKET": target.name, "ARCHIVE_PREFIX": target.prefix}
    done = world.command("restore", "--from", str(bag), "--receipt", str(receipt), "--json", **where)
    assert (done.returncode, last_json(done.stdout)["suppressed"]) == (0, 2), done.stderr
    assert target.body(key) == world.bucket.body(key)
    assert set(target.keys_below("diplomas/")) == set(world.bucket.keys_below("diplomas/"))
    assert set(target.keys_below("certificates/")) == set(world.bucket.keys_below("certificates/"))
    done = world.command("sync", "--all", "--json", **where, ARCHIVE_SUPPRESSION_KEY=SUPPRESSION_KEY)
    assert (done.returncode, "suppression marks are gone" in done.stderr) == (3, True)
    assert erase(world, "--user", "289252", "--confirm", **where)[0] == 0
    done = world.command("sync", "--all", "--json", **where, ARCHIVE_SUPPRESSION_KEY=SUPPRESSION_KEY)
    assert (done.returncode, last_json(done.stdout)["suppressed"]) == (0, 1)
    assert world.command("verify", "--full", **where).returncode == 0


@pytest.mark.parametrize("content", [b"", b"{}", b"rubbish", b'{"format": 1, "erased_at": 5}'])
def test_what_is_no_receipt_is_wrong_usage(
    world: World, bag: Path, target: Bucket, tmp_path: Path, content: bytes
) -> None:
    """Nothing is restored on the word of a file that is none."""
    (tmp_path / "receipt.json").write_bytes(content)
    where = {"ARCHIVE_BUCKET": target.name, "ARCHIVE_PREFIX": target.prefix}
    for path in (tmp_path / "receipt.json", tmp_path / "nowhere"):
        done = world.command("restore", "--from", str(bag), "--receipt", str(path), "--json", **where)
        assert (done.returncode, last_json(done.stdout)["kind"], held(target)) == (2, "usage", {})


def damage(bag: Path, what: str) -> None:
    """Damage a bag on its way."""
    pdf, paper = bag / "data/diplomas/2024-SAFE-001_ABC123456.pdf", bag / "data/objects.jsonl"
    if what == "flip":
        body = pdf.read_bytes()
        pdf.write_bytes(body[:99] + bytes([body[99] ^ 1]) + body[100:])
    elif what == "delete":
        pdf.unlink()
    elif what == "add":
        (bag / "data/.DS_Store").write_bytes(b"x")
    elif what == "link":
        shutil.copy(pdf, bag.parent / "outside.pdf")
        pdf.unlink()
        pdf.symlink_to(bag.parent / "outside.pdf")
    elif what == "no manifest":
        (bag / "manifest-sha256.txt").unlink()
    elif what == "no bagit.txt":
        (bag / "bagit.txt").unlink()
    elif what == "binary manifest":
        (bag / "manifest-sha256.txt").write_bytes(b"\xff\xfe\x00" * 50)
    elif what == "outside":
        text = paper.read_text().replace("diplomas/2024-SAFE-001_ABC123456.pdf", "../../outside.pdf")
        paper.write_text(text)
    elif what == "no papers":
        paper.unlink()
    else:
        paper.write_text(paper.read_text() + "{}\n")


@pytest.mark.parametrize(
    "what",
    [
        *("flip", "delete", "add", "link", "no manifest", "no bagit.txt", "binary manifest", "outside", "no papers"),
        "another line",
    ],
)
def test_a_bag_that_was_damaged_on_its_way_writes_nothing(world: World, bag: Path, target: Bucket, what: str) -> None:
    """Whatever happened to the bag: it is found before the first write, and the bad file is named."""
    damage(bag, what)
    code, answer, stderr = restore(world, bag, target)
    assert (code, answer["kind"]) == (3, "fatal")
    assert held(target) == {}
    assert len(stderr.splitlines()) == 1
    if what in ("flip", "delete"):
        assert "2024-SAFE-001_ABC123456.pdf" in answer["error"]
    if what == "add":
        assert ".DS_Store" in answer["error"]


def remake(bag: Path, *changed: str) -> None:
    """Make `objects.jsonl` and all manifests fit the bag again, as somebody who knows BagIt can."""
    paper = bag / "data/objects.jsonl"
    lines = [json.loads(line) for line in paper.read_text().splitlines()]
    for line in lines:
        if line["file"] in changed:
            body = (bag / "data" / line["file"]).read_bytes()
            line |= {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}
    paper.write_text("".join(json.dumps(line) + "\n" for line in lines))
    shutil.rmtree(bag / "made", ignore_errors=True)
    bagit.make_bag(str(shutil.move(bag / "data", bag / "made")), checksums=["sha256"])
    for path in (*bag.glob("*.txt"),):
        path.unlink()
    for path in (bag / "made").iterdir():
        path.rename(bag / path.name)
    (bag / "made").rmdir()


def lines_of(bag: Path) -> list[dict[str, Any]]:
    """Return what `objects.jsonl` says."""
    return [json.loads(line) for line in (bag / "data/objects.jsonl").read_text().splitlines()]


def exchange(bag: Path, one: dict[str, Any], other: dict[str, Any]) -> None:
    """Let two keys have each other's bytes."""
    lines = lines_of(bag)
    for line in lines:
        if line["key"] in (one["key"], other["key"]):
            theirs = other if line["key"] == one["key"] else one
            line |= {name: theirs[name] for name in ("file", "sha256", "size")}
    (bag / "data/objects.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


ATTACKS = ["pdf", "record", "pdfs", "records", "entries", "reports", "identity", "note"]


@pytest.mark.parametrize("what", ATTACKS)
def test_a_bag_that_was_remade_around_a_forgery_writes_nothing(
    world: World, tmp_path: Path, target: Bucket, s3: LocalS3, what: str
) -> None:
    """All its manifests fit: what keys, records and run reports claim does not, and that is seen before any write."""
    world.sandbox.fault("download", faults.SamePdf(b"%PDF-1.4\n" + b"odd" * 200 + b"%%EOF"), id=500002)
    world.run()
    world.run()
    bag = tmp_path / "bag"
    export_here(world, bag, everything=True)
    remake(bag)
    assert restore(world, bag, new_bucket(s3, prefix=ELSEWHERE))[0] == 0, "the forger's tools make good bags"
    patterns = {
        **{"pdf": "diplomas/*.pdf", "record": "diplomas/*.json", "pdfs": "diplomas/*.pdf"},
        **{"records": "diplomas/*.json", "entries": "certificates/*.json", "reports": "runs/*.json"},
        **{"identity": "archive.json", "note": "quarantine/*.json"},
    }
    found = [line for line in lines_of(bag) if fnmatch(line["key"], patterns[what])]
    if what.endswith("s"):
        exchange(bag, *found[:2])
        remake(bag)
    else:
        path = bag / "data" / found[0]["file"]
        body = path.read_bytes()
        edited = {} if what == "pdf" else {**json.loads(body), "account": "x", "sha256": "y"}
        forged = body + b"%" if what == "pdf" else json.dumps(edited).encode()
        path.write_bytes(forged)
        remake(bag, found[0]["file"])
    code, answer, _ = restore(world, bag, target)
    assert (code, answer["kind"], "is not what was archived" in answer["error"]) == (3, "fatal", True)
    assert held(target) == {}


def test_what_was_altered_is_restored_where_somebody_says_so(world: World, bag: Path, target: Bucket) -> None:
    """Where the archive is lost and the bag is all there is: everything comes back, and what is wrong is named."""
    line = next(line for line in lines_of(bag) if line["key"].endswith(".pdf"))
    path = bag / "data" / line["file"]
    path.write_bytes(path.read_bytes() + b"%")
    remake(bag, line["file"])
    assert restore(world, bag, target)[0] == 3
    where = {"ARCHIVE_BUCKET": target.name, "ARCHIVE_PREFIX": target.prefix}
    done = world.command("restore", "--from", str(bag), "--accept-altered", "--json", **where)
    answer = last_json(done.stdout)
    assert (done.returncode, [each["key"] for each in answer["altered"]]) == (1, [line["key"]]), done.stderr
    assert set(held(target)) == set(bucket(world))


@pytest.mark.parametrize("place", ["beside", "data", "instead"])
def test_a_pipe_in_a_bag_hangs_nothing(world: World, bag: Path, target: Bucket, place: str) -> None:
    """Only plain files are ever opened."""
    path = {"beside": bag / "pipe", "data": bag / "data/pipe", "instead": bag / "data/README.txt"}[place]
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    code, answer, _ = restore(world, bag, target)
    assert (code, answer["kind"], held(target)) == (3, "fatal", {})


def forge(bag: Path, change: dict[str, Any]) -> None:
    """Change a line of `objects.jsonl` of a plain export."""
    paper = bag / "objects.jsonl"
    lines = [json.loads(line) for line in paper.read_text().splitlines()]
    lines[-1].update(change)
    paper.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize(
    "change",
    [
        {"file": "../../etc/passwd"},
        {"file": "/etc/passwd"},
        {"file": "objects/aa/\u0000"},
        {"key": ""},
        {"key": "x" * 1024},
        {"key": "zz\ud800"},
        {"key": "archive.json"},
        {"key": None},
        {"size": True},
        {"sha256": "0" * 64},
    ],
    ids=ascii,
)
def test_a_forged_export_writes_nothing(world: World, tmp_path: Path, target: Bucket, change: dict[str, Any]) -> None:
    """An export that was made by somebody else leads neither out of its folder nor into odd keys."""
    world.counts()
    export_here(world, tmp_path / "plain", "plain", everything=True)
    forge(tmp_path / "plain", change)
    code, answer, _ = restore(world, tmp_path / "plain", target)
    assert (code, answer["kind"]) == (3, "fatal")
    assert held(target) == {}


def test_what_is_no_export_is_wrong_usage(world: World, tmp_path: Path, target: Bucket) -> None:
    """A folder of something else, none, or an unfinished export is exit code 2."""
    world.counts()
    export_here(world, tmp_path / "begun", everything=True)
    (tmp_path / "begun/.unfinished").mkdir()
    (tmp_path / "letters").mkdir()
    for name in ("begun", "letters", "nowhere"):
        code, answer, _ = restore(world, tmp_path / name, target)
        assert (code, answer["kind"]) == (2, "usage")
    assert held(target) == {}


def test_one_object_that_cannot_be_stored_stops_no_other(
    world: World, bag: Path, target: Bucket, proxy: S3Proxy
) -> None:
    """What S3 fails at is named; the same command brings it later."""
    proxy.fault(Answer(503, "SlowDown"), method="PUT", key="c-KRT507919", times=None)
    code, answer, _ = restore(world, bag, target, AWS_ENDPOINT_URL_S3=proxy.endpoint_url)
    assert (code, answer["failed"]) == (1, 3)
    assert restore(world, bag, target)[0] == 0
    assert held(target) == bucket(world)


def test_credentials_that_may_not_write_are_fatal(world: World, bag: Path, target: Bucket, proxy: S3Proxy) -> None:
    """A missing permission is one sentence, not a list of every object."""
    proxy.fault(Answer(403, "AccessDenied"), method="PUT", times=None)
    code, answer, stderr = restore(world, bag, target, AWS_ENDPOINT_URL_S3=proxy.endpoint_url)
    assert (code, answer["kind"], len(stderr.splitlines())) == (3, "fatal", 1)


def test_servers_that_ignore_conditions_are_safe_too(world: World, bag: Path, target: Bucket, s3: LocalS3) -> None:
    """Where `If-None-Match` means nothing, what is there is looked at before it is written."""
    with S3Proxy(s3.endpoint_url) as proxy:
        proxy.fault(StripCondition(), method="PUT", times=None)
        for _ in range(2):
            assert restore(world, bag, target, AWS_ENDPOINT_URL_S3=proxy.endpoint_url)[0] == 0
    assert set(target.versions().values()) == {1}
