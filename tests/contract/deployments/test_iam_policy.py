"""The policies of deployments/iam: enough for what the program does, and nothing beyond it.

moto looks at actions and resources, but not at these conditions (`s3:prefix`, `s3:if-none-match`): it
lets them all pass. What the conditions do is therefore worked out from the JSON, for every request that a run makes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from diploma_archive.archive import open_archive
from diploma_archive.listing.selection import Scope, Selection
from diploma_archive.model.cursor import KEPT
from diploma_archive.sandbox import Sandbox
from diploma_archive.store.create_only import RUN_PROBE
from diploma_archive.sync.resume import selection_digest
from tests.support.cloud import POLICIES, Cloud, Policy, allows, as_list, filled, running_cloud
from tests.support.world import PREFIX, World

Request = tuple[str, str, dict[str, str]]  # action, resource, condition keys

REFUSED: dict[str, Callable[[Any, str, str, str], Any]] = {
    "delete an object": lambda s3, bucket, key, _: s3.delete_object(Bucket=bucket, Key=key),
    "delete many objects": lambda s3, bucket, key, _: s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": key}]}
    ),
    "delete a version": lambda s3, bucket, key, version: s3.delete_object(Bucket=bucket, Key=key, VersionId=version),
    "read an older version": lambda s3, bucket, key, version: s3.get_object(Bucket=bucket, Key=key, VersionId=version),
    "list versions": lambda s3, bucket, *_: s3.list_object_versions(Bucket=bucket, Prefix=f"{PREFIX}/"),
    "write beside the prefix": lambda s3, bucket, *_: s3.put_object(Bucket=bucket, Key="other/a", Body=b"a"),
    "write into a sibling": lambda s3, bucket, *_: s3.put_object(Bucket=bucket, Key=f"{PREFIX}-2/a", Body=b"a"),
    "read beside the prefix": lambda s3, bucket, *_: s3.get_object(Bucket=bucket, Key="other/there"),
    "list another bucket": lambda s3, bucket, *_: s3.list_objects_v2(Bucket=f"{bucket}-other", Prefix=f"{PREFIX}/"),
    "list all buckets": lambda s3, *_: s3.list_buckets(),
    "make it public": lambda s3, bucket, *_: s3.put_bucket_policy(Bucket=bucket, Policy="{}"),
    "switch versioning off": lambda s3, bucket, *_: s3.put_bucket_versioning(
        Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
    ),
    "let objects expire": lambda s3, bucket, *_: s3.put_bucket_lifecycle_configuration(
        Bucket=bucket,
        LifecycleConfiguration={"Rules": [{"Status": "Enabled", "Prefix": "", "Expiration": {"Days": 1}}]},
    ),
    "change an ACL": lambda s3, bucket, key, _: s3.put_object_acl(Bucket=bucket, Key=key, ACL="public-read"),
    "delete the bucket": lambda s3, bucket, *_: s3.delete_bucket(Bucket=bucket),
}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """A cloud that checks every request against its user's policies."""
    with running_cloud() as cloud:
        cloud.enforce()
        yield cloud


@pytest.fixture
def bucket(cloud: Cloud) -> str:
    """A versioned bucket, another one beside it, and an object that is not the archive's."""
    name, s3 = f"archive-{uuid4().hex[:12]}", cloud.client("s3")
    for each in (name, f"{name}-other"):
        s3.create_bucket(Bucket=each)
        s3.put_bucket_versioning(Bucket=each, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=name, Key="other/there", Body=b"somebody else's")
    return name


def sync(world: World, *options: str) -> tuple[int, dict[str, Any], str]:
    """Run the real command with the credentials of the world; return exit code, counts and stderr."""
    done = world.command("sync", "--all", "--json", *options)
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def without(policy: Policy, action: str) -> Policy:
    """Return a policy without the statements that give an action."""
    kept = [statement for statement in policy["Statement"] if action not in as_list(statement["Action"])]
    assert len(kept) < len(policy["Statement"])
    return {**policy, "Statement": kept}


