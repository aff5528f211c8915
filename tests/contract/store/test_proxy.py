"""The fault-injecting proxy itself: each fault does what it says, and no fault changes nothing."""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, FlexibleChecksumError, ResponseStreamingError

from diploma_archive.sandbox import LocalS3
from tests.support.s3_proxy import (
    Answer,
    CutAnswer,
    Delay,
    DropChecksum,
    FlipAnswer,
    FlipBytes,
    FlipStored,
    HalfAnswer,
    Page,
    Racers,
    Reset,
    S3Proxy,
    S3Request,
    StripCondition,
)
from tests.support.world import Bucket, new_bucket

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

BODY = b"0123456789"


@pytest.fixture(scope="module")
def shared(s3: LocalS3) -> Iterator[tuple[S3Proxy, S3Client]]:
    """A strict proxy in front of moto, and a client through it that never tries twice."""
    with S3Proxy(s3.endpoint_url, strict=True) as proxy:
        client = _client(proxy.endpoint_url)
        yield proxy, client
        client.close()


@pytest.fixture
def proxy(shared: tuple[S3Proxy, S3Client]) -> Iterator[S3Proxy]:
    """The proxy, without faults or memories."""
    shared[0].reset()
    yield shared[0]
    shared[0].on_request = None
    shared[0].reset()
    shared[0].raise_errors()


@pytest.fixture
def client(shared: tuple[S3Proxy, S3Client]) -> S3Client:
    """The client."""
    return shared[1]


@pytest.fixture
def bucket(s3: LocalS3) -> Iterator[Bucket]:
    """An empty, versioned bucket, read without the proxy."""
    bucket = new_bucket(s3, prefix="")  # keys are those of the requests
    yield bucket
    bucket.client.close()


@pytest.fixture
def put(client: S3Client, bucket: Bucket) -> Callable[..., Any]:
    """Store `BODY` or another body under a key, with the checksum that the store sends."""

    def put(key: str = "k", body: bytes = BODY, **more: Any) -> Any:
        return client.put_object(Bucket=bucket.name, Key=key, Body=body, ChecksumAlgorithm="SHA256", **more)

    return put


def test_without_faults_nothing_changes(s3: LocalS3, proxy: S3Proxy) -> None:
    """The same requests get the same answers, headers and bytes, with the proxy and without."""

    def tour(endpoint_url: str) -> list[Any]:
        bucket = new_bucket(s3, prefix="")
        client = _client(endpoint_url)
        where = {"Bucket": bucket.name}
        odd = "a b/_C3.-/+&=é"
        calls: list[Callable[[], Any]] = [
            lambda: client.put_object(**where, Key=odd, Body=b"x" * 3_000_000, IfNoneMatch="*"),
            lambda: client.put_object(**where, Key=odd, Body=b"y", IfNoneMatch="*"),
            lambda: client.put_object(**where, Key="empty", Body=b""),
            lambda: client.head_object(**where, Key=odd, ChecksumMode="ENABLED"),
            lambda: client.get_object(**where, Key=odd),
            lambda: client.get_object(**where, Key=odd, Range="bytes=1-3"),
            lambda: client.get_object(**where, Key="nothing"),
            lambda: client.head_object(**where, Key="nothing"),
            lambda: client.list_objects_v2(**where, MaxKeys=1),
            lambda: client.list_objects_v2(Bucket="nothing-here"),
            lambda: client.get_bucket_versioning(**where),
            lambda: client.delete_object(**where, Key="empty"),
        ]
        seen = [_plain(call, bucket.name) for call in calls]
        client.close()
        bucket.client.close()
        return seen

    assert tour(proxy.endpoint_url) == tour(s3.endpoint_url)
    assert len(proxy.requests) == 12


def test_it_counts_what_passes(proxy: S3Proxy, bucket: Bucket, client: S3Client, put: Callable[..., Any]) -> None:
    """Every request is there in order of arrival, decoded, with what became of it."""
    put("ø/a b")
    with pytest.raises(ClientError):
        put("ø/a b", IfNoneMatch="*")
    client.list_objects_v2(Bucket=bucket.name, Prefix="ø/")
    first, second, third = proxy.requests
    assert (first.number, first.method, first.bucket, first.key) == (1, "PUT", bucket.name, "ø/a b")
    assert (first.size, first.status, first.query) == (len(BODY), 200, {})
    assert second.headers["if-none-match"] == "*"
    assert second.status == 412
    assert (third.method, third.key, third.query["prefix"]) == ("GET", "", "ø/")
    assert proxy.written() == ["ø/a b"]
    assert proxy.written("b/") == []
    proxy.reset()
    assert proxy.requests == []


