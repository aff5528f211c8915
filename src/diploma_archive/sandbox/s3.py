"""An S3 on this machine (moto); the rule: it starts empty, answers on 127.0.0.1 only and knows no real credentials."""

from __future__ import annotations

import http.client
import logging
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from moto.server import ThreadedMotoServer

_HOST = "127.0.0.1"
_VERSIONED = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


class LocalS3:
    """moto's S3 server in a thread; two of them in one process share their buckets: moto keeps them per process."""

    def __init__(self, port: int = 0) -> None:
        """With port 0 any free port is taken."""
        self._port = port
        self._server: ThreadedMotoServer | None = None
        self._log_level_before = logging.NOTSET

    @property
    def endpoint_url(self) -> str:
        """`http://127.0.0.1:PORT`; with port 0 the port is known once started."""
        return f"http://{_HOST}:{self._port}"

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which AWS clients find this S3."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def start(self) -> None:
        """Listen, with all buckets of this process forgotten; raise RuntimeError when it runs already."""
        if self._server is not None:
            raise RuntimeError("the S3 runs already")
        from moto.server import ThreadedMotoServer  # noqa: PLC0415 - a second of import that only this needs

        log = logging.getLogger("werkzeug")
        self._log_level_before = log.level
        log.setLevel(logging.CRITICAL)
        self._server = ThreadedMotoServer(_HOST, self._port, verbose=False)
        self._server.start()
        self._port = self._server.get_host_and_port()[1]
        self.reset()

    def stop(self) -> None:
        """Stop; does nothing when it is not running."""
        if self._server is not None:
            self._server.stop()
            self._server = None
            logging.getLogger("werkzeug").setLevel(self._log_level_before)

    def reset(self) -> None:
        """Forget all buckets."""
        self._ask("POST", "/moto-api/reset")

    def create_bucket(self, name: str, *, versioned: bool = False) -> None:
        """Create a bucket in us-east-1; raise RuntimeError when moto refuses."""
        self._ask("PUT", f"/{name}")
        if versioned:
            self._ask("PUT", f"/{name}?versioning", _VERSIONED)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _ask(self, method: str, path: str, body: bytes = b"") -> None:
        connection = http.client.HTTPConnection(_HOST, self._port, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Length": str(len(body))})
            response = connection.getresponse()
            response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"the local S3 answered {response.status} to {method} {path}")