def is_refused(call: Callable[[], Any]) -> bool:
    """Return whether S3 denies a call (deleting many answers 200, and denies each)."""
    try:
        answer = call()
    except ClientError as error:
        return error.response["Error"]["Code"] == "AccessDenied"
    return bool(answer.get("Errors")) and all(row["Code"] == "AccessDenied" for row in answer["Errors"])


def test_the_archiver_can_do_everything_with_its_policy(cloud: Cloud, bucket: str, sandbox: Sandbox) -> None:
    """A first run archives all and writes the cursor, a second finds all unchanged, --force reads everything again."""
    world = cloud.world(sandbox, filled("archiver", bucket), bucket)
    code, counts, stderr = sync(world)
    assert (code, counts["archived"], counts["failures"]) == (0, 6, []), stderr
    assert (world.bucket.cursor() or {})["updated_at"]
    for options in ((), ("--force",)):
        code, counts, stderr = sync(world, *options)
        assert (code, counts["unchanged"], counts["archived"]) == (0, 6, 0), stderr


def left_checkpoint() -> str:
    """Return a key that a full pass removes when it ends well."""
    return f"state/checkpoints/{selection_digest(Selection(Scope.FULL), force=False)}/{'0' * 32}-000001.json"


def test_the_archiver_can_remove_a_checkpoint_with_its_policy(cloud: Cloud, bucket: str, sandbox: Sandbox) -> None:
    """A run that goes on where another was cut off clears up after it; nothing else can be removed, by any version."""
    policy = filled("archiver", bucket)
    world = cloud.world(sandbox, policy, bucket)
    left = left_checkpoint()
    world.bucket.put(left, b"{}")
    for day in range(1, KEPT + 3):
        sandbox.touch_participant(987654, f"2026-03-0{day} 10:00:00")
        code, _, stderr = sync(world)
        assert (code, world.bucket.keys_below("state/checkpoints/")) == (0, []), stderr
        assert "removed" not in stderr
    assert len(world.bucket.keys_below("state/cursor/")) == KEPT
    assert world.bucket.keys_below("state/probe/") == []
    for key in ("archive.json", "diplomas/s-1/c-1/a.json", "certificates/c-1/a.json", "state/cursor.json", "runs/a"):
        assert not allows(policy, "s3:DeleteObject", f"arn:aws:s3:::{bucket}/{PREFIX}/{key}")
    assert not allows(policy, "s3:DeleteObjectVersion", f"arn:aws:s3:::{bucket}/{PREFIX}/{left}")


def of_version_0_1(bucket: str) -> Policy:
    """Return the archiver's policy as operators of version 0.1 have it."""
    policy = filled("archiver", bucket)
    below = f"arn:aws:s3:::{bucket}/{PREFIX}/state"
    *kept, remove = policy["Statement"]
    assert remove["Action"] == "s3:DeleteObject"
    return {**policy, "Statement": [*kept, {**remove, "Resource": f"{below}/checkpoints/*"}]}


def test_with_the_policy_of_before_a_run_goes_on_and_says_what_it_could_not_remove(
    cloud: Cloud, bucket: str, sandbox: Sandbox
) -> None:
    """Old cursors stay, that is said once a run, and doctor names the line that the policy lacks; all else is well."""
    world = cloud.world(sandbox, of_version_0_1(bucket), bucket)
    said = []
    for day in range(1, KEPT + 4):
        sandbox.touch_participant(987654, f"2026-03-0{day} 10:00:00")
        code, counts, stderr = sync(world)
        assert (code, counts["failures"]) == (0, []), stderr
        said.append(stderr.count("old cursors could not be removed"))
    assert said == [0] * KEPT + [1] * 3
    assert len(world.bucket.keys_below("state/cursor/")) == KEPT + 3
    assert world.bucket.keys_below("state/probe/") == [RUN_PROBE]
    assert world.bucket.versions()[RUN_PROBE] == world.bucket.versions()["archive.json"] == 1
    seen = json.loads(world.command("doctor", "--no-write", "--json").stdout)
    (cursors,) = [check for check in seen["checks"] if check["name"] == "cursors"]
    assert cursors["result"] == "warning"
    assert "state/cursor/*" in cursors["fix"]


