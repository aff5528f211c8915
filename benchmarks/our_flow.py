"""The Prefect flow `archive-diplomas` on a running server."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from flows.archive import archive_diplomas


def main() -> dict[str, Any]:
    """Run it."""
    scope = os.environ.get("BENCH_SCOPE", "full")
    state = asyncio.run(archive_diplomas(scope=scope, return_state=True))  # type: ignore[call-overload]
    return {"state": state.name, "message": state.message}
