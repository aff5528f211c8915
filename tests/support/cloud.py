"""What the tests of the templates share: a cloud of their own, and readers of policies and CloudFormation.

Rule: moto's state and its switch for IAM are one per process, so this cloud is a process of its own, and nobody else's.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import boto3
import cfnlint.decode.cfn_yaml
from botocore.config import Config

from diploma_archive.sandbox import Sandbox
from tests.support.paths import ROOT
from tests.support.world import Bucket, World

TEMPLATE = ROOT / "deployments" / "bucket.yaml"
POLICIES = ROOT / "deployments" / "iam"
MANUAL = ROOT / "deployments" / "README.md"

Policy = dict[str, Any]

# Ends when its stdin is closed, so that it never outlives the tests.
_SERVER = """
import sys
from diploma_archive.sandbox import LocalS3
with LocalS3() as cloud:
    print(cloud.endpoint_url, flush=True)
    sys.stdin.read()
"""
_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_NO_VALUE = object()


class Cloud:
    """S3, IAM and CloudFormation (moto) in a process of their own; once `enforce` was called, IAM counts."""

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url
        self.administrator = {
            "AWS_ENDPOINT_URL_S3": endpoint_url,
            "AWS_ACCESS_KEY_ID": "not-asked-for-yet",
            "AWS_SECRET_ACCESS_KEY": "not-asked-for-yet",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def enforce(self) -> None:
        """From now on every request is checked against the policies of its user."""
        self.administrator = self.user(_EVERYTHING)
        connection = http.client.HTTPConnection(self.endpoint_url.removeprefix("http://"), timeout=10)
        try:
            connection.request("POST", "/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"})
            assert connection.getresponse().status == 200
        finally:
            connection.close()

    def client(self, service: str, environment: Mapping[str, str] | None = None) -> Any:
        """Return a client of a service, for the administrator or for who the environment names."""
        who = self.administrator if environment is None else environment
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=who["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=who["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )

    def user(self, policy: Policy) -> dict[str, str]:
        """Return the environment of a new user who may do what the policy says."""
        iam, name = self.client("iam"), f"user-{uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {
            **self.administrator,
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }

    def world(self, sandbox: Sandbox, policy: Policy, bucket: str) -> World:
        """Return a world whose program has a policy, and whose tests look at the bucket as administrator."""
        return World(sandbox, Bucket(self.administrator, bucket), self.user(policy))


@contextmanager
def running_cloud() -> Iterator[Cloud]:
    """Start a cloud."""
    server = subprocess.Popen([sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        yield Cloud(server.stdout.readline().strip())
    finally:
        server.stdin.close()
        server.wait(timeout=20)
        server.stdout.close()


def filled(name: str, bucket: str, prefix: str = "acme/prod") -> Policy:
    """Return a policy of deployments/iam, filled in by the very command that the manual names."""
    (command,) = re.findall(r"^ *(sed .*deployments/iam/archiver\.json) > ", MANUAL.read_text(), re.MULTILINE)
    command = command.replace("archiver.json", f"{name}.json").replace("acme-diplomas", bucket)
    command = command.replace("frontcore/", f"{prefix}/" if prefix else "")
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    return dict(json.loads(done.stdout))


def allows(policy: Policy, action: str, resource: str, **context: str) -> bool:
    """Return whether IAM would allow this; conditions included, which moto ignores.

    Args:
        context: condition keys without `s3:`, with `_` for `-`: prefix, if_none_match, if_match.
    """
    given = {f"s3:{key.replace('_', '-')}": value for key, value in context.items()}
    return any(_concerns(statement, action, resource, given) for statement in policy["Statement"])


def _concerns(statement: Policy, action: str, resource: str, given: Mapping[str, str]) -> bool:
    assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
    assert statement["Effect"] == "Allow"
    return (
        any(_like(pattern, action) for pattern in as_list(statement["Action"]))
        and any(_like(pattern, resource) for pattern in as_list(statement["Resource"]))
        and all(
            _holds(operator, wanted, given.get(key))
            for operator, block in statement.get("Condition", {}).items()
            for key, wanted in block.items()
        )
    )


def _holds(operator: str, wanted: str, value: str | None) -> bool:
    if operator == "Null":
        return (value is None) == (wanted == "true")
    assert operator == "StringLike", f"teach this test the condition {operator}"
    return value is not None and _like(wanted, value)


def _like(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL) is not None


def as_list(value: Any) -> list[Any]:
    """Return a value as a list, as IAM reads it."""
    return value if isinstance(value, list) else [value]


def template() -> dict[str, Any]:
    """Return the template, with its short forms (`!Sub`) written out."""
    return dict(json.loads(json.dumps(cfnlint.decode.cfn_yaml.load(str(TEMPLATE)))))


def resolved(**parameters: Any) -> dict[str, dict[str, Any]]:
    """Return the resources that CloudFormation would make of the template, by their logical id."""
    document = template()
    values = {name: given.get("Default") for name, given in document["Parameters"].items()}
    values |= {"AWS::Partition": "aws", "AWS::NoValue": _NO_VALUE, **parameters}

    def value_of(node: Any) -> Any:
        if isinstance(node, list):
            return [value for value in map(value_of, node) if value is not _NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, argument),) = node.items()
            if name == "Ref":
                return values.get(argument, f"<{argument}>")
            if name == "Fn::Sub":
                return re.sub(r"\$\{([^}]+)}", lambda found: str(values[found[1]]), argument)
            if name == "Fn::Equals":
                return value_of(argument[0]) == value_of(argument[1])
            if name == "Fn::Not":
                return not value_of(argument[0])
            if name == "Fn::And":
                return all(map(value_of, argument))
            if name == "Condition":
                return value_of(document["Conditions"][argument])
            if name == "Fn::If":
                return value_of(argument[1 if value_of(document["Conditions"][argument[0]]) else 2])
            assert not name.startswith("Fn::"), f"teach this test {name}"
        known = {name: value_of(value) for name, value in node.items()}
        return {name: value for name, value in known.items() if value is not _NO_VALUE}

    return {
        name: value_of({key: value for key, value in resource.items() if key != "Condition"})
        for name, resource in document["Resources"].items()
        if "Condition" not in resource or value_of(document["Conditions"][resource["Condition"]])
    }
