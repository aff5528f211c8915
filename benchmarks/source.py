"""A sandbox FrontCore in a process of its own, with its PDFs drawn beforehand.

python -m benchmarks.source PARTICIPANTS PERSONS PDF_BYTES REQUESTS_PER_SECOND
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from types import TracebackType
from typing import Any, Self, cast

from deployments.local.servers import clean_environment
from diploma_archive.sandbox import Sandbox, run_forever

KEY = "bench-key"


class Source:
    """The running sandbox; a context manager."""

    def __init__(
        self, participants: int, *, share_of_persons: float = 0.4, pdf_bytes: int = 0, requests_per_second: float = 0.0
    ) -> None:
        self.participants = participants
        self.persons = max(1, round(participants * share_of_persons))
        numbers = [participants, self.persons, pdf_bytes, requests_per_second]
        self._command = [sys.executable, "-m", "benchmarks.source", *map(str, numbers)]
        self._process: subprocess.Popen[str] | None = None
        self.base_url = ""

    def environment(self) -> dict[str, str]:
        """Return what makes a client use it; the client's own rate limit is as good as off."""
        return {
            "FRONTCORE_BASE_URL": self.base_url,
            "FRONTCORE_API_KEY": KEY,
            "FRONTCORE_REQUESTS_PER_SECOND": "100000",
        }

    def stats(self) -> dict[str, Any]:
        """Return what reached it since the last reset."""
        with urllib.request.urlopen(self._address("stats")) as answer:  # noqa: S310  our own server
            return cast("dict[str, Any]", json.load(answer))

    def reset(self) -> None:
        """Forget what reached it."""
        urllib.request.urlopen(urllib.request.Request(self._address("reset"), method="POST")).close()  # noqa: S310

    def reissue(self, diploma_id: int) -> None:
        """Let a diploma and its enrolment have changed, later than everything else."""
        changed = self._post(f"diplomas/{diploma_id}", {"updated_at": "2026-10-01 10:00:00", "passed_note": "again"})
        self._post(f"participants/{changed['participant_id']}", {"updated_at": "2026-10-01T10:00:00+02:00"})

    def _post(self, what: str, body: dict[str, str]) -> dict[str, Any]:
        request = urllib.request.Request(self._address(what), json.dumps(body).encode(), method="POST")  # noqa: S310
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return cast("dict[str, Any]", json.load(answer))

    def _address(self, what: str) -> str:
        return f"{self.base_url.removesuffix('/v2')}/sandbox/{what}"

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603  our own program
            self._command, stdout=subprocess.PIPE, text=True, env=clean_environment()
        )
        if self._process.stdout is None:
            raise RuntimeError("the source has no output")
        self.base_url = self._process.stdout.readline().strip()
        if not self.base_url:
            raise RuntimeError("the source did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            if self._process.stdout is not None:
                self._process.stdout.close()


def main() -> None:
    """Serve until SIGTERM."""
    participants, persons, pdf_bytes = map(int, sys.argv[1:4])
    sandbox = Sandbox(participants, persons, api_key=KEY, requests_per_second=float(sys.argv[4]) or None)
    if pdf_bytes:
        sandbox.pdf_bytes = pdf_bytes
        for diploma in sandbox.diplomas.values():
            diploma.pdf = sandbox.pdf_of(diploma.id)
    run_forever(sandbox, lambda base_url: print(base_url, flush=True))  # noqa: T201  the answer


if __name__ == "__main__":
    main()