def test_the_archiver_can_name_a_damaged_file_with_its_policy(cloud: Cloud, bucket: str, sandbox: Sandbox) -> None:
    """A file that was altered behind the program's back is compared and named, not hidden behind a refusal of S3."""
    world = cloud.world(sandbox, filled("archiver", bucket), bucket)
    assert sync(world)[0] == 0
    (entry,) = [key for key in world.bucket.keys_below("certificates/") if "/12345." in key]
    pdf = world.bucket.document(entry)["file"]
    world.bucket.put(pdf, b"x" * len(world.bucket.body(pdf)))
    world.bucket.client.delete_object(Bucket=bucket, Key=f"{PREFIX}/{entry}")
    code, counts, stderr = sync(world)
    assert (code, counts["unchanged"], counts["failed"]) == (1, 5, 1), stderr
    assert "the bucket holds other bytes" in counts["failures"][0]["error"]


@pytest.mark.parametrize("what", REFUSED)
def test_a_thief_of_the_archivers_credentials_is_refused(cloud: Cloud, bucket: str, what: str) -> None:
    """The archiver's credentials can neither delete nor reach beyond the prefix nor change the bucket."""
    thief = cloud.client("s3", cloud.user(filled("archiver", bucket)))
    key = f"{PREFIX}/certificates/c-1/1.json"
    version = thief.put_object(Bucket=bucket, Key=key, Body=b"{}", IfNoneMatch="*")["VersionId"]
    assert is_refused(lambda: REFUSED[what](thief, bucket, key, version))
    # The call itself is one that S3 would carry out: for the administrator it is not "access denied".
    try:
        REFUSED[what](cloud.client("s3"), bucket, key, version)
    except ClientError as error:
        assert error.response["Error"]["Code"] != "AccessDenied"


@pytest.mark.parametrize("action", ["s3:ListBucket", "s3:GetObject", "s3:PutObject"])
def test_a_missing_right_stops_the_run_and_is_named(cloud: Cloud, bucket: str, sandbox: Sandbox, action: str) -> None:
    """Without any one of the rights a run is fatal, archives nothing, and says in one sentence what to give."""
    world = cloud.world(sandbox, without(filled("archiver", bucket), action), bucket)
    code, answer, stderr = sync(world)
    assert (code, answer["kind"], answer.get("archived", 0)) == (3, "fatal", 0)
    (sentence,) = stderr.strip().splitlines()
    for word in ("S3 refuses", bucket, action, "deployments/README.md"):
        assert word in sentence
    assert world.bucket.keys_below("diplomas/") + world.bucket.keys_below("certificates/") == []


@pytest.mark.parametrize("action", ["s3:ListBucket", "s3:GetObject", "s3:PutObject"])
def test_a_right_that_is_taken_away_later_is_never_green(
    cloud: Cloud, bucket: str, sandbox: Sandbox, action: str
) -> None:
    """A run over an archive that exists is fatal too when a right is gone, also where nothing is new."""
    policy = filled("archiver", bucket)
    assert sync(cloud.world(sandbox, policy, bucket))[0] == 0
    code, answer, stderr = sync(cloud.world(sandbox, without(policy, action), bucket))
    assert (code, answer["kind"], answer.get("archived", 0)) == (3, "fatal", 0)
    assert action in stderr


def test_the_reader_can_only_read(cloud: Cloud, bucket: str) -> None:
    """Who looks things up can list and read the archive, and change nothing."""
    key = f"{PREFIX}/archive.json"
    cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=b"{}")
    reader = cloud.client("s3", cloud.user(filled("reader", bucket)))
    assert reader.get_object(Bucket=bucket, Key=key)["Body"].read() == b"{}"
    assert reader.list_objects_v2(Bucket=bucket, Prefix=f"{PREFIX}/")["KeyCount"] == 1
    assert is_refused(lambda: reader.put_object(Bucket=bucket, Key=f"{PREFIX}/new", Body=b""))
    assert is_refused(lambda: reader.delete_object(Bucket=bucket, Key=key))


