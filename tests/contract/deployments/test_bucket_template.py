"""The CloudFormation template: valid, deployable, and a bucket of it is as safe as the manual says.

moto makes bucket, encryption, policies and outputs of a template, and passes over everything else without a word.
What it passes over is set through S3's own API, from what the template says with its conditions worked out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from diploma_archive.sandbox import LocalS3, Sandbox
from tests.support.cloud import MANUAL, POLICIES, TEMPLATE, Cloud, filled, resolved, running_cloud, template
from tests.support.world import PREFIX, Bucket, World

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "lockable": {"ObjectLock": "enabled"},
    "governance": {"ObjectLock": "GOVERNANCE", "ObjectLockYears": 3},
    "compliance": {"ObjectLock": "COMPLIANCE", "ObjectLockYears": 7},
    "own key and access logs": {"KmsKeyArn": KEY, "AccessLogBucket": "acme-logs"},
}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """A cloud with CloudFormation."""
    with running_cloud() as cloud:
        yield cloud


def deploy(cloud: Cloud, bucket: str, **parameters: Any) -> dict[str, str]:
    """Deploy the template and return its outputs."""
    values = {"Bucket": bucket, "Prefix": PREFIX, **parameters}
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_stack(
        StackName=bucket,
        TemplateBody=TEMPLATE.read_text(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": name, "ParameterValue": str(value)} for name, value in values.items()],
    )
    (stack,) = cloudformation.describe_stacks(StackName=bucket)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def make(s3: LocalS3, **parameters: Any) -> tuple[Bucket, dict[str, Any]]:
    """Make the bucket that the template describes through S3's API; return it, and its properties there."""
    name = f"archive-{uuid4().hex[:12]}"
    wanted = resolved(Bucket=name, Prefix=PREFIX, **parameters)["ArchiveBucket"]["Properties"]
    bucket = Bucket(s3.environment(), name)
    client = bucket.client
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=wanted.get("ObjectLockEnabled", False))
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration=wanted["VersioningConfiguration"])
    client.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=wanted["PublicAccessBlockConfiguration"])
    client.put_bucket_ownership_controls(Bucket=name, OwnershipControls=wanted["OwnershipControls"])
    if "ObjectLockConfiguration" in wanted:
        client.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=wanted["ObjectLockConfiguration"])
    return bucket, wanted


def test_cfn_lint_finds_nothing() -> None:
    """The template is valid in every region; the linter asks nothing of the network."""
    nowhere = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    lint = [sys.executable, "-c", "import sys; from cfnlint.runner import main; sys.exit(main())"]
    done = subprocess.run(
        [*lint, "--include-checks", "I", "--regions", "ALL_REGIONS", "--", str(TEMPLATE)],
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_it_deploys(cloud: Cloud, kind: str) -> None:
    """Every choice of parameters makes a stack: a bucket that is encrypted, and policies whose ARNs are given out."""
    name = f"acme-{uuid4().hex[:8]}"
    outputs = deploy(cloud, name, **KINDS[kind])
    assert (outputs["BucketName"], outputs["ArchivePrefix"]) == (name, PREFIX)
    assert outputs["BucketArn"] == f"arn:aws:s3:::{name}"
    (rule,) = cloud.client("s3").get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    wanted = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY} if "KmsKeyArn" in KINDS[kind] else None
    assert rule["ApplyServerSideEncryptionByDefault"] == (wanted or {"SSEAlgorithm": "AES256"})
    assert ("KeyPolicyArn" in outputs) == ("KmsKeyArn" in KINDS[kind])
    assert ("LockPolicyArn" in outputs) == ("ObjectLock" in KINDS[kind])


def test_the_bucket_stays_when_the_stack_goes(cloud: Cloud) -> None:
    """Nobody loses the archive by deleting or replacing a stack."""
    name = f"acme-{uuid4().hex[:8]}"
    deploy(cloud, name)
    cloud.client("s3").put_object(Bucket=name, Key=f"{PREFIX}/archive.json", Body=b"{}")
    cloud.client("cloudformation").delete_stack(StackName=name)
    assert cloud.client("s3").list_objects_v2(Bucket=name)["KeyCount"] == 1
    for resource in ("ArchiveBucket", "ArchiveBucketPolicy"):
        assert template()["Resources"][resource]["DeletionPolicy"] == "Retain"
        assert template()["Resources"][resource]["UpdateReplacePolicy"] == "Retain"


def test_the_policies_are_those_of_the_json_files(cloud: Cloud) -> None:
    """Template and JSON files give the same rights: what IAM holds after a deployment is the filled-in file."""
    name = f"acme-{uuid4().hex[:8]}"
    outputs, iam = deploy(cloud, name, KmsKeyArn=KEY, ObjectLock="enabled"), cloud.client("iam")
    given = {
        output.removesuffix("PolicyArn").lower(): iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
        for output, arn in outputs.items()
        if output.endswith("PolicyArn")
    }
    assert set(given) == {file.stem for file in POLICIES.glob("*.json")}
    for policy, version in given.items():
        file = json.loads(json.dumps(filled(policy, name)).replace("${KmsKeyArn}", KEY))
        assert version["Document"] == file, policy