def test_faults_choose_their_requests(proxy: S3Proxy, client: S3Client, bucket: Bucket) -> None:
    """Method, pattern, skip and times decide; two plans of endings come one after the other."""
    proxy.fault(Answer(500, "InternalError"), method="put", key=r"^a/\d$", times=2, skip=1)
    proxy.fault(Answer(409, "ConditionalRequestConflict"), key="a/")

    def status(key: str) -> int:
        try:
            client.put_object(Bucket=bucket.name, Key=key)
        except ClientError as error:
            return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
        return 200

    assert [status(key) for key in ("b/1", "a/x", "a/1", "a/2")] == [200, 409, 200, 500]
    assert [status(key) for key in ("a/x", "a/3", "a/4")] == [200, 500, 200]
    proxy.fault(Answer(503, "SlowDown"), times=None)
    assert [status("z") for _ in range(4)] == [503] * 4
    proxy.clear()
    assert status("z") == 200


def test_an_answer_looks_like_one_of_s3(proxy: S3Proxy, client: S3Client, bucket: Bucket) -> None:
    """A GET learns code and message; a HEAD gets the status alone; nothing reaches the server."""
    bucket.client.put_object(Bucket=bucket.name, Key="k", Body=BODY)
    proxy.fault(Answer(403, "RequestTimeTooSkewed", "a <message> & more"), times=2)
    with pytest.raises(ClientError) as caught:
        client.get_object(Bucket=bucket.name, Key="k")
    assert caught.value.response["Error"] == {"Code": "RequestTimeTooSkewed", "Message": "a <message> & more"}
    with pytest.raises(ClientError) as caught:
        client.head_object(Bucket=bucket.name, Key="k")
    assert caught.value.response["Error"]["Code"] == "403"
    assert [one.stored_status for one in proxy.requests] == [0, 0]


def test_a_page_is_no_answer_of_s3(proxy: S3Proxy, client: S3Client, bucket: Bucket) -> None:
    """Something else answers 200, and nothing is stored."""
    proxy.fault(Page())
    assert client.get_object(Bucket=bucket.name, Key="k")["Body"].read().startswith(b"<!doctype html>")
    assert [one.stored_status for one in proxy.requests] == [0]


def test_a_cut_answer_is_lost_and_carried_out(proxy: S3Proxy, bucket: Bucket, put: Callable[..., Any]) -> None:
    """The client gets nothing; the server has the object."""
    proxy.fault(CutAnswer())
    with pytest.raises(ConnectionClosedError):
        put()
    assert bucket.body("k") == BODY
    assert (proxy.requests[0].status, proxy.requests[0].stored_status) == (0, 200)
    assert proxy.written() == ["k"]


def test_half_an_answer_is_noticed(proxy: S3Proxy, client: S3Client, bucket: Bucket) -> None:
    """The headers promise more than comes."""
    bucket.client.put_object(Bucket=bucket.name, Key="k", Body=BODY)
    proxy.fault(HalfAnswer())
    answer = client.get_object(Bucket=bucket.name, Key="k")
    assert answer["ContentLength"] == len(BODY)
    with pytest.raises(ResponseStreamingError):
        answer["Body"].read()


def test_a_reset_is_a_reset_and_not_carried_out(s3: LocalS3, bucket: Bucket) -> None:
    """The socket itself sees a TCP reset, and the server nothing."""
    with S3Proxy(s3.endpoint_url) as proxy:
        proxy.fault(Reset())
        with socket.create_connection(("127.0.0.1", int(proxy.endpoint_url.rpartition(":")[2]))) as connection:
            connection.sendall(f"PUT /{bucket.name}/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx".encode())
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        assert [one.stored_status for one in proxy.requests] == [0]
    assert bucket.keys_below() == []


