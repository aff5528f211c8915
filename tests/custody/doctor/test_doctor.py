"""`doctor`: each thing that may be wrong before the first run shows under its own name, with what to do."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from diploma_archive.model.keys import LONGEST_KEY_BYTES
from diploma_archive.sandbox import LocalS3
from tests.support.rclone import RcloneS3
from tests.support.s3_proxy import Answer, CutAnswer, FlipAnswer, Page, Reset, S3Proxy, StripCondition
from tests.support.s3_wire import Incoming, Outgoing
from tests.support.world import PREFIX, Bucket, World, new_bucket

SANE = {"FRONTCORE_REQUESTS_PER_SECOND": "4"}
CONFIGURATION = ("versioning", "encryption", "public access", "TLS only", "Object Lock")
PROBED = ("writing", "conditional writes", "checksums kept", "checksums verified", "key length", "probe objects")


class Examined:
    """What `doctor --json` said."""

    def __init__(self, world: World, *arguments: str, **environment: str) -> None:
        done = world.command("doctor", "--json", *arguments, **{**SANE, **environment})
        assert "Traceback" not in done.stderr
        assert world.sandbox.api_key not in done.stdout + done.stderr
        self.code = done.returncode
        self.document: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        self.checks = {check["name"]: check for check in self.document["checks"]}
        assert len(self.checks) == len(self.document["checks"]), "a name twice"
        for check in self.checks.values():
            assert bool(check["fix"]) == (check["result"] in ("warning", "problem")), check

    def __getitem__(self, name: str) -> str:
        return str(self.checks[name]["result"])

    def with_result(self, result: str) -> set[str]:
        """Return the names of the checks that ended so."""
        return {name for name, check in self.checks.items() if check["result"] == result}


def set_up_well(bucket: Bucket) -> None:
    """Set the bucket up as deployments/bucket.yaml does, but for the policy: moto would refuse plain HTTP then."""
    place = {"Bucket": bucket.name}
    bucket.client.put_bucket_encryption(
        **place,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    switches = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    bucket.client.put_public_access_block(**place, PublicAccessBlockConfiguration=dict.fromkeys(switches, True))


@pytest.fixture
def strict(world: World, proxy: S3Proxy) -> World:
    """The small school with an empty bucket on a strict S3."""
    return World(world.sandbox, world.bucket, proxy.environment(world.s3_environment))


def test_a_good_setup_has_no_problem_and_nothing_stays(strict: World) -> None:
    """Everything is asked, one request goes to FrontCore, and the bucket is as empty as before."""
    set_up_well(strict.bucket)
    seen = Examined(strict)
    assert (seen.code, seen.with_result("problem")) == (0, set())
    assert seen.with_result("warning") == {"base URL", "TLS only"}  # it is a sandbox
    assert seen.with_result("not asked") == {"region", "Prefect"}
    assert {*CONFIGURATION, *PROBED} - {"TLS only"} <= seen.with_result("ok")
    assert "none yet" in seen.checks["archive"]["seen"]
    assert strict.sandbox.requests.total() == 1
    assert strict.bucket.versions() == {}


def test_an_archive_that_is_there_is_named_and_left_alone(strict: World) -> None:
    """After the first run doctor finds the archive, and changes nothing in it."""
    strict.run()
    before = strict.bucket.versions()
    seen = Examined(strict)
    assert seen.checks["archive"]["seen"] == "that of account default"
    assert strict.bucket.versions() == before


def test_no_write_writes_nothing(strict: World, proxy: S3Proxy) -> None:
    """Under --no-write no PUT and no DELETE goes out, and what stays unknown is called so."""
    seen = Examined(strict, "--no-write")
    assert seen["writing"] == "not asked"
    assert {request.method for request in proxy.requests} <= {"GET", "HEAD"}


def test_the_silent_kind_is_found(strict: World, proxy: S3Proxy) -> None:
    """A server that answers 200 to a create of what exists is a warning in plain words, and the probe is removed."""
    proxy.fault(StripCondition(), times=None)
    seen = Examined(strict)
    assert (seen.code, seen["conditional writes"]) == (0, "warning")
    assert "silently ignored" in seen.checks["conditional writes"]["seen"]
    assert strict.bucket.versions() == {}


def test_a_server_that_examines_no_checksum_is_found(world: World) -> None:
    """moto stores bytes under a wrong SHA-256; doctor has seen it, and removed them."""
    seen = Examined(world)
    assert (seen.code, seen["checksums verified"], seen["conditional writes"]) == (0, "warning", "ok")
    assert world.bucket.versions() == {}


def test_rclone_is_told_apart(world: World) -> None:
    """A server without conditions, versions and SHA-256: each is said, and nothing stays in its folder."""
    with RcloneS3() as rclone:
        rclone.create_bucket("archive")
        seen = Examined(world, ARCHIVE_BUCKET="archive", **rclone.environment())
        assert [path for path in (rclone.root / "archive").rglob("*") if path.is_file()] == []
    assert seen["versioning"] == "problem"
    assert {"conditional writes", "checksums verified"} <= seen.with_result("warning")
    assert "Content-MD5" in seen.checks["checksums verified"]["seen"]


@pytest.mark.parametrize("answer", [Answer(400, "KeyTooLongError"), Answer(503, "SlowDown")])
def test_a_server_that_takes_no_long_keys_is_found(strict: World, proxy: S3Proxy, answer: Answer) -> None:
    """Before the first run, with the number of bytes and what to set; one too long name fails its diploma alone."""
    proxy.fault(answer, method="PUT", key="xxxx", times=None)
    seen = Examined(strict)
    assert (seen.code, seen["key length"]) == (1, "problem")
    assert f"{LONGEST_KEY_BYTES + len(PREFIX) + 1} bytes" in seen.checks["key length"]["seen"]


def test_restricted_credentials_are_warned_of_and_the_probe_is_named(strict: World, proxy: S3Proxy) -> None:
    """A policy of earlier versions: no question about the bucket, no DELETE of probes; they are named."""
    proxy.fault(Answer(403, "AccessDenied"), method="DELETE", times=None)
    proxy.fault(Answer(403, "AccessDenied"), method="GET", key="^$", times=None, skip=2)  # the first two are LISTs
    seen = Examined(strict)
    assert seen.code == 0
    assert {seen[name] for name in CONFIGURATION} == {"warning"}
    assert seen.checks["versioning"]["seen"] == "could not be asked with these credentials"
    assert seen["conditional writes"] == "ok"
    left = strict.bucket.keys_below()
    assert len(left) == 3
    for key in left:
        assert key.startswith("state/probe/doctor-")
        assert key in seen.checks["probe objects"]["seen"]
        assert b"no part of the archive" in strict.bucket.body(key)


def test_a_bucket_that_may_not_be_written_to(strict: World, proxy: S3Proxy) -> None:
    """Credentials that can only read are a problem before the first run."""
    proxy.fault(Answer(403, "AccessDenied"), method="PUT", times=None)
    seen = Examined(strict)
    assert (seen.code, seen.with_result("problem")) == (1, {"writing"})


def test_versioning_that_is_off_is_a_problem(world: World, s3: LocalS3) -> None:
    """What is deleted by mistake would be lost."""
    world.bucket = new_bucket(s3, versioned=False)
    seen = Examined(world)
    assert (seen.code, seen.with_result("problem")) == (1, {"versioning"})


def test_a_public_bucket_is_a_problem(world: World) -> None:
    """Nobody archives diplomas into a bucket that everybody can read."""
    world.bucket.client.put_bucket_acl(Bucket=world.bucket.name, ACL="public-read")
    assert Examined(world)["public access"] == "problem"


@pytest.mark.parametrize(
    ("effect", "value", "result"), [("Deny", "false", "ok"), ("Deny", "true", "warning"), ("Allow", "false", "warning")]
)
def test_a_policy_that_refuses_plain_http_is_seen(world: World, effect: str, value: str, result: str) -> None:
    """The statement of deployments/bucket.yaml, and nothing that merely looks like it."""
    statement = {
        "Effect": effect,
        "Principal": "*",
        "Action": "s3:*",
        "Resource": f"arn:aws:s3:::{world.bucket.name}/*",
        "Condition": {"Bool": {"aws:SecureTransport": value}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    world.bucket.client.put_bucket_policy(Bucket=world.bucket.name, Policy=policy)
    assert Examined(world, "--no-write")["TLS only"] == result


def test_object_lock_is_shown_and_must_be_there_where_it_is_wanted(world: World, s3: LocalS3) -> None:
    """A lock that is asked for and cannot be had is a problem; one for which nobody can erase is a warning."""
    wanted = {"ARCHIVE_OBJECT_LOCK_MODE": "governance", "ARCHIVE_RETAIN_YEARS": "10"}
    assert Examined(world, "--no-write", **wanted)["Object Lock"] == "problem"
    name = f"{world.bucket.name}-locked"
    world.bucket.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    seen = Examined(world, ARCHIVE_BUCKET=name, **wanted)
    assert (seen.code, seen["Object Lock"]) == (0, "ok")
    assert "10 years (governance)" in seen.checks["Object Lock"]["seen"]
    world.bucket.client.put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 1}},
        },
    )
    assert Examined(world, "--no-write", ARCHIVE_BUCKET=name)["Object Lock"] == "warning"


@pytest.mark.parametrize(
    ("environment", "problems"),
    [
        ({"FRONTCORE_API_KEY": "wrong"}, {"API key"}),
        ({"FRONTCORE_BASE_URL": "http://127.0.0.1:9/v2"}, {"API key"}),
        ({"ARCHIVE_BUCKET": "not-there-at-all"}, {"bucket"}),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, {"bucket"}),
        ({"AWS_ENDPOINT_URL_S3": "not an address"}, {"S3 settings"}),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}, {"bucket"}),
        ({"PREFECT_API_URL": "http://127.0.0.1:9/api"}, {"Prefect"}),
        ({"PREFECT_API_URL": "nonsense"}, {"Prefect"}),
    ],
    ids=str,
)
def test_what_cannot_be_reached_is_one_problem_and_the_rest_is_looked_at(
    strict: World, environment: dict[str, str], problems: set[str]
) -> None:
    """One wrong thing hides no other: exit code 1, and all else is said too."""
    seen = Examined(strict, "--no-write", **environment)
    assert (seen.code, seen.with_result("problem")) == (1, problems)
    assert {"PDF checker", "time zone data", "temporary folder"} <= seen.with_result("ok")


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"FRONTCORE_API_KEY": ""}, ["FRONTCORE_API_KEY"]),
        ({"ARCHIVE_BUCKET": ""}, ["ARCHIVE_BUCKET"]),
        ({"FRONTCORE_API_KEY": "", "ARCHIVE_BUCKET": ""}, ["FRONTCORE_API_KEY", "ARCHIVE_BUCKET"]),
        ({"FRONTCORE_REQUESTS_PER_SECOND": "0"}, ["FRONTCORE_REQUESTS_PER_SECOND"]),
    ],
    ids=str,
)
def test_wrong_settings_are_exit_code_2_and_the_rest_is_shown(
    strict: World, environment: dict[str, str], named: list[str]
) -> None:
    """The settings are named, and what can be looked at without them is looked at."""
    seen = Examined(strict, "--no-write", **environment)
    assert seen.code == 2
    assert seen.document["kind"] == "usage"
    assert all(name in seen.document["error"] for name in named)
    assert "PDF checker" in seen.with_result("ok")
    if named == ["FRONTCORE_API_KEY"]:
        assert seen["bucket"] == "ok"
    if named == ["ARCHIVE_BUCKET"]:
        assert seen["API key"] == "ok"


def test_somebody_elses_archive_is_a_problem(strict: World) -> None:
    """Another account below this prefix is seen before a run refuses it."""
    strict.run()
    seen = Examined(strict, "--no-write", FRONTCORE_ACCOUNT="another")
    assert (seen.code, seen.with_result("problem")) == (1, {"archive"})


def test_a_damaged_archive_json_is_a_problem(strict: World) -> None:
    """Whatever lies there, it is one line."""
    strict.bucket.put("archive.json", b"\xff{")
    assert Examined(strict, "--no-write")["archive"] == "problem"


@pytest.mark.parametrize(
    "fault",
    [Page(), Page(403), Answer(500, "InternalError"), Reset(), CutAnswer(), FlipAnswer()],
    ids=lambda fault: type(fault).__name__,
)
@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE"])
def test_whatever_answers_there_is_a_table_and_no_traceback(
    strict: World, proxy: S3Proxy, fault: Any, method: str
) -> None:
    """A captive portal, a broken server or a cut line: doctor ends with a table all the same."""
    proxy.fault(fault, method=method, times=None)
    seen = Examined(strict)
    assert seen.code in (0, 1)
    assert "PDF checker" in seen.with_result("ok")


class Skewed(S3Proxy):
    """An S3 whose clock is ahead by so many seconds."""

    seconds = 0

    def _handle(self, incoming: Incoming) -> Outgoing | None:
        outgoing = super()._handle(incoming)
        if outgoing is None:
            return None
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=self.seconds), usegmt=True)
        headers = [(name, value) for name, value in outgoing.headers if name.lower() != "date"]
        return replace(outgoing, headers=[*headers, ("Date", date)])


@pytest.mark.parametrize(
    ("seconds", "result"), [(0, "ok"), (-30, "ok"), (120, "warning"), (-4000, "problem"), (4000, "problem")]
)
def test_a_skewed_clock_shows(world: World, s3: LocalS3, seconds: int, result: str) -> None:
    """S3's Date against ours: a few minutes are a warning, more is a problem."""
    with Skewed(s3.endpoint_url) as proxy:
        proxy.seconds = seconds
        seen = Examined(world, "--no-write", **proxy.environment(world.s3_environment))
    assert seen["clock against S3"] == result
    if result != "ok":
        expected = "behind" if seconds > 0 else "ahead"
        assert expected in seen.checks["clock against S3"]["seen"]


