"""The Prefect concurrency limit that shares out an account's rate (DESIGN.md section 8): its name and its slots."""

from __future__ import annotations


def limit_name(account: str) -> str:
    """Return the name of an account's global concurrency limit."""
    return f"frontcore-{account}"


def slots_of(requests_per_second: float) -> int:
    """Return how many slots the limit of an account has: one for each whole request per second, at least one."""
    return max(1, int(requests_per_second))