def test_flipped_bytes_are_refused_by_a_strict_server_alone(
    s3: LocalS3, proxy: S3Proxy, bucket: Bucket, put: Callable[..., Any]
) -> None:
    """Damage on the way is BadDigest where the server looks, and stored where it does not."""
    proxy.fault(FlipBytes())
    with pytest.raises(ClientError, match="BadDigest"):
        put()
    assert bucket.keys_below() == []
    with S3Proxy(s3.endpoint_url) as lax:
        client = _client(lax.endpoint_url)
        lax.fault(FlipBytes())
        client.put_object(Bucket=bucket.name, Key="k", Body=BODY, ChecksumAlgorithm="SHA256")
        client.close()
    assert bucket.body("k") != BODY
    assert len(bucket.body("k")) == len(BODY)


def test_a_strict_server_examines_content_md5(proxy: S3Proxy, put: Callable[..., Any]) -> None:
    """The older digest counts too."""
    proxy.fault(FlipBytes(), times=None)
    with pytest.raises(ClientError, match="BadDigest"):
        put(ContentMD5="eB5eJF1ptWaXm4bijSPyxw==")
    proxy.clear()
    with pytest.raises(ClientError, match="BadDigest"):
        put(ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
    put(ContentMD5="eB5eJF1ptWaXm4bijSPyxw==")


def test_damage_at_rest_passes_the_strict_server(proxy: S3Proxy, bucket: Bucket, put: Callable[..., Any]) -> None:
    """The nasty case: other bytes are stored, and our own checksum comes back; only the ETag tells."""
    good = put("good")
    proxy.fault(FlipStored())
    bad = put("bad")
    assert bad["ChecksumSHA256"] == good["ChecksumSHA256"]
    assert bad["ETag"] != good["ETag"]
    assert bucket.body("good") == BODY
    raw = bucket.client.get_object(Bucket=bucket.name, Key="bad")["Body"]
    with pytest.raises(FlexibleChecksumError):
        raw.read()


def test_a_flipped_answer_has_other_bytes_of_the_same_length(proxy: S3Proxy, client: S3Client, bucket: Bucket) -> None:
    """One bit changes on the way back, and nothing in the bucket."""
    bucket.client.put_object(Bucket=bucket.name, Key="k", Body=BODY)
    proxy.fault(FlipAnswer())
    proxy.fault(DropChecksum())
    read = client.get_object(Bucket=bucket.name, Key="k")["Body"].read()
    assert sum(bin(one ^ other).count("1") for one, other in zip(read, BODY, strict=True)) == 1
    assert bucket.body("k") == BODY


@pytest.mark.parametrize("etag", [False, True])
def test_a_dropped_checksum_leaves_no_proof(proxy: S3Proxy, put: Callable[..., Any], etag: bool) -> None:
    """Without a checksum, and on demand with an ETag that is no MD5."""
    usual = put("usual")
    proxy.fault(DropChecksum(etag=etag))
    answer = put("k")
    assert not [name for name in answer if name.startswith("Checksum")]
    assert (answer["ETag"] == usual["ETag"]) is not etag
    assert "-" in answer["ETag"] or not etag


def test_a_stripped_condition_overwrites(proxy: S3Proxy, bucket: Bucket, put: Callable[..., Any]) -> None:
    """The server never sees the condition; the list of requests says that it was sent."""
    put()
    proxy.fault(StripCondition())
    put(body=b"other", IfNoneMatch="*")
    assert bucket.body("k") == b"other"
    assert proxy.requests[-1].headers["if-none-match"] == "*"


def test_all_racers_win(proxy: S3Proxy, bucket: Bucket, put: Callable[..., Any]) -> None:
    """Creates of one key wait for each other and all succeed, once; the next one is told the truth."""
    proxy.fault(Racers(3, seconds=20), key="^k$")
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda number: put(body=b"%d" % number, IfNoneMatch="*"), range(3)))
    assert len({answer["ETag"] for answer in answers}) == 3
    assert bucket.versions() == {"k": 3}
    with pytest.raises(ClientError, match="PreconditionFailed"):
        put(IfNoneMatch="*")


