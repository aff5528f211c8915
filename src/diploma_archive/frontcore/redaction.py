"""Keeps secrets out of logs: what a log record of this program may never show.

Rule: texts of our own never hold a secret; this filter is the second lock, for libraries that log URLs.
"""

from __future__ import annotations

import logging
import re

from diploma_archive.model.plain_text import without_controls

_TOKEN = re.compile(r"(?i)([?&](?:token|stream|X-Amz-[A-Za-z-]+)=)[^&\s\"']+")
_KEY_HEADER = re.compile(
    r"(?i)((?:x-api-key|proxy-authorization)['\"]?\s*[:,=]?\s*(?:b?['\"])?(?:basic\s+)?)[^\s\"',)]+"
)
_LOGIN = re.compile(r"(://)[^\s/@]+@")
QUIET_LOGGERS = ("httpx", "httpcore")


def redact(text: str) -> str:
    """Return text without the values of tokens and keys, on one line, without control characters."""
    for secret in (_TOKEN, _KEY_HEADER, _LOGIN):
        text = secret.sub(r"\1[hidden]", text)
    return without_controls(text)


class RedactingFilter(logging.Filter):
    """Redacts the finished message of every record that passes, and drops its traceback and stack."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record; it always passes."""
        record.msg, record.args = redact(record.getMessage()), None
        record.exc_info = record.exc_text = record.stack_info = None
        return True


def quiet_http_logs() -> None:
    """Keep httpx and httpcore at WARNING: at INFO they log every URL, and a URL holds a token."""
    for name in QUIET_LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        if not any(isinstance(known, RedactingFilter) for known in logger.filters):
            logger.addFilter(RedactingFilter())
