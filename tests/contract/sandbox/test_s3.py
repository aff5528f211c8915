"""The S3 on this machine."""

from __future__ import annotations

import logging

import boto3
import pytest
from botocore.config import Config

from diploma_archive.sandbox import LocalS3


@pytest.fixture
def s3_client(monkeypatch):
    with LocalS3() as s3:
        for name, value in s3.environment().items():
            monkeypatch.setenv(name, value)
        session = boto3.Session()
        client = session.client("s3", config=Config(s3={"addressing_style": "path"}))
        yield s3, client
        client.close()


def test_boto3_finds_it_through_the_environment(s3_client):
    """A bucket made here takes and gives objects, create-only writes included."""
    s3, client = s3_client
    s3.create_bucket("diplomas")
    client.put_object(Bucket="diplomas", Key="a/b", Body=b"x", IfNoneMatch="*")
    with client.get_object(Bucket="diplomas", Key="a/b")["Body"] as body:
        assert body.read() == b"x"
    with pytest.raises(client.exceptions.ClientError, match="PreconditionFailed"):
        client.put_object(Bucket="diplomas", Key="a/b", Body=b"y", IfNoneMatch="*")


def test_it_starts_empty(s3_client):
    """A second one in the same process forgets the first one's buckets."""
    s3, client = s3_client
    s3.create_bucket("old")
    s3.reset()
    assert client.list_buckets()["Buckets"] == []
    s3.create_bucket("old")
    with LocalS3():
        assert client.list_buckets()["Buckets"] == []


def test_it_says_nothing(capfd):
    """No request line on the terminal, the log level is put back, and stopping twice is fine."""
    before = logging.getLogger("werkzeug").level
    s3 = LocalS3()
    with s3:
        s3.create_bucket("quiet")
        with pytest.raises(RuntimeError, match="runs already"):
            s3.start()
        with pytest.raises(RuntimeError, match="answered 4"):
            s3.create_bucket("x")
    s3.stop()
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("werkzeug").level == before
