"""What addresses, buckets and prefixes must look like, checked before anything is asked or written.

Rule: each refusal is the end of a sentence that begins with the setting's name, and never quotes the value.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from pydantic import SecretStr

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
MIN_SUPPRESSION_KEY = 32  # characters
MAKE_SUPPRESSION_KEY = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'
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


def check_suppression_key(value: SecretStr | None) -> SecretStr | None:
    """Return the secret that suppression marks are made with, or None where it is blank.

    Raises:
        ValueError: it is so short that the persons behind the marks could be guessed.
    """
    key = value.get_secret_value().strip() if value is not None else ""
    if key and len(key) < MIN_SUPPRESSION_KEY:
        raise ValueError(f"must have at least {MIN_SUPPRESSION_KEY} characters; make one with {MAKE_SUPPRESSION_KEY}")
    return SecretStr(key) if key else None


def check_timestamp_url(value: str | None) -> str | None:
    """Return the address of a time-stamping service, or None where it is blank.

    Raises:
        ValueError: it is no web address. Most services speak plain http: what is sent is a hash, what comes is signed.
    """
    url = (value or "").strip()
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password):
        raise ValueError("must be a web address such as http://timestamp.example.org, without a password")
    return url or None


def check_lock_mode(value: str | None) -> str | None:
    """Return `governance` or `compliance`, or None where it is blank or `none`.

    Raises:
        ValueError: it is something else; guessing would leave files unlocked.
    """
    mode = (value or "").strip().lower()
    if mode not in ("", "none", "governance", "compliance"):
        raise ValueError("must be governance or compliance, or left out")
    return mode if mode not in ("", "none") else None


def check_retain_years(value: int | None) -> int | None:
    """Return for how many years files are locked.

    Raises:
        ValueError: S3 does not take it.
    """
    if value is not None and not 1 <= value <= 100:
        raise ValueError("must be a whole number of years from 1 to 100")
    return value


def check_object_lock(mode: str | None, retain_years: int | None, compliance_confirmed: str) -> None:
    """Check that the settings of Object Lock go together.

    Raises:
        ValueError: one is missing; the text begins with its field.
    """
    if mode is not None and retain_years is None:
        raise ValueError("retain_years: is missing; ARCHIVE_OBJECT_LOCK_MODE needs the number of years")
    if mode is None and retain_years is not None:
        raise ValueError("object_lock_mode: is missing; without it ARCHIVE_RETAIN_YEARS locks nothing")
    if mode == "compliance" and compliance_confirmed.strip().lower() != "yes":
        raise ValueError(
            "object_lock_compliance_confirmed: must be yes for compliance mode, in which nobody, not even the "
            "account's root, can erase a diploma before ARCHIVE_RETAIN_YEARS are over; governance is the usual mode"
        )


def is_ip_address(host: str) -> bool:
    """Return whether a host is written as an IP address, not as a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
