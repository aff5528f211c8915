"""A school and a bucket that only a proxy leads to, with certificates of an authority that nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from tests.support.network import TlsFront
from tests.support.world import World

SOURCE, BUCKET = "frontcore.test", "storage-of-acme"  # no resolver knows them; moto takes a dot for a bucket


@dataclass(frozen=True)
class Far:
    """What lies behind the proxy."""

    world: World
    ways: dict[str, int]
    authority_file: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Return the settings of a process that believes the authority; proxies are up to the test."""
        return {
            "FRONTCORE_BASE_URL": f"https://{SOURCE}/v2",
            "AWS_ENDPOINT_URL_S3": f"https://{BUCKET}",
            "SSL_CERT_FILE": str(self.authority_file),
            **more,
        }


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """An authority that no machine knows, as a middlebox has it."""
    return trustme.CA(organization_name="Acme Inspection Root")


@pytest.fixture
def authority_file(authority: trustme.CA, tmp_path: Path) -> Path:
    """The file with its certificate."""
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    return file


@pytest.fixture
def far(world: World, authority: trustme.CA, authority_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """The small school and its bucket behind TLS, under names that only a proxy can resolve."""
    monkeypatch.setattr(type(world.sandbox), "base_url", property(lambda _: f"https://{SOURCE}/v2"))
    s3_port = urlsplit(world.s3_environment["AWS_ENDPOINT_URL_S3"]).port or 0
    with (
        TlsFront(authority, SOURCE, world.sandbox.port) as source,
        TlsFront(authority, BUCKET, s3_port) as bucket,
    ):
        yield Far(world, {f"{SOURCE}:443": source.port, f"{BUCKET}:443": bucket.port}, authority_file)
