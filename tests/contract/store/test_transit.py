"""What the store makes of a bad network and of a server that fails or lies (DESIGN.md section 6).

Rule: whatever happens on the way, a create ends in the truth or in a StoreError, never in a wrong NEW.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from diploma_archive.errors import IntegrityError, Kind, StoreError
from diploma_archive.model.payload import Payload
from diploma_archive.store.store import JSON_TYPE, PDF_TYPE, Created, Store
from diploma_archive.store.tries import CONFLICT_TRIES
from tests.contract.store.conftest import Backend
from tests.support.s3_proxy import (
    Answer,
    CutAnswer,
    DropChecksum,
    Fault,
    FlipAnswer,
    FlipBytes,
    FlipStored,
    HalfAnswer,
    Page,
    Reset,
    S3Proxy,
)
from tests.support.world import Bucket

BODY = b"%PDF-1.7 and so on"
TRIES = 5  # of boto3's, see PATIENT
KEY = "acme/prod/k"

CONFLICT = Answer(409, "ConditionalRequestConflict")
SLOW_DOWN = Answer(503, "SlowDown")
DENIED = Answer(403, "AccessDenied")

CALLS: dict[str, Callable[[Store], object]] = {
    "get": lambda store: store.get("k"),
    "exists": lambda store: store.exists("k"),
    "list": lambda store: list(store.list("")),
    "compare": lambda store: store.compare("k", Payload.of(BODY)),
    "create": lambda store: store.create("k", Payload.of(BODY), PDF_TYPE),
    "look": lambda store: store.create("k", Payload.of(BODY), PDF_TYPE, look_first=True),
    "overwrite": lambda store: store.overwrite("certificates/k", BODY),
}


@pytest.fixture
def create(store: Store, backend: Backend) -> Callable[[], Created]:
    """Create the object `k` with `BODY`, as this server wants it."""
    return lambda: store.create("k", Payload.of(BODY), PDF_TYPE, look_first=backend.look_first)


def test_wrong_bytes_on_the_way_are_never_archived(
    create: Callable[[], Created], bucket: Bucket, backend: Backend, proxy: S3Proxy, waits: list[float]
) -> None:
    """Bytes that change on the way, again and again, end in an error; a server that checks stores nothing."""
    proxy.fault(FlipBytes(), method="PUT", times=None)
    with pytest.raises(StoreError):
        create()
    assert proxy.written() == []
    assert bucket.keys_below() == []
    assert len(waits) == CONFLICT_TRIES - 1


def test_bytes_that_changed_once_are_sent_again(create: Callable[[], Created], bucket: Bucket, proxy: S3Proxy) -> None:
    """A digest that is refused once is no failure: rclone looks at the MD5, S3 at the SHA-256 too."""
    proxy.fault(FlipBytes(), method="PUT")
    assert create() is Created.NEW
    assert bucket.body("k") == BODY


@pytest.fixture
def damage(unsigned: None, backend: Backend, proxy: S3Proxy) -> None:
    """A server that echoes our checksum and stores other bytes; rclone notices what the proxy does on its behalf."""
    if not backend.honours_conditions:
        pytest.skip("rclone compares the MD5 that we send: what the proxy alters never gets past it (see above)")
    proxy.fault(FlipStored(), method="PUT")


@pytest.mark.usefixtures("damage")
def test_bytes_that_the_server_damages_are_found_out(create: Callable[[], Created], bucket: Bucket) -> None:
    """A server that echoes our checksum and stores other bytes is not believed."""
    with pytest.raises(IntegrityError):
        create()
    assert bucket.body("k") != BODY


@pytest.mark.usefixtures("damage")
def test_damage_is_found_out_without_an_etag_or_a_checksum(create: Callable[[], Created], proxy: S3Proxy) -> None:
    """Where the server says nothing about what it stored, the bytes are read back and seen to be others."""
    proxy.fault(DropChecksum(etag=True), times=None)
    with pytest.raises(IntegrityError):
        create()


def test_damage_from_before_is_other(store: Store, bucket: Bucket) -> None:
    """An object of our size with other bytes is OTHER for everyone who asks, and stays as it is."""
    bucket.put("k", b"x" * len(BODY))
    assert store.compare("k", Payload.of(BODY)) is Created.OTHER
    assert store.create("k", Payload.of(BODY), PDF_TYPE, look_first=True) is Created.OTHER
    assert bucket.body("k") == b"x" * len(BODY)


@pytest.mark.usefixtures("damage")
def test_damage_under_an_echoed_checksum_is_other(store: Store, create: Callable[[], Created]) -> None:
    """A run after the damage does not take the object for its own because the server echoes our checksum."""
    with pytest.raises(StoreError):
        create()
    assert store.compare("k", Payload.of(BODY)) is Created.OTHER
    assert store.create("k", Payload.of(BODY), PDF_TYPE, look_first=True) is Created.OTHER


def has_short_way(store: Store) -> bool:
    """Return whether the short way is tried before boto3, once and without waiting."""
    return store._fast_path is not None


@pytest.mark.parametrize("fault", [CutAnswer(), Reset(), SLOW_DOWN], ids=["cut", "reset", "503"])
def test_a_request_that_failed_is_tried_again(
    create: Callable[[], Created], bucket: Bucket, backend: Backend, proxy: S3Proxy, fault: Fault
) -> None:
    """A lost answer, a reset and a 503 of a create end in NEW or SAME and one version, never in an error."""
    proxy.fault(fault, method="PUT", times=2)
    assert create() in (Created.NEW, Created.SAME)
    assert bucket.body("k") == BODY
    if backend.honours_conditions:
        assert bucket.versions() == {"k": 1}


@pytest.mark.parametrize(
    "fault", [CutAnswer(), Reset(), SLOW_DOWN, Answer(500, "InternalError")], ids=["cut", "reset", "503", "500"]
)
@pytest.mark.parametrize("call", CALLS)
def test_what_never_works_is_a_store_error(store: Store, proxy: S3Proxy, fault: Fault, call: str) -> None:
    """After its tries every call says so in a StoreError that a later run may get over."""
    proxy.fault(fault, times=None)
    with pytest.raises(StoreError) as caught:
        CALLS[call](store)
    assert caught.value.kind is Kind.RETRIABLE
    short_way = has_short_way(store) and call in ("compare", "create", "look")
    assert len(proxy.requests) == TRIES + short_way


def test_a_create_whose_answers_were_all_lost_is_found_by_the_next(
    create: Callable[[], Created], bucket: Bucket, backend: Backend, proxy: S3Proxy
) -> None:
    """What was stored without our knowing is SAME for the next run."""
    proxy.fault(CutAnswer(), method="PUT", times=None)
    with pytest.raises(StoreError):
        create()
    proxy.clear()
    assert create() is Created.SAME
    if backend.honours_conditions:
        assert bucket.versions() == {"k": 1}


def test_a_conflict_is_tried_again(
    store: Store, create: Callable[[], Created], bucket: Bucket, proxy: S3Proxy, waits: list[float]
) -> None:
    """409 says that another write is under way: asked again, each time after a longer wait."""
    proxy.fault(CONFLICT, method="PUT", times=3 + has_short_way(store))
    assert create() is Created.NEW
    assert bucket.body("k") == BODY
    assert len(waits) == 3
    assert waits == sorted(set(waits))


def test_a_conflict_without_end_is_an_error(
    create: Callable[[], Created], bucket: Bucket, proxy: S3Proxy, waits: list[float]
) -> None:
    """After its tries a conflict is a StoreError, and nothing is stored."""
    proxy.fault(CONFLICT, method="PUT", times=None)
    with pytest.raises(StoreError):
        create()
    assert len(waits) == CONFLICT_TRIES - 1
    assert bucket.keys_below() == []


@pytest.mark.parametrize(("etag", "methods"), [(False, ["PUT"]), (True, ["PUT", "GET"])], ids=["by-etag", "by-bytes"])
def test_the_cheapest_proof_decides(store: Store, proxy: S3Proxy, etag: bool, methods: list[str]) -> None:
    """Without a checksum the ETag proves a create, and without either the bytes are read back, once."""
    proxy.fault(DropChecksum(etag=etag), times=None)
    assert store.create("k", Payload.of(BODY), PDF_TYPE) is Created.NEW
    assert [one.method for one in proxy.requests] == methods


@pytest.mark.parametrize("etag", [False, True], ids=["by-etag", "by-bytes"])
def test_the_cheapest_proof_decides_a_comparison_too(store: Store, proxy: S3Proxy, bucket: Bucket, etag: bool) -> None:
    """An object that is there is compared like one that was just written."""
    bucket.put("k", BODY)
    proxy.fault(DropChecksum(etag=etag), times=None)
    assert store.compare("k", Payload.of(BODY)) is Created.SAME
    assert [one.method for one in proxy.requests].count("GET") == int(etag)
    proxy.reset()
    proxy.fault(DropChecksum(etag=etag), times=None)
    assert store.compare("k", Payload.of(BODY + b"x")) is Created.OTHER
    assert [one.method for one in proxy.requests].count("GET") == 0  # another size is proof enough


@pytest.mark.parametrize("call", [call for call in CALLS if call != "overwrite"])  # whose caller goes by the record
def test_forbidden_is_never_absent(store: Store, proxy: S3Proxy, call: str) -> None:
    """A 403 is an error that stops the run, not "there is none"."""
    proxy.fault(DENIED, times=None)
    with pytest.raises(StoreError) as caught:
        CALLS[call](store)
    assert caught.value.kind is Kind.FATAL
    assert proxy.written() == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(400, "ExpiredToken"), "have expired"),
        (Answer(403, "InvalidAccessKeyId"), "does not accept"),
        (Answer(403, "SignatureDoesNotMatch"), "does not accept"),
        (Answer(403, "RequestTimeTooSkewed"), "clock"),
        (Answer(301, "PermanentRedirect"), "another region"),
        (Answer(400, "AuthorizationHeaderMalformed"), "another region"),
        (Answer(501, "NotImplemented"), "cannot do"),
        (Answer(507, "XMinioStorageFull"), "cannot store"),
    ],
    ids=lambda value: value.code if isinstance(value, Answer) else "",
)
@pytest.mark.parametrize("call", ["get", "list", "create", "overwrite"])
def test_what_waiting_does_not_mend_is_fatal_and_plain(
    store: Store, proxy: S3Proxy, bucket: Bucket, answer: Answer, words: str, call: str
) -> None:
    """A person learns what to mend, without a word of the server's, and nothing is stored."""
    proxy.fault(Answer(answer.status, answer.code, "secret words of the server"), times=None)
    with pytest.raises(StoreError, match=words) as caught:
        CALLS[call](store)
    assert caught.value.kind is Kind.FATAL
    assert "secret" not in caught.value.diagnostics()
    assert bucket.keys_below() == []


