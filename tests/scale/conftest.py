"""An operator, and everything that `make ui` starts."""

from __future__ import annotations

from tests.support.operator import bucket, operator, sending, stack

__all__ = ["bucket", "operator", "sending", "stack"]