@pytest.mark.parametrize("kind", KINDS)
def test_the_bucket_is_versioned_private_and_tls_only(s3: LocalS3, kind: str) -> None:
    """Whatever is chosen, the bucket keeps versions, is closed to the public, has no ACLs and refuses plain HTTP."""
    bucket, wanted = make(s3, **KINDS[kind])
    client, name = bucket.client, bucket.name
    assert client.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    blocked = client.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert len(blocked) == 4
    assert all(blocked.values())
    (rule,) = client.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"]
    assert rule == {"ObjectOwnership": "BucketOwnerEnforced"}
    # moto takes this policy, and then refuses everything: it does not see that the condition is about plain HTTP only.
    policy = resolved(Bucket=name, Prefix=PREFIX, **KINDS[kind])["ArchiveBucketPolicy"]["Properties"]
    client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy["PolicyDocument"]))
    (statement,) = json.loads(client.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert statement == {
        "Sid": "OnlyOverTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    uploads, state = wanted["LifecycleConfiguration"]["Rules"]
    assert uploads == {
        "Id": "abort-incomplete-uploads",
        "Status": "Enabled",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    # What a run noted for itself and removed; the evidence lies elsewhere, and no current version ever expires.
    assert state["Prefix"].endswith("/state/")
    assert set(state) == {"Id", "Status", "Prefix", "NoncurrentVersionExpiration", "ExpiredObjectDeleteMarker"}
    logs = {"DestinationBucketName": "acme-logs", "LogFilePrefix": f"{name}/"}
    assert wanted.get("LoggingConfiguration") == (logs if "AccessLogBucket" in KINDS[kind] else None)
    if "ObjectLock" not in KINDS[kind]:
        assert not {"ObjectLockEnabled", "ObjectLockConfiguration"} & set(wanted)


def test_without_object_lock_a_run_archives_into_it(
    s3: LocalS3, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket of the template is one that the program works with."""
    world = world_in(make(s3)[0], s3, sandbox, monkeypatch)
    assert world.counts() == {"archived": 6}
    assert world.counts() == {"unchanged": 6}


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_under_object_lock_a_run_archives_and_nothing_can_be_removed(
    s3: LocalS3, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Every version is locked for the chosen years, the cursor moves all the same, and a removal is refused."""
    bucket, wanted = make(s3, ObjectLock=mode, ObjectLockYears=7)
    assert wanted["ObjectLockEnabled"] is True  # moto does not ask for it, Amazon does
    lock = bucket.client.get_object_lock_configuration(Bucket=bucket.name)["ObjectLockConfiguration"]
    retention = lock["Rule"]["DefaultRetention"]
    assert (lock["ObjectLockEnabled"], retention["Mode"], retention["Years"]) == ("Enabled", mode, 7)
    world = world_in(bucket, s3, sandbox, monkeypatch)
    assert world.counts() == {"archived": 6}
    sandbox.reissue(12345, "2026-03-01 10:00:00", passed_note="corrected")
    sandbox.touch_participant(987654, "2027-01-01 10:00:00")
    assert world.counts() == {"archived": 1, "unchanged": 5}
    assert len(bucket.keys_below("state/cursor/")) == 2
    for row in bucket.client.list_object_versions(Bucket=bucket.name)["Versions"]:
        where = {"Bucket": bucket.name, "Key": row["Key"], "VersionId": row["VersionId"]}
        assert bucket.client.head_object(**where)["ObjectLockMode"] == mode
        with pytest.raises(ClientError, match="AccessDenied"):
            bucket.client.delete_object(**where)


def test_a_lockable_bucket_locks_what_the_setting_says_and_nothing_by_itself(
    s3: LocalS3, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `enabled` the program's own setting decides: diplomas are locked, the cursor and the receipts are not."""
    bucket, wanted = make(s3, ObjectLock="enabled")
    assert wanted["ObjectLockEnabled"] is True
    assert "ObjectLockConfiguration" not in wanted
    world = world_in(bucket, s3, sandbox, monkeypatch)
    world.settings.update(object_lock_mode="governance", retain_years=2)
    assert world.counts() == {"archived": 6}
    heads = {key: bucket.client.head_object(Bucket=bucket.name, Key=f"{PREFIX}/{key}") for key in bucket.keys_below()}
    locked = {key for key, head in heads.items() if "ObjectLockMode" in head}
    assert locked == {key for key in heads if key.startswith(("diplomas/", "certificates/"))}


def test_the_template_refuses_prefixes_that_would_widen_the_policies() -> None:
    """A wildcard or a placeholder in bucket or prefix would open more than one archive: patterns keep them out."""
    parameters = template()["Parameters"]
    for name, good, bad in (
        ("Prefix", ("frontcore", "acme/prod", "a_b-c.d"), ("", "*", "a*", "a?", "${aws:username}", "a/", "/a", "a//b")),
        ("Bucket", ("acme-diplomas",), ("", "*", "acme*", "Acme", "acme/a", "-acme")),
    ):
        pattern = re.compile(parameters[name]["AllowedPattern"])
        assert all(pattern.fullmatch(value) for value in good)
        assert not any(pattern.fullmatch(value) for value in bad)


def test_the_manual_names_every_parameter() -> None:
    """An operator finds each choice of the template in deployments/README.md."""
    manual = MANUAL.read_text()
    assert [name for name in template()["Parameters"] if f"`{name}" not in manual and f"{name}=" not in manual] == []
    assert [file.name for file in POLICIES.glob("*.json") if f"`{file.name}`" not in manual] == []


def world_in(bucket: Bucket, s3: LocalS3, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return the small school and this bucket."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    return World(sandbox, bucket, s3.environment())