@pytest.mark.parametrize("fault", [FlipAnswer(), HalfAnswer()], ids=["flipped", "half"])
@pytest.mark.parametrize("call", ["get", "compare", "create", "look"])
def test_damaged_answers_are_no_truth(store: Store, bucket: Bucket, proxy: S3Proxy, fault: Fault, call: str) -> None:
    """A body that changes or breaks off on its way back is an error or OTHER, never taken for what is stored."""
    bucket.put("k", BODY)
    proxy.fault(DropChecksum(etag=True), times=None)  # so that the bytes are read at all
    proxy.fault(fault, method="GET", times=None)
    if call == "get" and fault == FlipAnswer():
        return  # without a checksum nobody can know; with one: the next test
    try:
        result = CALLS[call](store)
    except StoreError:
        return
    assert result is Created.OTHER
    assert fault == FlipAnswer()


def test_a_checksum_guards_what_is_read(
    store: Store, create: Callable[[], Created], backend: Backend, proxy: S3Proxy
) -> None:
    """Bytes that change on their way back do not match the checksum that S3 kept, and are an error."""
    if not backend.keeps_checksums:
        pytest.skip("the server keeps no checksum: what decides something is held against the ETag (checked_reading)")
    create()
    proxy.fault(FlipAnswer(), method="GET", times=None)
    with pytest.raises(StoreError):
        store.get("k")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", [FlipAnswer(), HalfAnswer()], ids=["flipped", "half"])
