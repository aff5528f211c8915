"""What `rclone serve s3` does and does not do; the program's behaviour towards it rests on these facts.

Rule: nothing of the program is used here. A new rclone that turns one of these red has changed what we rely on.
"""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from tests.support.rclone import RcloneS3
from tests.support.world import Bucket

OTHER_SHA256 = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
OTHER_MD5 = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()


@pytest.fixture(scope="module")
def bucket(rclone: RcloneS3) -> Bucket:
    """A bucket of rclone's."""
    name = f"facts-{uuid4().hex[:12]}"
    rclone.create_bucket(name)
    return Bucket(rclone.environment(), name, "p")


def test_conditions_are_ignored(bucket: Bucket) -> None:
    """Create-only and replace-if overwrite whatever there is."""
    place = {"Bucket": bucket.name, "Key": "p/conditions"}
    for condition in ({}, {"IfNoneMatch": "*"}, {"IfMatch": '"0123456789abcdef0123456789abcdef"'}):
        body = repr(condition).encode()
        bucket.client.put_object(**place, Body=body, **condition)
        assert bucket.body("conditions") == body


def test_a_checksum_is_echoed_and_never_examined(bucket: Bucket) -> None:
    """A HEAD gives back the SHA-256 that was claimed, a PUT none; the ETag is the MD5 of what was stored."""
    place = {"Bucket": bucket.name, "Key": "p/checksum"}
    answer = bucket.client.put_object(
        **place, Body=b"one", ChecksumAlgorithm="SHA256", ChecksumSHA256=OTHER_SHA256, IfNoneMatch="*"
    )
    assert "ChecksumSHA256" not in answer
    assert answer["ETag"] == f'"{hashlib.md5(b"one", usedforsecurity=False).hexdigest()}"'
    head = bucket.client.head_object(**place, ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == OTHER_SHA256
    assert head["ETag"] == answer["ETag"]


def test_content_md5_is_examined(bucket: Bucket) -> None:
    """The one digest that rclone checks is the old one; nothing is stored where it does not match."""
    with pytest.raises(ClientError) as caught:
        bucket.client.put_object(Bucket=bucket.name, Key="p/md5", Body=b"one", ContentMD5=OTHER_MD5)
    assert caught.value.response["Error"]["Code"] == "BadDigest"
    assert "md5" not in bucket.keys_below()


def test_there_are_no_versions(bucket: Bucket) -> None:
    """Versioning cannot be switched on."""
    with pytest.raises(ClientError) as caught:
        bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    assert caught.value.response["Error"]["Code"] == "NotImplemented"


def test_a_wrong_key_is_refused(rclone: RcloneS3, bucket: Bucket) -> None:
    """Signatures are checked, so that what is signed matters in the tests as it does on S3."""
    stranger = Bucket({**rclone.environment(), "AWS_SECRET_ACCESS_KEY": "wrong"}, bucket.name, "p")
    try:
        with pytest.raises(ClientError) as caught:
            stranger.keys_below()
        assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
    finally:
        stranger.client.close()


def test_damage_in_the_folder_is_served_as_it_is(rclone: RcloneS3, bucket: Bucket) -> None:
    """A test can damage an object at rest by its file, its size unchanged, and reads see it at once."""
    bucket.put("damaged", b"hello")
    (rclone.root / bucket.name / "p" / "damaged").write_bytes(b"jello")
    assert bucket.body("damaged") == b"jello"


def test_it_stops_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Process and folder are gone afterwards, and no configuration of the user's was read or written."""
    config = tmp_path / "rclone.conf"
    config.write_text("[broken\n")
    monkeypatch.setenv("RCLONE_CONFIG", str(config))
    monkeypatch.setenv("RCLONE_READ_ONLY", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with RcloneS3() as server:
        server.create_bucket("bucket")
        assert server.environment()["AWS_ENDPOINT_URL_S3"] == server.endpoint_url
        root, pid = server.root, server.pid
        os.kill(pid, 0)
        assert (root / "bucket").is_dir()
    assert not root.parent.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert [one.name for one in tmp_path.iterdir()] == ["rclone.conf"]
