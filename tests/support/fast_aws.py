"""Spares tests what boto3 does anew for each client, which took a fifth of their time; nothing else is another one."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import botocore.session

from diploma_archive.store import s3_client


def read_models_once() -> None:
    """Let all clients share what botocore reads of AWS: each would read megabytes of JSON anew."""
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)


_WAYS = ("AWS_", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE")


def keep_clients() -> None:
    """Let runs with the same settings and environment have the same clients; those of other servers are others."""
    build, kept = s3_client._maker, dict[Any, Any]()

    def maker(concurrency: int, bucket: str, access: Any) -> Callable[..., Any]:
        environment = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith(_WAYS)))
        key = (concurrency, access, environment, os.environ.get("HOME"))
        if key not in kept:
            kept[key] = functools.cache(build(concurrency, bucket, access))
        made = kept[key]

        def client(**options: Any) -> Any:
            return made(
                **{name: _Hashable(value) if isinstance(value, dict) else value for name, value in options.items()}
            )

        return client

    s3_client._maker = maker


class _Hashable(dict[str, Any]):
    """Options of a client, to be compared by what they say."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(repr(sorted(self.items())))