def test_racers_for_an_object_that_exists_all_lose(proxy: S3Proxy, bucket: Bucket, put: Callable[..., Any]) -> None:
    """What was there before the race is as safe as ever, and nobody waits."""
    put()
    proxy.fault(Racers(3, seconds=20))
    for _ in range(3):
        with pytest.raises(ClientError, match="PreconditionFailed"):
            put(IfNoneMatch="*")
    assert bucket.versions() == {"k": 1}


def test_a_lonely_racer_goes_on(proxy: S3Proxy, bucket: Bucket, put: Callable[..., Any]) -> None:
    """When nobody else comes, the time is up; other keys and plain PUTs are not held at all."""
    proxy.fault(Racers(2, seconds=3.0), key="^k$")
    begun = time.monotonic()
    put("other", IfNoneMatch="*")
    put("k2")
    assert time.monotonic() - begun < 3.0
    put(IfNoneMatch="*")
    assert time.monotonic() - begun >= 3.0
    assert bucket.body("k") == BODY


def test_a_delay_delays(proxy: S3Proxy, put: Callable[..., Any]) -> None:
    """The request waits, and then goes on as usual."""
    proxy.fault(Delay(0.2))
    begun = time.monotonic()
    put()
    assert time.monotonic() - begun >= 0.2


@pytest.mark.parametrize("after", [False, True])
def test_a_client_that_dies_stays_dead(proxy: S3Proxy, bucket: Bucket, put: Callable[..., Any], after: bool) -> None:
    """From its last request on nothing gets through until it is revived; that one is carried out or is not."""
    put("before")
    proxy.die(2, after=after)
    put("0")
    for name in ("1", "2", "3"):
        with pytest.raises(ConnectionClosedError):
            put(name)
    assert proxy.written() == (["before", "0", "1"] if after else ["before", "0"])
    assert sorted(bucket.keys_below()) == (["0", "1", "before"] if after else ["0", "before"])
    proxy.revive()
    put("4")
    assert [one.status for one in proxy.requests] == [200, 200, 0, 0, 0, 200]


def test_the_hook_sees_a_request_before_the_server_does(
    proxy: S3Proxy, bucket: Bucket, put: Callable[..., Any]
) -> None:
    """A test can do something at just that moment, and plan a fault for it."""
    seen: list[tuple[S3Request, list[str]]] = []

    def look(request: S3Request) -> None:
        seen.append((request, bucket.keys_below()))
        proxy.fault(CutAnswer())

    proxy.on_request = look
    with pytest.raises(ConnectionClosedError):
        put()
    assert [(request.key, keys) for request, keys in seen] == [("k", [])]


def test_what_breaks_in_the_hook_is_not_lost(proxy: S3Proxy, put: Callable[..., Any]) -> None:
    """An assertion in another thread fails the test that made it."""

    def fail(_: S3Request) -> None:
        raise AssertionError("in the hook")

    proxy.on_request = fail
    with pytest.raises(ConnectionClosedError):
        put()
    with pytest.raises(AssertionError, match="in the hook"):
        proxy.raise_errors()
    proxy.raise_errors()


def test_keys_that_are_too_long_are_refused(proxy: S3Proxy, client: S3Client, bucket: Bucket) -> None:
    """1,024 bytes of UTF-8 are the limit, not 1,024 characters."""
    client.put_object(Bucket=bucket.name, Key="ø" * 512, Body=b"")
    with pytest.raises(ClientError, match="KeyTooLongError"):
        client.put_object(Bucket=bucket.name, Key="ø" * 512 + "x", Body=b"")
    assert len(proxy.written()) == 1


def test_a_strict_create_is_one_step(proxy: S3Proxy, bucket: Bucket, put: Callable[..., Any]) -> None:
    """Of many creates at one moment the server carries out one, round after round."""
    together = threading.Barrier(8)

    def create(number: int) -> bool:
        together.wait()
        try:
            put(f"k{number // 8}", b"%d" % number, IfNoneMatch="*")
        except ClientError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(40)))
    assert [sum(won[start : start + 8]) for start in range(0, 40, 8)] == [1] * 5
    assert set(bucket.versions().values()) == {1}
    assert len(proxy.written()) == 5


