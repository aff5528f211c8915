"""What addresses, buckets and prefixes must look like, checked before anything is asked or written.

Rule: each refusal is the end of a sentence that begins with the setting's name, and never quotes the value.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
MAX_PREFIX_BYTES = 512  # leaves room for the longest key below it: S3 allows 1,024 bytes
_BUCKET = re.compile(r"[A-Za-z0-9._-]{3,255}|arn:aws[a-z-]*:s3[a-z-]*:[a-z0-9-]*:[0-9]{12}:accesspoint[/:].{1,200}")
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:@-]+(/[!-~]*)?", re.ASCII)


def check_base_url(value: str) -> str:
    """Return a web address without outer blanks and trailing slashes.

    Raises:
        ValueError: it is none, holds more than an address, or would send the key in the clear.
    """
    url = value.strip()
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        port_is_valid = False
    if not port_is_valid or not _PLAIN_URL.fullmatch(url) or not parts.hostname:
        raise ValueError("must be a web address such as https://api.frontcore.com/v2")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must be a plain web address without a user name, '?' or '#'")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError("must begin with https://, because the API key travels with every request")
    return url.rstrip("/")


def check_hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    """Return host names with an optional port.

    Raises:
        ValueError: one of them is something else.
    """
    for entry in value:
        try:
            parts = urlsplit(f"//{entry}")
            plain = parts.netloc == entry and parts.hostname and parts.username is None and (parts.port or 1) > 0
        except ValueError:
            plain = False
        if not plain:
            raise ValueError("must be host names with an optional port, separated by commas")
        if parts.hostname not in LOOPBACK_HOSTS and is_ip_address(parts.hostname or ""):
            raise ValueError("must be host names, not IP addresses")
    return value


def check_bucket(value: str) -> str:
    """Return the name of a bucket, or the ARN of an access point.

    Raises:
        ValueError: it is neither.
    """
    if not _BUCKET.fullmatch(value.strip()):
        raise ValueError("must be the bare name of a bucket, without s3://; a folder belongs into ARCHIVE_PREFIX")
    return value.strip()


def check_prefix(value: str) -> str:
    """Return a prefix without its trailing slash.

    Raises:
        ValueError: S3 consoles or other tools would misread it.
    """
    if value.startswith("/"):
        raise ValueError("must not begin with a slash; write acme/prod, not /acme/prod")
    prefix = value.removesuffix("/")
    if "//" in prefix or prefix.endswith("/"):
        raise ValueError("must not hold a doubled slash")
    if any(part in (".", "..") for part in prefix.split("/")) or "\\" in prefix:
        raise ValueError("must not hold '.', '..' or a backslash as a folder")
    if not prefix.isprintable() or prefix != prefix.strip():
        raise ValueError("must not hold line breaks, control characters or outer blanks")
    if len(prefix.encode("utf-8", "surrogatepass")) > MAX_PREFIX_BYTES:
        raise ValueError(f"must not be longer than {MAX_PREFIX_BYTES} bytes")
    return prefix


def is_ip_address(host: str) -> bool:
    """Return whether a host is written as an IP address, not as a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
