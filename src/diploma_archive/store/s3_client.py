"""Builds the S3 clients; the only place that knows boto3's configuration.

Credentials, region and endpoint come from boto3's own chain (`AWS_ENDPOINT_URL_S3`, profiles, IAM roles).
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from diploma_archive.network.authorities import new_trust
from diploma_archive.network.proxies import Proxy
from diploma_archive.settings.archive import ArchiveSettings, S3Access
from diploma_archive.store.fast_put_and_head import FastPath, open_fast_path, proxy_of
from diploma_archive.store.s3_errors import store_error

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# A wrong endpoint is a mistake in the settings: it must show within ten seconds, so the first look is impatient
# (2 x (3 + 1) s to connect or 2 x 4 s to read), and every later call is patient.
FIRST_LOOK = {"connect_timeout": 3, "read_timeout": 4, "retries": {"mode": "standard", "total_max_attempts": 2}}
# "standard" has one purse of retries for a client: in an outage it is soon empty, and calls fail at once instead of
# holding up a run that cannot get anything done; each success puts something back.
PATIENT = {"connect_timeout": 5, "read_timeout": 60, "retries": {"mode": "standard", "total_max_attempts": 5}}

# What is written carries our own SHA-256 in any case. What is read is hashed here where that matters: a checksum that
# botocore compares while reading would hide damaged bytes behind a connection error.
CHECKS = {"response_checksum_validation": "when_required"}

# At DEBUG they log every key and header, and certificate numbers and signatures are in those.
TALKATIVE_LOGGERS = ("botocore", "boto3", "urllib3")


def build_clients(concurrency: int, bucket: str, access: S3Access | None = None) -> tuple[S3Client, S3Client]:
    """Return the impatient client for the first look at the bucket and the patient one for the work.

    Raises:
        StoreError: boto3 cannot build a client from its environment (a bad profile, endpoint or region).
    """
    try:
        client = _maker(concurrency, bucket, access)
        return client(**FIRST_LOOK), client(**PATIENT)
    except (BotoCoreError, ValueError) as error:
        raise store_error(error, bucket) from None


@contextmanager
def open_clients(where: ArchiveSettings, access: S3Access | None = None) -> Iterator[tuple[S3Client, S3Client]]:
    """Give the two clients of `build_clients` for a bucket, closed afterwards.

    Raises:
        StoreError: boto3 cannot build a client from its environment.
    """
    impatient, client = build_clients(where.concurrency, where.bucket, access)
    with closing(impatient), closing(client):
        yield impatient, client


def build_fast_path(client: S3Client, bucket: str, access: S3Access | None = None) -> FastPath | None:
    """Return the short way to a bucket for a client of `build_clients`, or None where there is none.

    Raises:
        StoreError: boto3's credentials cannot be read.
    """
    try:
        session = _session(access or S3Access())
        return open_fast_path(client, bucket, session.get_credentials(), _ca_bundle(session))
    except BotoCoreError as error:
        raise store_error(error, bucket) from None


def build_presigner(bucket: str, access: S3Access | None = None) -> S3Client:
    """Return a client whose links are signed with version 4, without which S3 refuses objects encrypted by KMS.

    Raises:
        StoreError: boto3 cannot build a client from its environment (a bad profile, endpoint or region).
    """
    try:
        return _maker(1, bucket, access)(signature_version="s3v4")
    except (BotoCoreError, ValueError) as error:
        raise store_error(error, bucket) from None


def _maker(concurrency: int, bucket: str, access: S3Access | None) -> Callable[..., S3Client]:
    for name in TALKATIVE_LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.INFO))
    session = _session(access or S3Access())
    endpoint_url = access.endpoint_url if access else None
    region = session.region_name or "us-east-1"
    plain = session.client("s3", region_name=region, endpoint_url=endpoint_url)
    endpoint = plain.meta.endpoint_url
    host = urlsplit(endpoint).hostname or ""
    plain.close()
    proxy = proxy_of(endpoint, bucket)
    proxies = {"https": proxy.url} if proxy else {}  # {}: botocore does not look for one by itself
    tls = new_trust(_ca_bundle(session), "AWS_CA_BUNDLE") if endpoint.startswith("https://") else None
    # Virtual-hosted addressing needs DNS names per bucket, which only AWS is known to have.
    addressing = {} if host.endswith((".amazonaws.com", ".amazonaws.com.cn")) else {"addressing_style": "path"}

    def client(**options: object) -> S3Client:
        config = Config(s3=addressing, max_pool_connections=concurrency + 2, proxies=proxies, **CHECKS, **options)  # type: ignore[arg-type]
        made = session.client("s3", region_name=region, endpoint_url=endpoint_url, config=config)
        if tls is not None:
            _lead_out(made, tls, proxy)
        return made

    return client


def _lead_out(client: S3Client, tls: ssl.SSLContext, proxy: Proxy | None) -> None:
    """Let a client believe our authorities, and tell a proxy its login: botocore knows one file, and ASCII alone."""
    http_session = client._endpoint.http_session  # type: ignore[attr-defined]
    http_session._get_ssl_context = lambda: tls
    http_session._setup_proxy_ssl_context = lambda _: tls
    http_session._proxy_config.proxy_headers_for = lambda _: proxy.secret_headers if proxy else {}
    http_session._manager.connection_pool_kw["ssl_context"] = tls


def _ca_bundle(session: boto3.session.Session) -> str | None:
    return session._session.get_config_variable("ca_bundle") or None


def _session(access: S3Access) -> boto3.session.Session:
    key, secret, token = access.access_key_id, access.secret_access_key, access.session_token
    return boto3.session.Session(
        aws_access_key_id=key.get_secret_value() if key else None,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        aws_session_token=token.get_secret_value() if token else None,
        profile_name=access.profile,
        region_name=access.region,
    )
