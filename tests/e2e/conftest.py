"""An operator, and everything that `make ui` starts."""

from __future__ import annotations

from tests.support.operator import bucket, operator, stack

__all__ = ["bucket", "operator", "stack"]