def test_a_region_that_is_not_the_buckets_is_a_warning(strict: World, s3: LocalS3) -> None:
    """The bucket says where it lies; a wrong AWS_REGION shows."""

    class InOslo(Skewed):
        def _handle(self, incoming: Incoming) -> Outgoing | None:
            outgoing = super()._handle(incoming)
            region = ("x-amz-bucket-region", "eu-north-1")
            return None if outgoing is None else replace(outgoing, headers=[*outgoing.headers, region])

    with InOslo(s3.endpoint_url) as proxy:
        seen = Examined(strict, "--no-write", **proxy.environment(strict.s3_environment))
    assert seen["region"] == "warning"
    assert seen.checks["region"]["fix"] == "Set AWS_REGION=eu-north-1"


@pytest.mark.parametrize(("rate", "result"), [("4", "ok"), ("5", "warning"), ("9", "warning"), ("0.2", "warning")])
def test_the_rate_is_judged(strict: World, rate: str, result: str) -> None:
    """All of the account's five a second leaves nothing to its other integrations."""
    assert Examined(strict, "--no-write", FRONTCORE_REQUESTS_PER_SECOND=rate)["request rate"] == result


def test_a_key_that_sees_nobody_is_a_warning(strict: World) -> None:
    """An accepted key of an empty account is most likely the wrong one."""
    strict.sandbox.participants.clear()
    assert Examined(strict, "--no-write")["API key"] == "warning"


def test_a_temporary_folder_that_cannot_be_used_shows(strict: World, tmp_path: Path) -> None:
    """TMPDIR names a folder that is not there: the system's own is used instead, and somebody should know."""
    assert Examined(strict, "--no-write", TMPDIR=str(tmp_path / "nowhere"))["temporary folder"] == "warning"


def test_the_plain_table_names_result_and_fix(strict: World) -> None:
    """Without a terminal there is a line for each check, and the fix below it."""
    done = strict.command("doctor", "--no-write", **SANE, FRONTCORE_API_KEY="wrong")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    place = lines.index("problem    API key: FrontCore does not accept the API key")
    assert lines[place + 1].startswith("           Set FRONTCORE_API_KEY")
    assert lines[-1].endswith(".")
    assert "1 problem" in lines[-1]