@pytest.mark.parametrize("strict", [False, True])
def test_a_strict_server_carries_out_one_put_of_a_key_at_a_time(strict: bool) -> None:
    """Looking and storing are one step however slow the server is; other keys do not wait for it."""
    inside: set[str] = set()
    met: set[tuple[str, str]] = set()

    class Slow(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            mine = f"{self.path}#{id(self)}"
            met.update((mine.partition("#")[0], other.partition("#")[0]) for other in inside)
            inside.add(mine)
            time.sleep(0.1)
            inside.discard(mine)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    serving = threading.Thread(target=upstream.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        with S3Proxy(f"http://127.0.0.1:{upstream.server_address[1]}", strict=strict) as proxy:
            port = int(proxy.endpoint_url.rpartition(":")[2])

            def put(key: str) -> int:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("PUT", f"/bucket/{key}", body=b"x")
                with connection.getresponse() as response:
                    response.read()
                connection.close()
                return response.status

            with ThreadPoolExecutor(6) as pool:
                assert set(pool.map(put, "aabbaa")) == {200}
    finally:
        upstream.shutdown()
        serving.join()
        upstream.server_close()
    assert any(one != other for one, other in met)
    assert any(one == other for one, other in met) is not strict


def test_one_connection_serves_many_requests(s3: LocalS3, bucket: Bucket) -> None:
    """Keep-alive, `Expect: 100-continue` and chunked bodies work on one connection, and it ends with the proxy."""
    with S3Proxy(s3.endpoint_url) as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", int(proxy.endpoint_url.rpartition(":")[2]), timeout=10)
        first = None
        for number in range(3):
            chunks = iter([BODY[:4], BODY[4:]])
            connection.request("PUT", f"/{bucket.name}/k{number}", body=chunks, encode_chunked=True)
            assert connection.getresponse().read() == b""
            first = first or connection.sock
            assert connection.sock is first
            connection.request("HEAD", f"/{bucket.name}/k{number}")
            with connection.getresponse() as head:  # 403, for want of a signature; it must not hold up the next one
                assert head.read() == b""
        assert connection.sock is not None
        connection.sock.sendall(
            f"PUT /{bucket.name}/e HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert connection.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sock.sendall(b"ok")
        assert connection.sock.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert connection.sock.recv(1) == b""
    connection.close()
    assert bucket.body("k2") == BODY
    assert bucket.body("e") == b"ok"


def test_many_threads_and_one_client(proxy: S3Proxy, client: S3Client, bucket: Bucket) -> None:
    """Simultaneous requests do not mix up their bodies."""

    def there_and_back(number: int) -> bool:
        body = b"%d" % number * 1000
        client.put_object(Bucket=bucket.name, Key=f"{number}", Body=body)
        return client.get_object(Bucket=bucket.name, Key=f"{number}")["Body"].read() == body

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(there_and_back, range(48)))
    assert [one.number for one in proxy.requests] == list(range(1, 97))


def test_a_server_that_is_gone_is_a_closed_connection(bucket: Bucket) -> None:
    """Where nobody listens behind the proxy, the client is told nothing either."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with S3Proxy(f"http://127.0.0.1:{port}") as proxy:
        client = _client(proxy.endpoint_url)
        with pytest.raises(ConnectionClosedError):
            client.get_object(Bucket=bucket.name, Key="k")
        client.close()


def _client(endpoint_url: str) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox-secret",
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, max_pool_connections=10),
    )


def _plain(call: Callable[[], Any], bucket: str) -> Any:
    """Return what an S3 call said, without what differs from one request or bucket to the next."""
    try:
        answer = call()
    except ClientError as error:
        answer = error.response
    if "Body" in answer:
        answer["Body"] = answer["Body"].read()
    meta = answer.pop("ResponseMetadata")
    changing = (
        "date",
        "last-modified",
        "connection",
        "server",
        "x-amz-version-id",
        "x-amz-request-id",
        "x-amzn-requestid",
    )
    headers = sorted(item for item in meta["HTTPHeaders"].items() if item[0] not in changing)
    text = repr((meta["HTTPStatusCode"], headers, answer)).replace(bucket, "BUCKET")
    return re.sub(
        r"datetime\.datetime\([^)]*\)+|'(VersionId|RequestId|HostId|NextContinuationToken)': '[^']*'", "", text
    )
