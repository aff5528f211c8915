"""A bucket brought back to an earlier, whole state shows by what was kept outside it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.verifying import delete
from tests.support.world import World


def sync(world: World) -> dict[str, str]:
    """Run `sync --all` and return the head that it hands out."""
    done = world.command("sync", "--all", "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1])["head"])


def rolled_back(world: World) -> list[dict[str, str]]:
    """Archive, archive a change, and bring the bucket back to before it; return all heads that were handed out."""
    heads = [sync(world)]
    before = {key: world.bucket.body(key) for key in world.bucket.keys_below()}
    world.sandbox.reissue(12345, "2026-03-05 10:00:00", passed_note="better")
    heads.append(sync(world))
    delete(world.bucket, *(set(world.bucket.keys_below()) - before.keys()))
    for key, body in before.items():
        world.bucket.client.put_object(
            Bucket=world.bucket.name, Key=f"{world.bucket.prefix}/{key}", Body=body, ChecksumAlgorithm="SHA256"
        )
    return heads


def verify(world: World, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run `verify --json`."""
    done = world.command("verify", *arguments, "--json")
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def lines(path: Path, heads: list[dict[str, str]]) -> str:
    """Write heads as JSON lines, and return the file."""
    path.write_text("".join(json.dumps(head) + "\n" for head in heads))
    return str(path)


def test_a_rollback_is_found_by_the_heads_that_were_kept(world: World, tmp_path: Path) -> None:
    """In the bucket alone everything fits; with the heads, the one that is gone is missed."""
    heads = rolled_back(world)
    assert verify(world)[0] == 0
    code, answer = verify(world, "--heads", lines(tmp_path / "heads", heads))
    assert (code, answer["counts"]) == (1, {"missing_report": 1})
    assert [finding["key"] for finding in answer["findings"]] == [heads[-1]["key"]]
    code, answer = verify(world, "--heads", lines(tmp_path / "heads", heads[:1]))
    assert (code, [note["class"] for note in answer["notes"]]) == (0, ["heads"])


def test_a_head_with_other_bytes_is_found(world: World, tmp_path: Path) -> None:
    """A report that was replaced, chain and all, is not the one that was handed out."""
    head = sync(world)
    other = [{**head, "sha256": "0" * 64}]
    assert verify(world, "--heads", lines(tmp_path / "heads", other))[1]["counts"] == {"altered_report": 1}


def test_heads_come_by_stdin_and_as_whole_answers_of_sync(world: World) -> None:
    """A cron job that keeps what `sync --json` prints has kept the heads."""
    done = world.command("sync", "--all", "--json")
    command = [sys.executable, "-m", "diploma_archive.cli", "verify", "--heads", "-", "--json"]
    checked = subprocess.run(
        command, input=done.stdout, env=world.environment(), capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "1 heads were given" in json.loads(checked.stdout)["notes"][0]["detail"]


@pytest.mark.parametrize("content", ["rubbish\n", "{}\n", '{"key": "runs/x", "sha256": "short"}\n', "[]\n"])
def test_what_is_no_head_is_wrong_usage(world: World, tmp_path: Path, content: str) -> None:
    """A file that was not understood never passes for one without findings."""
    sync(world)
    (tmp_path / "heads").write_text(content)
    for source in (tmp_path / "heads", tmp_path / "nowhere"):
        code, answer = verify(world, "--heads", str(source))
        assert (code, answer["kind"]) == (2, "usage")
    assert verify(world, "--heads", "prefect")[1]["kind"] == "usage"


def test_a_dry_run_hands_out_nothing(world: World) -> None:
    """It leaves no report, so there is no head."""
    done = world.command("sync", "--all", "--dry-run", "--json")
    assert "head" not in json.loads(done.stdout.splitlines()[-1])
