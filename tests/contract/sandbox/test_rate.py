"""Counting and the rate limit."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diploma_archive.sandbox import Sandbox
from diploma_archive.sandbox.request_counts import SlidingWindow, busiest_second, rate_over_run


@pytest.mark.parametrize(
    ("times", "most"),
    [
        ([], 0),
        ([5.0], 1),
        ([0.0, 0.25, 0.5, 0.75, 1.0], 4),
        ([0.0, 0.25, 0.5, 0.75, 0.999], 5),
        ([3.0, 0.0, 2.5, 2.75, 9.0], 3),
    ],
)
def test_the_busiest_second_is_half_open(times, most):
    """A second holds what lies in [t, t+1): an arrival exactly one second later is not in it."""
    assert busiest_second(times) == most


@given(st.lists(st.integers(0, 60).map(lambda tenth: tenth / 8), max_size=30))
def test_the_busiest_second_is_what_trying_all_windows_gives(times):
    """The two-pointer count equals the plain one."""
    assert busiest_second(times) == max((sum(start <= at < start + 1 for at in times) for start in times), default=0)


def test_the_rate_over_a_run_counts_gaps():
    """Eleven arrivals over two seconds are five per second; fewer than two are none."""
    assert rate_over_run([position / 5 for position in range(11)]) == pytest.approx(5.0)
    assert rate_over_run([1.0]) == rate_over_run([]) == rate_over_run([1.0, 1.0]) == 0.0


def test_the_window_admits_its_rate_and_no_more():
    """Refusals do not fill the window, and a rate that is no whole number is kept as well."""
    window = SlidingWindow()
    assert [window.admits(at / 10, 5.0) for at in range(10)] == [True] * 5 + [False] * 5
    assert window.admits(1.0, 5.0)
    slow = SlidingWindow()
    assert sum(slow.admits(at / 10, 0.5) for at in range(100)) == 5


def test_the_sixth_request_in_a_second_is_refused(public):
    """All kinds count together: 429 with Retry-After, and the refused ones are counted as such."""
    with Sandbox(requests_per_second=5.0) as sandbox:
        key = {"X-API-Key": "sandbox-key"}
        link = public.get(f"{sandbox.base_url}/diplomas?user_id=289252", headers=key).json()["items"][0]["links"]
        answers = [public.get(link["download"]) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
        assert answers[-1].headers["retry-after"] == "1"
        assert answers[-1].json() == {"error": "Too many requests"}
        assert sandbox.requests == {"diplomas": 1, "download": 4, "refused": 2}
        assert sandbox.busiest_second() == 7
        sandbox.retry_after = None
        assert "retry-after" not in public.get(link["download"]).headers
        sandbox.downloads_count = False
        assert public.get(link["download"]).status_code == 200


def test_every_arrival_is_seen(api, sandbox):
    """Time, kind, path, key and lower-cased headers of each request are kept, tokens are not, and can be forgotten."""
    api.get("/participants", headers={"X-Custom": "Value"})
    api.get("/nothing/here")
    api.post("/participants")
    at, kind, path, keyed, headers = sandbox.seen[0]
    assert (kind, path, keyed, headers["x-custom"]) == ("participants", "/v2/participants", True, "Value")
    assert at <= sandbox.seen[1].at
    assert sandbox.requests == {"participants": 1, "other": 2}
    assert sandbox.rate_over_run() > 0
    sandbox.reset_counts()
    assert (sandbox.seen, sandbox.busiest_second()) == ([], 0)


def test_it_can_be_read_and_scripted_over_http(sandbox):
    """/sandbox/* shows the counts, resets them and changes diplomas, and counts for nothing itself."""
    root = sandbox.base_url.removesuffix("/v2")
    with httpx.Client(base_url=root) as client:
        client.get("/v2/participants", headers={"X-API-Key": "sandbox-key"})
        stats = client.get("/sandbox/stats").json()
        assert (stats["requests"], stats["busiest_second"], stats["seconds"]) == ({"participants": 1}, 1, 0.0)
        assert client.post("/sandbox/diplomas/12345", json={"serial": "NEW"}).json()["serial"] == "NEW"
        assert sandbox.diplomas[12345].serial == "NEW"
        assert client.post("/sandbox/diplomas/1", json={}).status_code == 404
        for wrong in ({"colour": "red"}, {"pdf": "x"}, [], {"participant_id": 1}):
            assert client.post("/sandbox/diplomas/12345", json=wrong).status_code == 422
        client.post("/sandbox/reset")
        assert client.get("/sandbox/stats").json()["requests"] == {}
