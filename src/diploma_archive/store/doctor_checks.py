"""What `doctor` asks of the bucket: reached, and how it is set up. Nothing in here writes.

Rule: a question that the credentials may not ask is a warning, never an answer: the archiver's policy grants none of
these (deployments/iam/archiver.json).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from diploma_archive.errors import StoreError
from diploma_archive.model.doctor_check import Check, clock_check, from_error, not_asked, ok, problem, warning
from diploma_archive.settings.checks import LOOPBACK_HOSTS
from diploma_archive.store.reader import Reader
from diploma_archive.store.s3_client import build_clients
from diploma_archive.store.s3_errors import error_code, status_code, store_error
from diploma_archive.store.write_probe import probe_checks

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from diploma_archive.settings.archive import ArchiveSettings, S3Access

Answer = dict[str, Any]
_TEMPLATE = "deployments/bucket.yaml sets up a bucket with all of this"
_UNKNOWN_CODES = frozenset({"NotImplemented", "MethodNotAllowed", "NotSupported", "InternalError"})
_PUBLIC_SWITCHES = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def bucket_checks(
    where: ArchiveSettings, access: S3Access, *, write: bool, look_inside: Callable[[Reader], Iterator[Check]]
) -> Iterator[Check]:
    """Yield what is to be said of the bucket; a bucket that cannot be reached is the last thing said.

    Args:
        write: whether to try out writing, with probe objects.
        look_inside: says what lies in the bucket that can be listed.
    """
    try:
        impatient, client = build_clients(1, where.bucket, access)
    except StoreError as error:
        yield from_error("S3 settings", error)
        return
    try:
        yield _endpoint(client)
        headers: dict[str, str] = {}
        impatient.meta.events.register(
            "after-call.s3", lambda http_response, **_: headers.update(http_response.headers)
        )
        reader = Reader(impatient, where.bucket, where.prefix)
        try:
            list(reader.list("", at_most=1))
        except StoreError as error:
            yield from_error("bucket", error)
            return
        yield ok("bucket", f"{where.bucket} can be listed")
        heard = {name.lower(): value for name, value in headers.items()}
        yield clock_check("S3", heard.get("date"), datetime.now(UTC))
        yield _region(client.meta.region_name, heard.get("x-amz-bucket-region"))
        yield from look_inside(reader)
        yield from _settings_of_bucket(client, where)
        if write:
            yield from probe_checks(client, where.bucket, f"{where.prefix}/" if where.prefix else "")
        else:
            yield not_asked("writing", "no probe object is written under --no-write")
    finally:
        impatient.close()
        client.close()


def _endpoint(client: S3Client) -> Check:
    parts = urlsplit(client.meta.endpoint_url)
    by_path = (getattr(client.meta.config, "s3", None) or {}).get("addressing_style") == "path"
    style = "the bucket in the path" if by_path else "the bucket in the host's name"
    if parts.scheme == "https":
        return ok("S3 endpoint", f"{parts.hostname}, {style}")
    if parts.hostname in LOOPBACK_HOSTS:
        return ok("S3 endpoint", f"this machine, without TLS, {style}")
    fix = "Use an endpoint that begins with https:// (AWS_ENDPOINT_URL_S3)"
    return warning("S3 endpoint", f"{parts.hostname} without TLS: diplomas would travel in the clear", fix)


def _region(ours: str, theirs: str | None) -> Check:
    if theirs is None:
        return not_asked("region", f"{ours} is set; the server does not say where the bucket lies")
    if theirs != ours:
        seen = f"the bucket lies in {theirs}, and {ours} is set: requests take a detour, and links may not work"
        return warning("region", seen, f"Set AWS_REGION={theirs}")
    return ok("region", ours)


def _settings_of_bucket(client: S3Client, where: ArchiveSettings) -> Iterator[Check]:
    bucket = where.bucket
    yield _asked("versioning", lambda: client.get_bucket_versioning(Bucket=bucket), _versioning)
    yield _asked("encryption", lambda: client.get_bucket_encryption(Bucket=bucket), _encryption)
    yield _asked(
        "public access",
        lambda: client.get_public_access_block(Bucket=bucket),
        lambda answer: _public_access(answer, client, bucket),
    )
    yield _asked("TLS only", lambda: client.get_bucket_policy(Bucket=bucket), _tls_only)
    yield _asked(
        "Object Lock",
        lambda: client.get_object_lock_configuration(Bucket=bucket),
        lambda answer: _object_lock(answer, where),
    )


def _asked(name: str, ask: Callable[[], Any], read: Callable[[Answer], Check]) -> Check:
    """Return what the answer says; `read` gets an empty one where S3 says that nothing is set."""
    try:
        answer = dict(ask())
    except ClientError as error:
        if status_code(error) in (401, 403):
            fix = f"Nothing, if somebody who may see it has looked; {_TEMPLATE}"
            return warning(name, "could not be asked with these credentials", fix)
        if error_code(error) in _UNKNOWN_CODES or status_code(error) >= 500 or status_code(error) == 405:
            return warning(name, "this S3 server does not know the question", "Look into the server's own settings")
        if status_code(error) != 404:
            return from_error(name, store_error(error, ""))
        answer = {}
    except (BotoCoreError, HTTPClientError, HTTPError, RecursionError) as error:
        return from_error(name, store_error(error, ""))
    try:
        return read(answer)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        return warning(name, "the answer cannot be understood", "Look into the server's own settings")


def _versioning(answer: Answer) -> Check:
    if answer.get("Status") == "Enabled":
        return ok("versioning", "on")
    fix = f"aws s3api put-bucket-versioning --versioning-configuration Status=Enabled --bucket ...; {_TEMPLATE}"
    return problem("versioning", "off: what somebody deletes or overwrites is lost", fix)


def _encryption(answer: Answer) -> Check:
    rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    if rules:
        return ok("encryption", str(rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]))
    return warning("encryption", "the bucket does not encrypt by default", f"Switch it on; {_TEMPLATE}")


def _public_access(answer: Answer, client: S3Client, bucket: str) -> Check:
    switches = answer.get("PublicAccessBlockConfiguration", {})
    off = [name for name in _PUBLIC_SWITCHES if switches.get(name) is not True]
    if not off:
        return ok("public access", "blocked")
    fix = f"Switch on all four of Block Public Access; {_TEMPLATE}"
    if _is_public(client, bucket):
        return problem("public access", "anybody can read this bucket", fix)
    return warning("public access", f"nothing forbids to open the bucket to the public ({', '.join(off)} off)", fix)


def _is_public(client: S3Client, bucket: str) -> bool:
    """Return whether the bucket's policy or list of grants opens it, as far as these credentials can see."""

    def policy() -> bool:
        return bool(client.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"])

    def grants() -> bool:
        everybody = ("/global/AllUsers", "/global/AuthenticatedUsers")
        granted = client.get_bucket_acl(Bucket=bucket)["Grants"]
        return any(grant["Grantee"].get("URI", "").endswith(everybody) for grant in granted)

    for look in (policy, grants):
        try:
            if look():
                return True
        except (ClientError, BotoCoreError, HTTPClientError, HTTPError, KeyError, TypeError):
            continue
    return False


def _tls_only(answer: Answer) -> Check:
    policy = json.loads(answer.get("Policy") or "{}")
    statements = policy.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        condition = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
        if statement.get("Effect") == "Deny" and str(condition).lower() in ("false", "['false']"):
            return ok("TLS only", "the bucket policy refuses plain HTTP")
    return warning("TLS only", "no bucket policy refuses plain HTTP", f"Add one; {_TEMPLATE}")


def _object_lock(answer: Answer, where: ArchiveSettings) -> Check:
    configuration = answer.get("ObjectLockConfiguration", {})
    wanted = where.object_lock_mode
    if configuration.get("ObjectLockEnabled") != "Enabled":
        if wanted is not None:
            fix = "Make a bucket with Object Lock, or unset ARCHIVE_OBJECT_LOCK_MODE and ARCHIVE_RETAIN_YEARS"
            return problem("Object Lock", f"the bucket has none, and ARCHIVE_OBJECT_LOCK_MODE is {wanted}", fix)
        return ok("Object Lock", "none")
    retention = configuration.get("Rule", {}).get("DefaultRetention", {})
    seen = ["on"]
    if retention:
        period = f"{retention['Years']} years" if "Years" in retention else f"{retention.get('Days')} days"
        seen.append(f"the bucket locks every object for {period} ({str(retention.get('Mode')).lower()})")
    if wanted is not None:
        seen.append(f"this program locks for {where.retain_years} years ({wanted})")
    if "COMPLIANCE" in (retention.get("Mode"), str(wanted).upper()):
        fix = "Nothing, if this is meant: data protection may ask for erasure before"
        return warning("Object Lock", f"{'; '.join(seen)}; nobody can erase before", fix)
    return ok("Object Lock", "; ".join(seen))