def test_broken_errors_are_errors(store: Store, proxy: S3Proxy, call: str, fault: Fault) -> None:
    """An answer that is no XML, or only half of one, is a StoreError too."""
    proxy.fault(Answer(418, "<&", "x"), times=None)
    proxy.fault(fault, times=None)
    with pytest.raises(StoreError):
        CALLS[call](store)


def test_half_a_listing_is_an_error(store: Store, bucket: Bucket, proxy: S3Proxy) -> None:
    """A listing that breaks off is not taken for a short one."""
    for name in ("a", "b", "c"):
        bucket.put(name, b"x")
    proxy.fault(HalfAnswer(), times=None)
    with pytest.raises(StoreError):
        list(store.list(""))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [200, 404, 412])
def test_what_is_no_s3_is_not_believed(store: Store, bucket: Bucket, proxy: S3Proxy, call: str, status: int) -> None:
    """A captive portal's page at the endpoint ends in a StoreError; it never passes for a stored object."""
    proxy.fault(Page(status), times=None)
    try:
        result = CALLS[call](store)
    except StoreError:
        assert bucket.keys_below() == []
        return
    # A HEAD has no body that could be looked at, and a GET may well be an object of HTML: what is read is parsed later.
    assert (call, status) in {("get", 200), ("exists", 200), ("exists", 404), ("compare", 404)} or (
        result is Created.OTHER
    )


def test_json_and_pdf_names_are_told_apart_from_absence(store: Store, proxy: S3Proxy) -> None:
    """Only S3's own NoSuchKey means that there is none; another 404 of a GET is an error."""
    proxy.fault(Answer(404, "NotFoundOnThisServer"), times=None)
    with pytest.raises(StoreError):
        store.get("k")
    proxy.clear()
    assert store.get("k") is None
    assert store.create("k", Payload.of(b"{}"), JSON_TYPE) is Created.NEW
