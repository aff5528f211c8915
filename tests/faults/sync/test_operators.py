"""What operators get wrong, and what S3 does to good data: stop early, name the setting, never commit what is damaged.

The fixture `world` checks I1 to I7 after each test, with everything mended.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from botocore import retryhandler
from botocore.retries.standard import ExponentialBackoff

from diploma_archive.errors import Kind, StoreError
from diploma_archive.listing.selection import Scope
from diploma_archive.sandbox import Sandbox
from diploma_archive.store import tries
from tests.support.s3_proxy import Answer, DropChecksum, FlipAnswer, FlipBytes, FlipStored, S3Proxy
from tests.support.s3_wire import Incoming, Outgoing, WireServer
from tests.support.world import World

DIPLOMAS = 8
small = pytest.mark.parametrize("sandbox", [2], indirect=True, ids=["small"])
PDF, RECORD, INDEX = r"\.pdf$", r"^acme/prod/diplomas/.*\.json$", r"^acme/prod/certificates/"
ONE = "987654"  # the participant of diploma 12345


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A school of eight persons with a diploma each; fewer where a test says so: each test ends with full runs."""
    size = getattr(request, "param", DIPLOMAS)
    with Sandbox(participants=size, persons=size, seed=7, requests_per_second=None) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_waiting_in_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.005)  # mode "standard"
    monkeypatch.setattr(retryhandler, "delay_exponential", lambda *_, **__: 0.005)  # mode "legacy"
    monkeypatch.setattr(tries, "CONFLICT_TRIES", 3)


@dataclass(frozen=True)
class Wrong:
    """One way in which S3 refuses: its name, the answer, and the setting that the sentence must name."""

    name: str
    answer: Answer
    says: str


CREDENTIALS, REGION, PERMISSION = "AWS_ACCESS_KEY_ID", "AWS_REGION", "s3:GetObject"
REFUSALS = (
    Wrong("expired-credentials", Answer(400, "ExpiredToken"), CREDENTIALS),
    Wrong("invalid-access-key-id", Answer(403, "InvalidAccessKeyId"), CREDENTIALS),
    Wrong("signature-does-not-match", Answer(403, "SignatureDoesNotMatch"), CREDENTIALS),
    Wrong("invalid-token", Answer(400, "InvalidToken"), CREDENTIALS),
    Wrong("clock-skew", Answer(403, "RequestTimeTooSkewed"), "clock"),
    Wrong("wrong-region", Answer(301, "PermanentRedirect"), REGION),
    Wrong("wrong-region-in-the-signature", Answer(400, "AuthorizationHeaderMalformed"), REGION),
    Wrong("no-such-bucket", Answer(404, "NoSuchBucket"), "ARCHIVE_BUCKET"),
    Wrong("access-denied", Answer(403, "AccessDenied"), PERMISSION),
    Wrong("not-implemented", Answer(501, "NotImplemented"), "server"),
)
WRITES = (
    Wrong("kms-disabled", Answer(400, "KMS.DisabledException"), "encryption key"),
    Wrong("kms-state", Answer(400, "KMS.KMSInvalidStateException"), "encryption key"),
    Wrong("quota-507", Answer(507, "InsufficientStorage"), "quota"),
    Wrong("quota-403", Answer(403, "QuotaExceeded"), ""),
    Wrong("disk-full-minio", Answer(507, "XMinioStorageFull"), "quota"),
)


def named(group: tuple[Wrong, ...]) -> str:
    """Return the id of a group of cases that share a world: each case can be found by its name."""
    return "+".join(case.name for case in group)


def stopped(
    world: World, case: Wrong, *, downloads: int, kind: Kind | None = Kind.FATAL, or_says: str | None = None
) -> None:
    """Run over everything, which must stop with a sentence and after few downloads."""
    world.settings["concurrency"] = 2
    before = world.sandbox.requests["download"]
    with pytest.raises(StoreError) as caught:
        world.run()
    assert kind in (None, caught.value.kind), case.name
    text = caught.value.diagnostics()
    assert case.says in text or (or_says is not None and or_says in text), (case.name, text)
    assert world.sandbox.requests["download"] - before <= downloads, case.name


