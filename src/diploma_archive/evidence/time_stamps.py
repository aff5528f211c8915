"""Time stamps of RFC 3161: another's word for when a statement was there. `rfc3161-client` knows the format.

Rule: a reply counts only if it is about just these bytes, and, where the certificates of the service are known, if it
was signed by it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, ExtendedKeyUsage, ExtensionNotFound, load_pem_x509_certificates
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerifierBuilder,
    decode_timestamp_response,
)
from rfc3161_client.errors import VerificationError
from rfc3161_client.tsp import PKIStatus

from diploma_archive.errors import SettingsError

_ACCURACY = "ARCHIVE_TIMESTAMP_CERTIFICATES"


@dataclass(frozen=True)
class StampRequest:
    """What a service is asked: the hash of a statement, and a number that its answer must repeat."""

    body: bytes
    nonce: int | None
    digest: bytes


def request_for(statement: bytes, *, with_certificates: bool = True) -> StampRequest:
    """Return the request for a stamp of a statement; of the statement itself it holds the SHA-256 alone.

    Args:
        with_certificates: ask for the service's certificates in the reply. Some services, such as those that run
            `openssl ts` with a chain, send them in an order that DER does not allow, and `rfc3161-client` refuses that:
            without them, what they send can be read.
    """
    builder = TimestampRequestBuilder(cert_req=with_certificates)
    request = builder.data(statement).hash_algorithm(HashAlgorithm.SHA256).build()
    return StampRequest(request.as_bytes(), request.nonce, bytes(request.message_imprint.message))


def is_answer(reply: bytes, request: StampRequest) -> bool:
    """Return whether a reply is a stamp for what was asked; who signed it is not looked at here."""
    response = _decoded(reply)
    if response is None:
        return False
    info = response.tst_info
    return info.nonce == request.nonce and bytes(info.message_imprint.message) == request.digest


@dataclass(frozen=True)
class Authorities:
    """The certificates by which a service's stamps are checked."""

    roots: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...]
    services: tuple[Certificate, ...] = ()  # of those that sign stamps themselves

    @classmethod
    def of(cls, path: Path) -> Authorities:
        """Return those of a PEM file; those that signed themselves are the roots.

        Raises:
            SettingsError: the file cannot be read, or holds no such certificate.
        """
        try:
            found = load_pem_x509_certificates(path.read_bytes())
        except OSError as error:
            raise SettingsError(
                f"the file in {_ACCURACY} cannot be read ({error.strerror})", fix="Check its name"
            ) from None
        except ValueError:
            found = []
        roots = tuple(one for one in found if one.issuer == one.subject)
        if not roots:
            raise SettingsError(
                f"the file in {_ACCURACY} holds no root certificate in PEM",
                fix="Take root and intermediate certificates from whoever runs the time-stamping service",
            )
        services = tuple(one for one in found if _is_a_service(one))
        return cls(roots, tuple(one for one in found if one not in (*roots, *services)), services)

    def to_pem(self) -> bytes:
        """Return them as one PEM file."""
        found = (*self.roots, *self.intermediates, *self.services)
        return b"".join(one.public_bytes(Encoding.PEM) for one in found)


def stamped_at(reply: bytes, statement: bytes, authorities: Authorities | None) -> datetime | None:
    """Return when a statement was stamped (UTC), or None where the reply is no stamp of it by that service.

    Args:
        authorities: None: who signed is not looked at, so that the time is no more than a claim.
    """
    response = _decoded(reply)
    if response is None:
        return None
    moment = response.tst_info.gen_time
    if authorities is None:
        return moment if bytes(response.tst_info.message_imprint.message) == request_for(statement).digest else None
    for service in (None, *authorities.services):  # its certificate is in the reply, or else it is one of these
        builder = VerifierBuilder(
            roots=list(authorities.roots), intermediates=list(authorities.intermediates), tsa_certificate=service
        )
        with suppress(VerificationError, ValueError):
            builder.build().verify_message(response, statement)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _is_a_service(certificate: Certificate) -> bool:
    try:
        return (
            ExtendedKeyUsageOID.TIME_STAMPING in certificate.extensions.get_extension_for_class(ExtendedKeyUsage).value
        )
    except (ExtensionNotFound, ValueError):
        return False


def _decoded(reply: bytes) -> TimeStampResponse | None:
    try:
        response = decode_timestamp_response(reply)
        granted = PKIStatus(response.status) in (PKIStatus.GRANTED, PKIStatus.GRANTED_WITH_MODS)
        return response if granted and response.tst_info is not None else None
    except ValueError:
        return None
