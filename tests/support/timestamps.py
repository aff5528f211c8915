"""A time-stamping service on this machine: `openssl ts` behind HTTP, with an authority of its own."""

from __future__ import annotations

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

_CONFIG = """
[tsa]
default_tsa = service
[service]
serial = {folder}/serial
signer_cert = {folder}/service.pem
certs = {folder}/authority.pem
signer_key = {folder}/service.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
ess_cert_id_chain = no
tsa_name = no
ordering = no
"""
_EXTENSIONS = """
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def openssl(*arguments: str | Path, folder: Path) -> bytes:
    """Run `openssl`."""
    done = subprocess.run(["openssl", *map(str, arguments)], cwd=folder, capture_output=True, check=False)  # noqa: S607  Debian's
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


class TimestampService:
    """Stamps what it is asked to; `broken` says how it misbehaves: an HTTP status, bytes to answer, or slowness."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.broken: int | bytes | None = None
        self.asked = 0
        (folder / "ts.cnf").write_text(_CONFIG.format(folder=folder))
        (folder / "serial").write_text("01\n")
        (folder / "extensions").write_text(_EXTENSIONS)
        for name in ("authority", "service"):
            openssl(
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-out",
                f"{name}.key",
                folder=folder,
            )
        authority = ("-key", "authority.key", "-subj", "/CN=A test authority", "-days", "30", "-out", "authority.pem")
        openssl("req", "-x509", "-new", *authority, folder=folder)
        openssl(
            "req", "-new", "-key", "service.key", "-subj", "/CN=A test service", "-out", "service.csr", folder=folder
        )
        signed = ("-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-days", "30")
        openssl(
            *("x509", "-req", "-in", "service.csr", *signed, "-extfile", "extensions", "-out", "service.pem"),
            folder=folder,
        )

    @property
    def certificates(self) -> Path:
        """Return the file with the certificates by which stamps are checked."""
        path = self.folder / "certificates.pem"
        path.write_text((self.folder / "authority.pem").read_text() + (self.folder / "service.pem").read_text())
        return path

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}/stamp"

    def answer(self, query: bytes) -> bytes:
        """Return a reply."""
        (self.folder / "query.tsq").write_bytes(query)
        openssl("ts", "-reply", "-config", "ts.cnf", "-queryfile", "query.tsq", "-out", "reply.tsr", folder=self.folder)
        return (self.folder / "reply.tsr").read_bytes()

    def __enter__(self) -> Self:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                service.asked += 1
                status = service.broken if isinstance(service.broken, int) else 200
                body = service.broken if isinstance(service.broken, bytes) else service.answer(query)
                self.send_response(status)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