@small
@pytest.mark.parametrize("group", [REFUSALS], ids=named)
def test_refused_from_the_start(world: World, proxy: S3Proxy, group: tuple[Wrong, ...]) -> None:
    """A wrong setting shows with the first requests: FrontCore is not even asked, and the sentence names it."""
    for case in group:
        proxy.reset()
        proxy.fault(case.answer, times=None)
        stopped(world, case, downloads=0)
        assert len(proxy.requests) < 6, case.name
        assert world.sandbox.requests.total() == 0, case.name
        assert proxy.written() == []


@pytest.mark.parametrize("group", [(*REFUSALS[:3], *REFUSALS[4:6], REFUSALS[8])], ids=named)
def test_refused_after_some_requests(world: World, proxy: S3Proxy, group: tuple[Wrong, ...]) -> None:
    """Credentials that expire on the way stop the run within a few requests, not after the last of all diplomas."""
    world.settings["concurrency"] = 2
    world.run(participants=ONE)
    for case in group:
        proxy.reset()
        proxy.fault(case.answer, times=None, skip=8)
        # The answer to a HEAD has no body, so no code: where it is the first to be refused, 403 is all that is known.
        stopped(world, case, downloads=4, or_says=PERMISSION if case.answer.status == 403 else None)
        assert len(proxy.requests) < 8 + 20, case.name


@small
@pytest.mark.parametrize("group", [WRITES], ids=named)
def test_writes_refused_before_the_first(world: World, proxy: S3Proxy, group: tuple[Wrong, ...]) -> None:
    """A bucket that takes nothing shows before anything is downloaded."""
    for case in group:
        proxy.reset()
        proxy.fault(case.answer, method="PUT", times=None)
        stopped(world, case, downloads=0)
        assert len(proxy.requests) < 20, case.name
        assert world.bucket.keys_below() == []


@pytest.mark.parametrize("group", [WRITES], ids=named)
def test_writes_refused_on_the_way(world: World, proxy: S3Proxy, group: tuple[Wrong, ...]) -> None:
    """A bucket that is full or has lost its key stops the run after few downloads."""
    world.run(participants=ONE)
    for case in group:
        proxy.reset()
        proxy.fault(case.answer, method="PUT", key=PDF, times=None)
        stopped(world, case, downloads=4)
        assert len(proxy.requests) < 30, case.name
    assert len(world.bucket.records()) == 1


def test_slow_down_for_ever(world: World, proxy: S3Proxy) -> None:
    """S3 that says SlowDown to everything: at the start one sentence; later nothing is downloaded in vain."""
    slow_down = Wrong("slow-down", Answer(503, "SlowDown"), "The next run tries again")
    proxy.fault(slow_down.answer, times=None)
    stopped(world, slow_down, downloads=0, kind=None)
    assert len(proxy.requests) < 6
    assert world.sandbox.requests.total() == 0
    proxy.reset()
    world.run(participants=ONE)
    proxy.reset()
    proxy.fault(slow_down.answer, times=None, skip=11)
    before = world.sandbox.requests["download"]
    world.settings["concurrency"] = 2
    with pytest.raises(StoreError):
        world.run()
    assert world.sandbox.requests["download"] - before <= 4
    assert {request.status for request in proxy.requests[20:]} == {503}
    assert len(proxy.requests) < 8 + 6 * DIPLOMAS * 2


def test_slow_down_for_ever_on_writes(world: World, proxy: S3Proxy) -> None:
    """Where S3 takes no more files, nothing is committed, and the run does not download the whole school in vain."""
    world.run(participants=ONE)
    proxy.reset()
    proxy.fault(Answer(503, "SlowDown"), method="PUT", key=PDF, times=None)
    world.settings["concurrency"] = 2
    before = world.sandbox.requests["download"]
    try:
        assert not world.run().tally.is_green
    except StoreError as error:
        assert "S3" in error.diagnostics()
    assert len(world.bucket.records()) == 1
    assert world.sandbox.requests["download"] - before <= 4, "downloaded in vain"


