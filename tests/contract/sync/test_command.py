"""The command line: exit codes, JSON, and plain sentences for every mistake; nothing written on bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from diploma_archive.sandbox import answer_faults as faults
from tests.support.world import World

COUNT_NAMES = {
    *("run_id", "listed", "archived", "unchanged", "withdrawn", "conflict", "quarantined", "failed", "unlisted"),
    *("requests", "bytes", "seconds", "failures"),
}


def last_json(output: str) -> dict[str, Any]:
    """Return the object on the last line of stdout."""
    return dict(json.loads(output.splitlines()[-1]))


def test_sync_all_json_prints_the_counts(world: World) -> None:
    """Scripts get one JSON object with every count, and exit code 0 when all is archived."""
    done = world.command("sync", "--all", "--json")
    assert done.returncode == 0, done.stderr
    counts = last_json(done.stdout)
    assert set(counts) == COUNT_NAMES | {"head"}
    assert (counts["listed"], counts["archived"], counts["failures"]) == (6, 6, [])
    assert counts["requests"] == world.sandbox.requests.total()
    assert counts["bytes"] == sum(len(world.sandbox.pdf_of(diploma_id)) for diploma_id in world.sandbox.diplomas)
    again = world.command("sync", "--all", "--json")
    assert (again.returncode, last_json(again.stdout)["unchanged"]) == (0, 6)


def test_a_failed_diploma_is_exit_code_1_and_named(world: World) -> None:
    """A green end means archived: one failure is exit code 1, with ids and a reason and no name."""
    world.sandbox.fault("download", faults.HtmlLogin(), id=12345)
    done = world.command("sync", "--all", "--json")
    assert done.returncode == 1
    (failure,) = last_json(done.stdout)["failures"]
    assert (failure["diploma_id"], failure["participant_id"]) == (12345, 987654)
    assert "diploma 12345 of participant 987654: failed" in done.stderr
    assert "Doe" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"FRONTCORE_API_KEY": ""}, "FRONTCORE_API_KEY"),
        ({"FRONTCORE_API_KEY": "  \n"}, "FRONTCORE_API_KEY"),
        ({"ARCHIVE_BUCKET": ""}, "ARCHIVE_BUCKET"),
        ({"ARCHIVE_PREFIX": "a/../b"}, "ARCHIVE_PREFIX"),
        ({"ARCHIVE_PREFIX": "/acme"}, "ARCHIVE_PREFIX"),
        ({"ARCHIVE_PREFIX": "acme//prod"}, "ARCHIVE_PREFIX"),
        ({"FRONTCORE_REQUESTS_PER_SECOND": "0"}, "FRONTCORE_REQUESTS_PER_SECOND"),
        (
            {"FRONTCORE_REQUESTS_PER_SECOND": "5.1", "FRONTCORE_BASE_URL": "https://api.frontcore.com/v2"},
            "FRONTCORE_REQUESTS_PER_SECOND",
        ),
        ({"FRONTCORE_LINK_TTL_SECONDS": "0"}, "FRONTCORE_LINK_TTL_SECONDS"),
        ({"FRONTCORE_LINK_TTL_SECONDS": "-5"}, "FRONTCORE_LINK_TTL_SECONDS"),
    ],
    ids=str,
)
def test_wrong_settings_are_exit_code_2_and_named(world: World, environment: dict[str, str], named: str) -> None:
    """A person learns which setting to put right; nothing is asked or written, and there is no traceback."""
    done = world.command("sync", "--all", "--json", **environment)
    assert done.returncode == 2, done.stderr
    assert named in last_json(done.stdout)["error"]
    assert last_json(done.stdout)["kind"] == "usage"
    assert "Traceback" not in done.stderr
    assert world.sandbox.requests.total() == 0
    assert world.bucket.keys_below() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--participant", "5-2"),
        ("--participant", "12x"),
        ("--participant", ""),
        ("--user", "-7"),
        ("--updated-since", "2026-02-30"),
        ("--updated-since", "yesterday"),
        ("--all", "--participant", "5"),
        ("--all", "--updated-since", "2026-01-01"),
        ("--no-such-option",),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(world: World, arguments: tuple[str, ...]) -> None:
    """A mistyped choice is refused before the first request, as JSON too; it is never taken for "everything"."""
    done = world.command("sync", *arguments, "--json")
    assert done.returncode == 2, done.stderr
    assert last_json(done.stdout)["kind"] == "usage"
    assert "Traceback" not in done.stderr
    assert world.sandbox.requests.total() == 0


@pytest.mark.parametrize(
    "environment",
    [
        {"ARCHIVE_BUCKET": "a-bucket-that-is-not-there"},
        {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"},
        {"AWS_ENDPOINT_URL_S3": "not an address"},
        {"FRONTCORE_BASE_URL": "http://127.0.0.1:9/v2"},
        {"FRONTCORE_API_KEY": "wrong-key"},
        {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"},
    ],
    ids=str,
)
def test_what_cannot_be_reached_is_exit_code_3(world: World, environment: dict[str, str]) -> None:
    """A wrong bucket, endpoint or key ends with one sentence within seconds, and nothing is written."""
    started = time.monotonic()
    done = world.command("sync", "--all", "--json", **environment)
    assert done.returncode == 3, done.stderr
    assert time.monotonic() - started < 120
    assert last_json(done.stdout)["kind"] == "fatal"
    assert len(done.stderr.strip().splitlines()) == 1
    assert world.bucket.keys_below() == []


def test_the_key_may_end_with_a_line_break(world: World) -> None:
    """A key that was read from a file works."""
    assert world.command("sync", "--all", FRONTCORE_API_KEY=f"{world.sandbox.api_key}\n").returncode == 0


def test_settings_may_lie_in_a_dotenv_file(world: World, tmp_path: Path) -> None:
    """`.env` in the working directory works for all settings, boto3's own included."""
    environment = world.environment()
    ours = {name: environment.pop(name) for name in list(environment) if name.startswith(("FRONT", "ARCH", "AWS"))}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in ours.items()))
    done = subprocess.run(
        [sys.executable, "-m", "diploma_archive.cli", "sync", "--all"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "6 archived, 0 unchanged, 0 failed"), done.stderr


def test_ctrl_c_finishes_what_is_under_way_and_says_what_was_done(world: World) -> None:
    """An interrupted run leaves whole diplomas only, says so, and the next run goes on."""
    process = subprocess.Popen(
        [sys.executable, "-m", "diploma_archive.cli", "sync", "--all", "--json"],
        env=world.environment(FRONTCORE_REQUESTS_PER_SECOND="4"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not world.sandbox.requests["download"] and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    answer = last_json(stdout)
    assert answer["kind"] == "interrupted"
    assert 0 < answer["archived"] < 6
    assert "Traceback" not in stderr
    assert len(world.bucket.keys_below("certificates/")) == answer["archived"]
    assert world.counts() == {"archived": 6 - answer["archived"], "unchanged": answer["archived"]}


@pytest.mark.parametrize(("environment", "code"), [({}, 0), ({"FRONTCORE_API_KEY": "wrong"}, 3)], ids=["good", "bad"])
def test_the_exit_code_holds_when_nobody_reads_the_result(world: World, environment: dict[str, str], code: int) -> None:
    """A full disk or a closed pipe behind stdout neither hides how the run ended nor shows a traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "diploma_archive.cli", "sync", "--all", "--json"],
            env=world.environment(**environment),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_no_secret_and_no_name_is_printed(world: World) -> None:
    """Neither the key nor a token nor a person's name is in any output, also where things fail."""
    world.sandbox.fault("download", faults.Status(500), id=12345, times=1)
    world.sandbox.fault("download", faults.Truncated(with_content_length=False), id=500001)
    done = world.command("--verbose", "sync", "--all", "--json", FRONTCORE_API_KEY="sandbox-key")
    printed = done.stdout + done.stderr
    for secret in ("sandbox-key", "eyJ", "token=", "Doe", "john.doe", "CANARY"):
        assert secret not in printed
    assert done.returncode == 1


def test_version_and_help(world: World) -> None:
    """The program says what it is."""
    assert world.command("--version").stdout.startswith("diploma-archive ")
    assert "--participant" in world.command("sync", "--help").stdout


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["sync --all", "verify", "--version"])
def test_closed_streams_change_nothing(world: World, closed: str, command: str) -> None:
    """As cron and some supervisors start programs: the work is done, and the exit code says so."""
    line = f"exec {sys.executable} -m diploma_archive.cli {command} {closed}"
    if command == "verify":
        world.run()
    done = subprocess.run(
        ["/bin/bash", "-c", line], env=world.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr + done.stdout
    if command == "sync --all":
        assert len(world.bucket.records()) == 6
