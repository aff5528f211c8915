"""Turns what S3 and botocore say into one plain sentence that names the setting to look at.

Rule: no text of the server's or of botocore's is passed on, since it may hold a URL, a key id or a token.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    FlexibleChecksumError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError

from diploma_archive.errors import IntegrityError, Kind, ObjectMissingError, ObjectRefusedError, StoreError
from diploma_archive.network.causes import Outside, explain
from diploma_archive.network.proxies import proxy_for

_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    ProfileNotFound,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
_CREDENTIAL_CODES = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidToken",
        "TokenRefreshRequired",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidSecurity",
    }
)
TOO_LONG_CODES = frozenset({"KeyTooLongError", "KeyTooLong", "InvalidObjectName"})
_REGION_CODES = frozenset(
    {
        "PermanentRedirect",
        "TemporaryRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "301",
        "307",
    }
)


def error_code(error: ClientError) -> str:
    """Return S3's name of an error, or its HTTP status where a HEAD left no name."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code or str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))


def status_code(error: ClientError) -> int:
    """Return the HTTP status of an error, or 0 where there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def store_error(error: BotoCoreError | ClientError | Exception, bucket: str) -> StoreError:
    """Return our own error for one of botocore's."""
    if isinstance(error, ClientError):
        return _from_answer(error, bucket)
    if isinstance(error, _CREDENTIALS):
        return StoreError(
            "there are no usable AWS credentials",
            fix="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile in AWS_PROFILE, or run under a role",
            kind=Kind.FATAL,
        )
    if isinstance(error, ResponseParserError):
        return StoreError(
            "what answers at the S3 endpoint is no S3", fix="Check AWS_ENDPOINT_URL_S3", kind=Kind.RETRIABLE
        )
    if isinstance(error, (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError, SSLError)):
        what, fix = explain(error, _outside(error))
        return StoreError(what, fix=fix, kind=Kind.FATAL)
    if isinstance(error, FlexibleChecksumError):
        return IntegrityError(
            "an object in the bucket is not what S3's own checksum of it says",
            fix="Run diploma-archive verify to see what is wrong",
        )
    if isinstance(error, RecursionError):  # botocore follows a redirect that names no region, again and again
        return _other_region(bucket)
    if isinstance(error, NoRegionError):
        return StoreError("no AWS region is set", fix="Set AWS_REGION to the bucket's region", kind=Kind.FATAL)
    if isinstance(error, ReadTimeoutError):
        return StoreError("S3 did not answer in time", fix="The next run tries again", kind=Kind.RETRIABLE)
    if isinstance(error, ParamValidationError):
        return StoreError("the name of the bucket is not valid", fix="Check ARCHIVE_BUCKET", kind=Kind.FATAL)
    if isinstance(error, ValueError) or type(error).__name__.startswith("Invalid"):
        return StoreError(
            "the settings for S3 are not valid",
            fix="Check AWS_ENDPOINT_URL_S3 (it begins with http:// or https://) and the other AWS_ settings",
            kind=Kind.FATAL,
        )
    return StoreError(
        f"the connection to S3 failed ({type(error).__name__})", fix="The next run tries again", kind=Kind.RETRIABLE
    )


def _outside(error: BotoCoreError) -> Outside:
    """Return what a sentence about a failed connection has to name."""
    url = urlsplit(str(error.kwargs.get("endpoint_url", "")))
    port = url.port or (80 if url.scheme == "http" else 443)
    # Where a proxy fails, botocore names it and not the endpoint.
    proxy = proxy_for(f"https://{url.hostname or 's3'}:{port}") if url.scheme != "http" else None
    return Outside(
        "the S3 endpoint", url.hostname or "", port, "AWS_ENDPOINT_URL_S3",
        "AWS_CA_BUNDLE or SSL_CERT_FILE", proxy=proxy,
    )  # fmt: skip


def _other_region(bucket: str) -> StoreError:
    return StoreError(
        f"the bucket {bucket} lies in another region", fix="Set AWS_REGION to the bucket's region", kind=Kind.FATAL
    )


def _from_answer(error: ClientError, bucket: str) -> StoreError:
    code, status = error_code(error), status_code(error)
    operation = getattr(error, "operation_name", "request")
    if code == "NoSuchBucket":
        return StoreError(
            f"the bucket {bucket} does not exist at this endpoint",
            fix="Check ARCHIVE_BUCKET, AWS_ENDPOINT_URL_S3 and the account of the credentials",
            kind=Kind.FATAL,
        )
    # S3 names its errors; a bare number is what botocore makes of an answer without a name, as to every HEAD.
    if status == 401 or (code.isdigit() and status < 500 and not operation.startswith("Head")):
        return StoreError(
            f"what answers at the S3 endpoint is no S3 ({status})", fix="Check AWS_ENDPOINT_URL_S3", kind=Kind.FATAL
        )
    if code in _CREDENTIAL_CODES:
        return StoreError(
            "S3 does not accept the AWS credentials, or they have expired",
            fix="Renew AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the role's session) and start again",
            kind=Kind.FATAL,
        )
    if code == "RequestTimeTooSkewed":
        return StoreError("this machine's clock is wrong", fix="Set the clock (NTP) and start again", kind=Kind.FATAL)
    if code in _REGION_CODES:
        return _other_region(bucket)
    if code == "NoSuchKey":
        return ObjectMissingError("there is no such object in the bucket")
    if code == "InvalidObjectState":
        return ObjectRefusedError(
            "an object lies in cold storage and cannot be read now",
            fix="Restore it in S3 (restore-object) and start again",
            kind=Kind.ITEM,
        )
    if status == 403 or code == "AccessDenied":
        kind = ObjectRefusedError if operation in ("GetObject", "HeadObject") else StoreError
        return kind(
            f"S3 refuses {operation} on the bucket {bucket}",
            fix="Give the credentials s3:ListBucket on the bucket and s3:GetObject and s3:PutObject on its objects "
            "(deployments/README.md has the policy)",
            kind=Kind.FATAL,
        )
    if code in ("InvalidBucketName", "InvalidEndpointURL", "MethodNotAllowed") or status in (404, 405):
        return StoreError(
            "what answers at the S3 endpoint does not serve this bucket",
            fix="Check AWS_ENDPOINT_URL_S3 and ARCHIVE_BUCKET",
            kind=Kind.FATAL,
        )
    if status == 501 or code == "NotImplemented":
        return StoreError(
            f"this S3 server cannot do {operation} as it is asked for (create-only, with a checksum)",
            fix="Use a server that knows If-None-Match or ignores it; diploma-archive never overwrites",
            kind=Kind.FATAL,
        )
    if status == 507 or code.startswith("KMS.") or code in ("QuotaExceeded", "XMinioStorageFull"):
        return StoreError(
            f"S3 cannot store anything now ({status} {_plain(code.replace('.', ''))})",
            fix="Check the space, quota and encryption key of the bucket",
            kind=Kind.FATAL,
        )
    if status >= 500 or status == 429 or code in ("SlowDown", "RequestTimeout", "InternalError"):
        return StoreError(
            f"S3 could not carry out {operation} after several tries ({status})",
            fix="The next run tries again",
            kind=Kind.RETRIABLE,
        )
    return StoreError(f"S3 refuses {operation} ({status} {_plain(code)})", fix="The next run tries again")


def _plain(code: str) -> str:
    return code if code.isascii() and code.isalnum() and len(code) < 60 else "unknown"