PERMISSIONS = {
    "HeadObject": ("HEAD", None),
    "GetObject": ("GET", "."),
    "ListBucket": ("GET", "^$"),
    "PutObject": ("PUT", None),
}


@pytest.mark.parametrize("names", ["+".join(PERMISSIONS)], ids=str)
@pytest.mark.parametrize("begun", [False, True], ids=["empty-bucket", "begun-archive"])
def test_a_permission_that_is_missing(world: World, proxy: S3Proxy, names: str, begun: bool) -> None:
    """403 is never "absent": each missing permission is fatal, and no key that was refused is written after that."""
    if begun:
        world.run(participants=ONE)
    for name in names.split("+"):
        method, key = PERMISSIONS[name]
        proxy.reset()
        proxy.fault(Answer(403, "AccessDenied"), method=method, key=key, times=None)
        # Only the record's last look is a HEAD in an archive that was begun: it comes after the PUTs.
        stopped(world, Wrong(name, Answer(403, ""), PERMISSION), downloads=2 if begun and name != "GetObject" else 0)
        refused = {request.key: request.number for request in reversed(proxy.requests) if request.status == 403}
        assert refused, name
        after = [one for one in proxy.requests if one.stored_status == 200 and one.method == "PUT"]
        assert not [one.key for one in after if one.number > refused.get(one.key, one.number)], name
        if not (begun and name == "HeadObject"):
            assert [key for key in proxy.written() if "state/probe/" not in key] == [], name
        assert len(proxy.requests) < 30


@small
def test_a_403_on_a_read_is_never_absent(world: World, proxy: S3Proxy) -> None:
    """An archive whose objects may be listed and not read is left alone: no second archive.json, cursor or record."""
    world.run()
    before = world.bucket.versions()
    for key in (r"archive\.json$", "state/cursor/"):
        proxy.fault(Answer(403, "AccessDenied"), method="GET", key=key, times=None)
        with pytest.raises(StoreError) as caught:
            world.run()
        assert caught.value.kind is Kind.FATAL
        proxy.clear()
    assert world.bucket.versions() == before


NO_S3 = {
    "no-s3-that-says-200": Outgoing(200, "OK", [("Content-Type", "text/html")], b"<html><body>Welcome</body></html>"),
    "no-s3-that-says-json": Outgoing(200, "OK", [("Content-Type", "application/json")], b'{"status": "ok"}'),
    "no-s3-that-says-400": Outgoing(400, "Bad Request", [("Content-Type", "text/html")], b"<html>400</html>"),
    "no-s3-that-says-401": Outgoing(401, "Unauthorized", [("Content-Type", "text/plain")], b"log in"),
    "no-s3-that-says-404": Outgoing(
        404, "Not Found", [("Content-Type", "application/json")], b'{"error": "Not found"}'
    ),
    "no-s3-that-says-405": Outgoing(405, "Method Not Allowed", [], b""),
}


