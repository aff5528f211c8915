"""What may go wrong between the program and S3, and the book of what is planned for which request.

Rule: nothing here does I/O; `s3_proxy` carries out what the book hands it.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class CutAnswer:
    """The request is carried out, and the connection closed without an answer."""


@dataclass(frozen=True)
class HalfAnswer:
    """The request is carried out, and the connection closed in the middle of the answer's body."""


@dataclass(frozen=True)
class Reset:
    """The request is not carried out; the client sees a TCP reset."""


@dataclass(frozen=True)
class Answer:
    """The request is not carried out; S3 answers with this error (no body for a HEAD)."""

    status: int
    code: str
    message: str = ""


@dataclass(frozen=True)
class Page:
    """The request is not carried out; something that is no S3 answers with a page, as a captive portal does."""

    status: int = 200
    text: str = "<!doctype html><title>Welcome</title><p>Please sign in"


@dataclass(frozen=True)
class FlipBytes:
    """A bit of the request's body flips on the way in; the headers stay as they were."""


@dataclass(frozen=True)
class FlipStored:
    """A bit of the request's body flips after the strict check: the server itself damages what it stores."""


@dataclass(frozen=True)
class FlipAnswer:
    """A bit of the answer's body flips on the way back."""


@dataclass(frozen=True)
class DropChecksum:
    """The answer has no `x-amz-checksum-*`.

    Args:
        etag: the ETag is replaced by one that is no MD5, as after a multipart upload or under KMS.
    """

    etag: bool = False


@dataclass(frozen=True)
class StripCondition:
    """`If-None-Match` and `If-Match` never reach the server: for moto, since rclone's signature check refuses that."""


@dataclass(frozen=True)
class Racers:
    """A check-then-store server at its worst: creates of one key wait for each other and then all succeed.

    PUTs with `If-None-Match` on a key that does not exist wait until `count` of them have come or `seconds` are up.
    A plan's `times` counts races here, not requests. For moto, as `StripCondition` is: rclone lets all win anyway.
    """

    count: int
    seconds: float = 2.0


@dataclass(frozen=True)
class Delay:
    """The request waits before anything else happens to it."""

    seconds: float


@dataclass(frozen=True)
class Rewrite:
    """What the server answered with success comes back changed; its length is then that of what came.

    Args:
        change: of the body, given the request.
        headers: the names of headers (lower case) that are lost on the way.
        put: headers that have another value then.
        chunked: the length is not announced.
    """

    change: Callable[[bytes, S3Request], bytes]
    headers: frozenset[str] = frozenset()
    put: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False


Fault = (
    CutAnswer
    | Reset
    | Answer
    | FlipBytes
    | FlipStored
    | FlipAnswer
    | DropChecksum
    | StripCondition
    | Racers
    | Delay
    | Rewrite
)
ENDINGS = (CutAnswer, HalfAnswer, Reset, Answer, Page)  # a request meets one of these at most; all the others add up


@dataclass
class S3Request:
    """One request as the proxy saw it; `status` and `stored_status` are filled in when it is over."""

    number: int  # 1 is the first since the start or the last reset
    method: str
    bucket: str
    key: str  # decoded, without the bucket; "" where the request is about the bucket
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    size: int  # bytes of the body
    status: int = 0  # what the client was told; 0: nothing
    stored_status: int = 0  # what the server said, told or not; 0: the request never reached it


class Race:
    """The creates of one key that wait for each other."""

    def __init__(self, racers: Racers) -> None:
        self._racers = racers
        self._arrived = 0
        self._deadline = time.monotonic() + racers.seconds
        self._changed = threading.Condition()
        self.over = False
        self._everyone_wins = True

    def run(self, exists: Callable[[], bool]) -> bool:
        """Wait for the others; return whether this request goes on without its condition.

        Args:
            exists: whether the server has the key; asked once, by whoever came first.
        """
        with self._changed:
            self._arrived += 1
            if self._arrived == 1 and exists():
                self._everyone_wins = False
            if self._arrived >= self._racers.count or not self._everyone_wins:
                self.over = True
                self._changed.notify_all()
            while not self.over:
                if not self._changed.wait(max(0.0, self._deadline - time.monotonic())):
                    self.over = True
                    self._changed.notify_all()
            return self._everyone_wins


@dataclass
class _Plan:
    fault: Fault
    method: str | None
    key: re.Pattern[str] | None
    times: int | None
    skip: int
    races: dict[tuple[str, str], Race] = field(default_factory=dict)

    def concerns(self, request: S3Request) -> bool:
        if isinstance(self.fault, Racers) and (request.method != "PUT" or "if-none-match" not in request.headers):
            return False
        if self.method is not None and self.method.upper() != request.method:
            return False
        return self.key is None or self.key.search(request.key) is not None

    def use(self) -> bool:
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


@dataclass(frozen=True)
class Chosen:
    """What is to happen to one request."""

    faults: tuple[Fault, ...] = ()
    race: Race | None = None

    def first(self, *kinds: type) -> Fault | None:
        """Return the first fault of these kinds."""
        return next((fault for fault in self.faults if isinstance(fault, kinds)), None)

    @property
    def seconds(self) -> float:
        """Return how long the request waits first."""
        return sum(fault.seconds for fault in self.faults if isinstance(fault, Delay))


class FaultBook:
    """The planned faults, in the order in which they were planned. Safe to use from several threads."""

    def __init__(self) -> None:
        self._plans: list[_Plan] = []
        self._lock = threading.Lock()

    def plan(self, fault: Fault, *, method: str | None, key: str | None, times: int | None, skip: int) -> None:
        """Add a fault for matching requests, `skip` of which pass first."""
        with self._lock:
            self._plans.append(_Plan(fault, method, None if key is None else re.compile(key), times, skip))

    def clear(self) -> None:
        """Forget all plans."""
        with self._lock:
            self._plans.clear()

    def choose(self, request: S3Request) -> Chosen:
        """Return what happens to this request, and count it against the plans."""
        faults: list[Fault] = []
        race: Race | None = None
        ended = False
        with self._lock:
            for plan in self._plans:
                if not plan.concerns(request):
                    continue
                if plan.skip > 0:
                    plan.skip -= 1
                elif isinstance(plan.fault, Racers):
                    race = race or _race_of(plan, plan.fault, request)
                elif not (ended and isinstance(plan.fault, ENDINGS)) and plan.use():
                    faults.append(plan.fault)
                    ended = ended or isinstance(plan.fault, ENDINGS)
        return Chosen(tuple(faults), race)


def flipped(body: bytes) -> bytes:
    """Return the bytes with one bit in their middle the other way round; none where there are none."""
    if not body:
        return body
    changed = bytearray(body)
    changed[len(body) // 2] ^= 1
    return bytes(changed)


def _race_of(plan: _Plan, racers: Racers, request: S3Request) -> Race | None:
    place = (request.bucket, request.key)
    if place not in plan.races or plan.races[place].over:
        if not plan.use():
            return None
        plan.races[place] = Race(racers)
    return plan.races[place]
