"""The short-lived tokens of download links; the rule: a token opens one diploma of one person, until it dies."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Literal

_MOST_KEPT = 200_000
# The base64 of '{"typ":"JWT","alg":"HS256"}', as PHP libraries write it.
_HEADER = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"

Verdict = Literal["good", "foreign", "expired"]


@dataclass(slots=True)
class _Grant:
    user_id: str
    diploma_id: int
    dies_at: float


class Tokens:
    """All tokens given out."""

    def __init__(self) -> None:
        self._grants: dict[str, _Grant] = {}

    def issue(self, user_id: str, diploma_id: int, ttl_seconds: float) -> str:
        """Return a new token."""
        token = f"{_HEADER}.{secrets.token_urlsafe(24)}.{secrets.token_urlsafe(32)}"
        self._grants[token] = _Grant(user_id, diploma_id, time.monotonic() + ttl_seconds)
        if len(self._grants) > _MOST_KEPT:
            self._grants.pop(next(iter(self._grants)), None)
        return token

    def judge(self, token: str, user_id: str, diploma_id: int) -> Verdict:
        """Return what the token is worth for this download."""
        grant = self._grants.get(token)
        if grant is None or (grant.user_id, grant.diploma_id) != (user_id, diploma_id):
            return "foreign"
        return "good" if time.monotonic() < grant.dies_at else "expired"

    def spend(self, token: str) -> None:
        """Let a token be unknown from now on."""
        self._grants.pop(token, None)

    def expire_all(self) -> None:
        """Let all tokens given out so far be too old."""
        for grant in list(self._grants.values()):
            grant.dies_at = 0.0