def at_endpoint(world: World, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> StoreError:
    """Run against another S3 endpoint, which must fail before FrontCore is asked, and return the error."""
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        with pytest.raises(StoreError) as caught:
            world.run()
    return caught.value


@small
def test_wrong_bucket_and_connection_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket that is not there and a port that nobody listens on: fatal, and the sentence names the setting."""
    world.settings["bucket"] = "a-bucket-that-is-not-there"
    stopped(world, Wrong("wrong-bucket", Answer(404, ""), "ARCHIVE_BUCKET"), downloads=0)
    del world.settings["bucket"]
    error = at_endpoint(world, monkeypatch, "http://127.0.0.1:9")
    assert (error.kind, "AWS_ENDPOINT_URL_S3" in error.diagnostics()) == (Kind.FATAL, True)
    assert world.sandbox.requests.total() == 0


@small
@pytest.mark.parametrize("names", ["+".join(NO_S3)], ids=str)
def test_an_endpoint_that_is_no_s3(world: World, monkeypatch: pytest.MonkeyPatch, names: str) -> None:
    """A web server in the place of S3: fatal with the first request, nothing is sent there, the setting is named."""
    for name in names.split("+"):
        sent: list[str] = []

        def answer(incoming: Incoming, name: str = name, sent: list[str] = sent) -> Outgoing:
            sent.append(incoming.method)
            return NO_S3[name]

        server = WireServer(answer, lambda _: None)
        try:
            error = at_endpoint(world, monkeypatch, f"http://127.0.0.1:{server.port}")
        finally:
            server.stop()
        assert error.kind is Kind.FATAL, (name, error.diagnostics())
        # JSON might be another program's: then the prefix may be wrong as well as the endpoint.
        assert "AWS_ENDPOINT_URL_S3" in error.diagnostics(), (name, error.diagnostics())
        assert set(sent) == {"GET"}, name
        assert len(sent) <= 4, name  # an odd answer is asked for again
        assert world.sandbox.requests.total() == 0


@small
def test_the_sandbox_as_s3_endpoint(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """FrontCore's address in the place of S3's (it answers 401 in JSON): the sentence names the endpoint."""
    error = at_endpoint(world, monkeypatch, world.sandbox.base_url)
    assert error.kind is Kind.FATAL
    assert "AWS_ENDPOINT_URL_S3" in error.diagnostics(), error.diagnostics()


COMMANDS = {
    "clock-skew": (Answer(403, "RequestTimeTooSkewed"), None, 0, "clock"),
    "expired-on-the-way": (Answer(400, "ExpiredToken"), None, 10, "AWS_ACCESS_KEY_ID"),
    "no-put": (Answer(403, "AccessDenied"), "PUT", 0, "s3:PutObject"),
    "quota": (Answer(507, "XMinioStorageFull"), "PUT", 4, "quota"),
}


@pytest.mark.parametrize("names", ["+".join(COMMANDS)], ids=str)
def test_through_the_real_command(world: World, proxy: S3Proxy, names: str) -> None:
    """Exit code 3 and one sentence on stderr that names what to look at; JSON on stdout; no traceback."""
    for name in names.split("+"):
        answer, method, skip, says = COMMANDS[name]
        proxy.reset()
        proxy.fault(answer, method=method, times=None, skip=skip)
        done = world.command("sync", "--all", "--json", ARCHIVE_CONCURRENCY="2")
        assert done.returncode == 3, (name, done.stderr)
        assert "Traceback" not in done.stdout + done.stderr
        assert says in done.stderr.splitlines()[-1]
        assert json.loads(done.stdout.splitlines()[-1])["kind"] == "fatal"


@small
def test_409_and_503_on_each_put(world: World, proxy: S3Proxy) -> None:
    """A conflict and an overload at each of the three PUTs are waited out: everything is archived."""
    for key in (PDF, RECORD, INDEX, r"archive\.json$", "cursor", "runs/"):
        proxy.fault(Answer(503, "SlowDown"), method="PUT", key=key, times=1)
        proxy.fault(Answer(409, "ConditionalRequestConflict"), method="PUT", key=key, times=2)
    assert world.counts() == {"archived": 2}
    statuses = [request.status for request in proxy.requests if request.method == "PUT"]
    assert statuses.count(503) == 6
    assert statuses.count(409) >= 10  # twice each


def move_away(world: World, pattern: str) -> None:
    """Remove what a damaged server left, as the sentence of the failure tells the operator to."""
    client, bucket = world.bucket.client, world.bucket.name
    for key in world.bucket.keys_below(pattern):
        name = f"{world.bucket.prefix}/{key}"
        for row in client.list_object_versions(Bucket=bucket, Prefix=name).get("Versions", ()):
            client.delete_object(Bucket=bucket, Key=name, VersionId=row["VersionId"])


PLACES = {"pdf": PDF, "record": RECORD, "index": INDEX}


@small
@pytest.mark.parametrize("names", ["+".join(PLACES)], ids=str)
def test_flipped_bits_in_transit_are_refused_by_s3(world: World, proxy: S3Proxy, names: str) -> None:
    """A bit that flips on the way in, each time: BadDigest, the diploma fails, no record names what is not there."""
    for name in names.split("+"):
        proxy.reset()
        proxy.fault(FlipBytes(), method="PUT", key=PLACES[name], times=None)
        assert world.counts(participants=ONE) == {"failed": 1}, name
        assert len(world.bucket.records(12345)) == (name == "index")
        assert world.bucket.keys_below("certificates/") == []
    proxy.reset()
    for key in PLACES.values():
        proxy.fault(FlipBytes(), method="PUT", key=key, times=1)
    assert world.counts(participants="900001") == {"archived": 1}
    assert sum(request.status == 400 for request in proxy.requests) == 3


@small
@pytest.mark.parametrize("checksums", [True, False], ids=["with-checksums", "without-checksums"])
def test_a_pdf_that_the_server_damages_is_never_committed(world: World, proxy: S3Proxy, checksums: bool) -> None:
    """Bytes that are damaged at rest are noticed and named: failed, no record, until the damage is moved away."""
    if not checksums:
        proxy.fault(DropChecksum(), times=None)
    proxy.fault(FlipStored(), method="PUT", key=PDF, times=1)
    said = []
    try:
        for _ in range(3):
            assert world.counts(participants=ONE) == {"failed": 1}
            assert world.bucket.records(12345) == []
            said.append(world.observer.findings[0].error)
    finally:
        move_away(world, "diplomas/")
    assert world.counts(participants=ONE) == {"archived": 1}
    assert "other bytes than were sent" in said[0], said
    assert all("other bytes under the name" in text for text in said[1:]), said


@small
def test_a_pdf_damaged_under_render_anew_is_replaced(world: World, proxy: S3Proxy) -> None:
    """Where each download has other bytes, the next run archives them under another name; the record is good."""
    world.sandbox.render_anew = True
    proxy.fault(FlipStored(), method="PUT", key=PDF, times=1)
    assert world.counts(participants=ONE) == {"failed": 1}
    (damaged,) = world.bucket.keys_below("diplomas/")
    assert world.counts(participants=ONE) == {"archived": 1}
    (record,) = world.bucket.records(12345)
    assert record["file"]["key"] != damaged
    body = world.bucket.body(record["file"]["key"])
    assert hashlib.sha256(body).hexdigest() == record["file"]["sha256"]
    move_away(world, damaged)


@small
@pytest.mark.parametrize("checksums", [True, False], ids=["with-checksums", "without-checksums"])
def test_a_record_that_the_server_damages_is_never_adopted(world: World, proxy: S3Proxy, checksums: bool) -> None:
    """A damaged record is noticed at once; the next run neither takes it for the truth nor commits with its words."""
    adopted = []
    for number in (0, 4, 8):
        # Another length moves the bit that flips, which is the one in the middle, to another field.
        diploma = world.sandbox.reissue(12345, f"2026-01-01 00:00:{number:02}", passed_note="x" * 60 * number)
        if not checksums:
            proxy.fault(DropChecksum(), times=None)
        proxy.fault(FlipStored(), method="PUT", key=RECORD, times=1)
        assert world.counts(participants=ONE) == {"failed": 1}
        proxy.clear()
        if not checksums:
            proxy.fault(DropChecksum(), times=None)
        world.run(participants=ONE)
        for key in world.bucket.keys_below("certificates/c-ABC123456/"):
            record = world.bucket.document(world.bucket.document(key)["record"])
            there = (record["user"], record["course"], record["coursedate"], record["result"], record["source"])
            right = (diploma.user, diploma.course, diploma.coursedate, diploma.item(), diploma.item())
            adopted += [
                f"{name}: {value!r} in place of {good[name]!r}"
                for part, good in zip(there, right, strict=True)
                for name, value in part.items()
                if name in good and name != "location" and value != good[name]
            ]
            adopted += ["file"] if record["file"]["key"] not in world.bucket.keys_below("diplomas/") else []
        proxy.clear()
        move_away(world, "diplomas/s-2024-SAFE-001/c-ABC123456/")
        move_away(world, "certificates/c-ABC123456/")
    assert adopted == []


@small
def test_an_index_entry_that_the_server_damages_is_put_right(world: World, proxy: S3Proxy) -> None:
    """A damaged index entry is noticed and replaced at once, and no run calls the diploma unchanged over it."""
    proxy.fault(FlipStored(), method="PUT", key=INDEX, times=1)
    assert world.counts(participants=ONE) == {"archived": 1}
    (record,) = world.bucket.records(12345)
    assert hashlib.sha256(world.bucket.body(record["file"]["key"])).hexdigest() == record["file"]["sha256"]
    (key,) = world.bucket.keys_below("certificates/c-ABC123456/")
    entry = world.bucket.document(key)
    assert (entry["sha256"], entry["file"]) == (record["file"]["sha256"], record["file"]["key"])
    world.bucket.planted.append(key)  # the second version that put it right
    assert world.counts(participants=ONE) == {"unchanged": 1}


LOOKS = {"LIST": ("GET", "^$"), "GET-entries": ("GET", "certificates/"), "GET-records": ("GET", "diplomas/.*json$")}


@small
@pytest.mark.parametrize("names", ["+".join(LOOKS)], ids=str)
@pytest.mark.parametrize("begun", [False, True], ids=["empty-bucket", "begun-archive"])
def test_flipped_bits_in_answers_commit_nothing_wrong(world: World, proxy: S3Proxy, names: str, begun: bool) -> None:
    """A bit that flips on the way back: no crash, no report of a fault of ours, and nothing wrong is committed."""
    if begun:
        world.run()
        for diploma_id in list(world.sandbox.diplomas):
            world.sandbox.reissue(diploma_id, "2026-05-05 05:05:05")
    for name in names.split("+"):
        method, key = LOOKS[name]
        proxy.reset()
        proxy.fault(FlipAnswer(), method=method, key=key, times=None)
        try:
            run = world.run(force=name == "GET-entries")
        except StoreError as error:  # what the whole run depends on could not be read
            assert "unexpected" not in error.diagnostics()
            assert "S3" in error.diagnostics() or "in the bucket" in error.diagnostics()
            continue
        for failure in run.tally.failures:
            assert "unexpected" not in failure["error"], (name, failure)
            assert "S3" in failure["error"] or "in the bucket" in failure["error"], failure


@small
def test_flipped_bits_in_archive_json_stop_the_run(world: World, proxy: S3Proxy) -> None:
    """What says whose archive this is is never guessed: fatal, and nothing is written."""
    world.run()
    before = world.bucket.versions()
    proxy.fault(FlipAnswer(), method="GET", key=r"archive\.json$", times=None)
    with pytest.raises(StoreError):
        world.run()
    assert world.bucket.versions() == before


@small
def test_a_torn_cursor_costs_looks_and_is_named_until_it_is_gone_by(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """What it followed counts again, here nothing: everything is looked at once more; then all is as before."""
    world.run(Scope.INCREMENTAL)
    (key,) = world.bucket.keys_below("state/cursor/")
    world.bucket.put(key, b'{"format": 1, "upda')
    assert world.counts(Scope.INCREMENTAL) == {"unchanged": 2}
    assert f"{key} cannot be read" in caplog.text
    caplog.clear()
    assert world.counts(Scope.INCREMENTAL) == {}
    assert "cannot be read" not in caplog.text
    world.bucket.planted.remove(key)