def test_the_eraser_can_remove_every_version_and_replace_nothing(cloud: Cloud, bucket: str) -> None:
    """Erasure removes a file for good, only below the prefix, and cannot put anything in its place."""
    key, s3 = f"{PREFIX}/diplomas/s-1/c-1/a.pdf", cloud.client("s3")
    for body in (b"first", b"second"):
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    eraser = cloud.client("s3", cloud.user(filled("eraser", bucket)))
    rows = eraser.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
    assert len(rows) == 2
    for row in rows:
        eraser.get_object(Bucket=bucket, Key=key, VersionId=row["VersionId"])["Body"].read()
        eraser.delete_object(Bucket=bucket, Key=key, VersionId=row["VersionId"])
    assert "Versions" not in s3.list_object_versions(Bucket=bucket, Prefix=key)
    assert is_refused(lambda: eraser.put_object(Bucket=bucket, Key=key, Body=b"third"))
    assert is_refused(lambda: eraser.delete_object(Bucket=bucket, Key="other/there"))


def test_erase_needs_no_more_than_its_policy(cloud: Cloud, bucket: str, sandbox: Sandbox) -> None:
    """A whole erasure, with receipt and mark, runs with the eraser's policy; the archiver's own is refused."""
    world = cloud.world(sandbox, filled("archiver", bucket), bucket)
    assert sync(world)[0] == 0
    secret = {"ARCHIVE_SUPPRESSION_KEY": "a-suppression-key-of-enough-characters"}

    def erase(who: dict[str, str]) -> Any:
        credentials = {f"ERASURE_{name}": who[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        return world.command("erase", "--certificate", "ABC123456", "--confirm", "--json", **credentials, **secret)

    before = world.bucket.keys_below()
    done = erase(cloud.user(filled("archiver", bucket)))
    assert done.returncode == 3, done.stdout
    assert "eraser.json" in done.stderr
    assert world.bucket.keys_below() == before
    done = erase(cloud.user(filled("eraser", bucket)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["complete"] is True
    assert not [key for key in world.bucket.keys_below() if "ABC123456" in key]
    assert world.bucket.keys_below("suppressed/")


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Every request to S3 that runs in this process make, as IAM sees it."""
    seen: list[Request] = []

    def note(model: Any, params: dict[str, Any], **_: Any) -> None:
        bucket, _, key = unquote(urlsplit(params["url"]).path).lstrip("/").partition("/")
        headers = params["headers"]
        given = {name.replace("-", "_").lower(): headers[name] for name in ("If-None-Match",) if name in headers}
        if model.name == "ListObjectsV2":
            seen.append(("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"prefix": params["query_string"]["prefix"]}))
            return
        action = "s3:GetObject" if model.name == "HeadObject" else f"s3:{model.name}"
        seen.append((action, f"arn:aws:s3:::{bucket}/{key}", given))
        if action == "s3:GetObject":
            # Only who may list the key itself is told 404 of a key that is missing; the others are told 403.
            seen.append(("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"prefix": key}))

    build = open_archive.build_clients

    def watched(*arguments: Any) -> Any:
        clients = build(*arguments)
        for client in clients:
            client.meta.events.register("before-call.s3", note)
        return clients

    monkeypatch.setattr(open_archive, "build_clients", watched)
    # The short way asks nothing that boto3 does not ask without it.
    monkeypatch.setattr(open_archive, "build_fast_path", lambda *_: None)
    return seen


def test_the_conditions_let_every_request_of_the_program_pass(world: World, requests: list[Request]) -> None:
    """Whatever a run asks of S3 is allowed with the conditions counted, and each statement is needed for some of it."""
    world.bucket.put(left_checkpoint(), b"{}")
    assert world.counts() == {"archived": 6}
    assert world.counts() == {"unchanged": 6}
    assert world.counts(force=True) == {"unchanged": 6}
    world.sandbox.touch_participant(987654, "2027-01-01 10:00:00")
    assert world.counts() == {"unchanged": 6}
    policy = filled("archiver", world.bucket.name)
    assert {action for action, _, _ in requests} == {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"}
    assert [request for request in requests if not allows(policy, *request[:2], **request[2])] == []
    for statement in policy["Statement"]:
        less = {**policy, "Statement": [other for other in policy["Statement"] if other is not statement]}
        assert not all(allows(less, *request[:2], **request[2]) for request in requests), statement["Sid"]


def test_the_conditions_refuse_overwriting_and_looking_around() -> None:
    """What moto does not check: no PUT without its condition, no LIST outside the prefix, no overwriting of records."""
    policy, bucket = filled("archiver", "acme"), "arn:aws:s3:::acme"
    record, cursor = f"{bucket}/{PREFIX}/diplomas/s-1/c-1/a.json", f"{bucket}/{PREFIX}/state/cursor/0000000001-r.json"
    for key in (record, cursor):
        assert allows(policy, "s3:PutObject", key, if_none_match="*")
        assert not allows(policy, "s3:PutObject", key)
    assert allows(policy, "s3:ListBucket", bucket, prefix=f"{PREFIX}/certificates/")
    for prefix in ({}, {"prefix": ""}, {"prefix": "acme"}, {"prefix": PREFIX}, {"prefix": f"{PREFIX}-2/"}):
        assert not allows(policy, "s3:ListBucket", bucket, **prefix)


def test_the_eraser_writes_receipts_and_marks_and_nothing_else() -> None:
    """What moto does not check: PutObject reaches erasures/ and suppressed/ only, and only to create."""
    policy, bucket = filled("eraser", "acme"), f"arn:aws:s3:::acme/{PREFIX}"
    for folder in ("erasures", "suppressed"):
        assert allows(policy, "s3:PutObject", f"{bucket}/{folder}/a.json", if_none_match="*")
        assert not allows(policy, "s3:PutObject", f"{bucket}/{folder}/a.json")
    for key in ("archive.json", "diplomas/s-1/c-1/a.json", "state/cursor.json", "runs/a.json"):
        assert not allows(policy, "s3:PutObject", f"{bucket}/{key}", if_none_match="*")


def test_the_policies_give_these_actions_and_no_others() -> None:
    """The lists of rights are short enough to be read here: no wildcard, no bucket settings, no way round a lock."""
    given = {
        file.stem: {
            action for statement in json.loads(file.read_text())["Statement"] for action in as_list(statement["Action"])
        }
        for file in POLICIES.glob("*.json")
    }
    read = {"s3:ListBucket", "s3:GetObject"}
    locks = {"s3:GetObjectRetention", "s3:GetObjectLegalHold"}
    versions = {"s3:ListBucketVersions", "s3:GetObjectVersion"}
    assert given == {
        "archiver": {*read, "s3:PutObject", "s3:DeleteObject"},
        "reader": read,
        "eraser": {*read, *versions, *locks, "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"},
        "lock": {"s3:GetBucketObjectLockConfiguration", "s3:PutObjectRetention"},
        "key": {"kms:GenerateDataKey", "kms:Decrypt"},
    }


@pytest.mark.parametrize("name", ["archiver", "reader", "eraser"])
def test_a_policy_that_was_not_filled_in_gives_nothing(name: str) -> None:
    """Who forgets a placeholder gets a refusal, never more than was meant; without a prefix it is the bucket's rest."""
    raw = json.loads((POLICIES / f"{name}.json").read_text())
    for action in {action for statement in raw["Statement"] for action in as_list(statement["Action"])}:
        assert not allows(raw, action, "arn:aws:s3:::acme", prefix=f"{PREFIX}/")
        assert not allows(raw, action, f"arn:aws:s3:::acme/{PREFIX}/archive.json", if_none_match="*")
    bare = filled(name, "acme", prefix="")
    assert allows(bare, "s3:GetObject", "arn:aws:s3:::acme/archive.json")
    assert allows(bare, "s3:ListBucket", "arn:aws:s3:::acme", prefix="certificates/c-1/")
    assert "$" not in json.dumps(bare)
