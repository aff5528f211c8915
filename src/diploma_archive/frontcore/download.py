"""Takes one download off the wire: hashed while it streams, capped, spooled, never doubled in memory.

Rule: what is known to be cut off does not come out of here; what came, `pdf/` judges (DESIGN.md section 7).
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from dataclasses import dataclass
from typing import BinaryIO, cast

import httpx

from diploma_archive.errors import LinkRefusedError, UnusableFileError

SPOOL_BYTES = 1_000_000  # what stays in memory; larger downloads go to an unnamed temporary file
REFUSED_STATUSES = frozenset({401, 403, 404, 410})
SLOWEST_BYTES_PER_SECOND = 1_000  # slower than this over the first seconds is a drip, not a download
GRACE_SECONDS = 15.0


@dataclass(frozen=True)
class Download:
    """What came: an open file at its start, hex digests, size in bytes. Close it after use.

    Attributes:
        whole: the transfer says so itself: as many bytes as were announced, or the last chunk of a chunked body.
        media_type: what it was labelled as, in lower case and without parameters.
    """

    file: BinaryIO
    sha256: str
    md5: str
    size: int
    whole: bool
    media_type: str

    def close(self) -> None:
        """Let go of the bytes."""
        self.file.close()


async def read_download(response: httpx.Response, max_bytes: int) -> Download:
    """Return the body of an answer to a download link.

    Raises:
        LinkRefusedError: the link is dead (401, 403, 404, 410).
        UnusableFileError: not 200, encoded, too large, too slow or cut off.
    """
    if response.status_code in REFUSED_STATUSES:
        raise LinkRefusedError(f"FrontCore refuses the download link (status {response.status_code})")
    if response.status_code != 200:
        raise UnusableFileError(f"the download was answered with status {response.status_code}")
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        raise UnusableFileError("the download came in a compressed form that was not asked for")
    announced = _announced_bytes(response)
    if announced is not None and announced > max_bytes:
        raise UnusableFileError(f"the download is larger than ARCHIVE_MAX_PDF_BYTES ({max_bytes} bytes)")
    # Closed by whoever gets the Download; here only when it does not come to that.
    file = cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES))  # noqa: SIM115
    try:
        return await _spool(response, file, max_bytes, announced, media_type)
    except BaseException:
        file.close()
        raise


async def _spool(
    response: httpx.Response, file: BinaryIO, max_bytes: int, announced: int | None, media_type: str
) -> Download:
    loop = asyncio.get_running_loop()
    sha256, md5, size, started = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0, loop.time()
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > max_bytes:
            raise UnusableFileError(f"the download is larger than ARCHIVE_MAX_PDF_BYTES ({max_bytes} bytes)")
        sha256.update(chunk)
        md5.update(chunk)
        try:
            file.write(chunk)
        except OSError as error:
            raise UnusableFileError(
                f"the download could not be kept ({error.strerror or 'no space'})",
                fix="Make room in the temporary folder (TMPDIR)",
            ) from None
        seconds = loop.time() - started
        if seconds > GRACE_SECONDS and size < SLOWEST_BYTES_PER_SECOND * seconds:
            raise UnusableFileError("the download is too slow to be real")
    if announced is not None and size != announced:
        raise UnusableFileError(f"the download is cut off ({size} of {announced} bytes)")
    file.seek(0)
    # A body that is neither announced nor chunked ends where the connection does, wherever that was.
    chunked = response.headers.get("Transfer-Encoding", "").lower().endswith("chunked")
    return Download(
        file, sha256.hexdigest(), md5.hexdigest(), size, whole=announced is not None or chunked, media_type=media_type
    )


def _announced_bytes(response: httpx.Response) -> int | None:
    text = response.headers.get("Content-Length", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
