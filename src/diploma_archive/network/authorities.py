"""Whose certificates are believed: the operating system's authorities, certifi's, and one's own.

Rule: verification cannot be switched off. The one handshake that does not verify sends nothing and reads nothing but
the name of the issuer, to say it.
"""

from __future__ import annotations

import functools
import http.client
import os
import ssl
from collections.abc import Iterable
from pathlib import Path

import certifi

from diploma_archive.errors import SettingsError
from diploma_archive.network.proxies import Proxy

HANDSHAKE_SECONDS = 4.0
MOST_CHARACTERS = 80  # of an issuer's name


def trusted(own_bundle: str | None = None) -> ssl.SSLContext:
    """Return whom TLS trusts, read once for the process; see `new_trust`."""
    return _known_trust(own_bundle, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@functools.cache
def _known_trust(own_bundle: str | None, *_: str | None) -> ssl.SSLContext:
    return new_trust(own_bundle)


def new_trust(own_bundle: str | None = None, setting: str = "FRONTCORE_CA_BUNDLE") -> ssl.SSLContext:
    """Return whom TLS trusts: the system's authorities (`SSL_CERT_FILE` where set), certifi's, and those of a file.

    Args:
        own_bundle: a file with one or more certificates (PEM).
        setting: what names that file.

    Raises:
        SettingsError: a file that is named cannot be read or holds no certificate.
    """
    context = ssl.create_default_context()
    # Python 3.13 refuses what authorities of one's own often lack (RFC 5280's key identifiers); before, nobody did.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.load_verify_locations(certifi.where())
    usual = Path(ssl.get_default_verify_paths().openssl_cafile)
    if (
        os.environ.get("SSL_CERT_FILE") and usual.is_file()
    ):  # OpenSSL reads that file instead of the system's, not beside it
        context.load_verify_locations(usual)
    for name, file in (("SSL_CERT_FILE", os.environ.get("SSL_CERT_FILE")), (setting, own_bundle)):
        if file:
            _load(context, name, file)
    return context


def _load(context: ssl.SSLContext, setting: str, file: str) -> None:
    try:
        context.load_verify_locations(Path(file).expanduser())
    except (OSError, RuntimeError, ValueError):  # ssl.SSLError is an OSError
        raise SettingsError(
            f"the file that {setting} names cannot be read, or holds no certificate",
            fix="Name a file with the authority's certificate in PEM form, readable for this user",
        ) from None


def issuer_of(host: str, port: int, proxy: Proxy | None) -> str | None:
    """Return who issued the certificate that a server shows, or None where that cannot be had.

    Blocks for a few seconds at most. Nothing but the handshake is sent.
    """
    from cryptography import x509  # noqa: PLC0415  some megabytes, for whoever never needs it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if proxy is not None and proxy.scheme != "http":
        return None
    first = (proxy.host, proxy.port) if proxy else (host, port)
    connection = http.client.HTTPSConnection(*first, timeout=HANDSHAKE_SECONDS, context=context)
    try:
        if proxy:
            connection.set_tunnel(host, port, proxy.secret_headers)
        connection.connect()
        shown = connection.sock.getpeercert(binary_form=True) if isinstance(connection.sock, ssl.SSLSocket) else None
        issuer = x509.load_der_x509_certificate(shown).issuer if shown else ()
        names = {part.rfc4514_attribute_name: str(part.value) for part in issuer}
        return _first_text(names.get(kind, "") for kind in ("CN", "O", "OU"))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _first_text(texts: Iterable[str]) -> str | None:
    plain = ("".join(filter(str.isprintable, text))[:MOST_CHARACTERS].strip() for text in texts)
    return next(filter(None, plain), None)
