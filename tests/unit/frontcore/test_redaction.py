"""What a log record of this program may never show."""

from __future__ import annotations

import io
import logging

import pytest

from diploma_archive.frontcore.redaction import QUIET_LOGGERS, RedactingFilter, quiet_http_logs, redact

CANARY = "canary7hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://api.frontcore.com/d?token={CANARY}",
        f"GET https://api.frontcore.com/d?token={CANARY}&x=1",
        f"GET https://api.frontcore.com/d?x=1&TOKEN={CANARY} HTTP/1.1",
        f'HTTP Request: GET https://h/d?stream={CANARY} "HTTP/1.1 200 OK"',
        f"https://bucket/k?X-Amz-Signature={CANARY}&X-Amz-Security-Token={CANARY}",
        f"X-API-Key: {CANARY}",
        f"x-api-key={CANARY}",
        f"{{'X-API-Key': '{CANARY}'}}",
        f'{{"x-api-key": "{CANARY}"}}',
        f"?token={CANARY} and again ?token={CANARY}",
    ],
)
def test_no_token_and_no_key_is_left(text):
    """Wherever a library writes a token or the key, its value is hidden."""
    assert "hunter2" not in redact(text)
    assert "[hidden]" in redact(text)


def test_ordinary_text_stays():
    """Redaction does not eat what an operator needs."""
    text = "diploma 12345 of participant 987654: failed (status 500) token expired, see page=2&limit=250"
    assert redact(text) == text


def test_other_parameters_of_a_url_stay():
    """Only the value of the token goes."""
    assert redact("https://h/d?a=1&token=x&b=2") == "https://h/d?a=1&token=[hidden]&b=2"


@pytest.mark.parametrize(
    "control", ["\n", "\r", "\x1b", "\x00", "\x7f", "\x9b", "\u2028", "\u2029", "\u202e", "\u2066"]
)
def test_a_log_line_stays_one_line(control):
    """Nothing from the source can forge a log line or colour a terminal."""
    assert control not in redact(f"a{control}b")
    assert redact(f"a{control}b").startswith("a")
    assert redact(f"a{control}b").endswith("b")


@pytest.fixture
def log():
    """A logger with the filter on its handler, and what it wrote."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(RedactingFilter())
    logger = logging.getLogger("diploma_archive.tests.redaction")
    logger.propagate = False
    logger.addHandler(handler)
    yield logger, written
    logger.removeHandler(handler)


def test_the_finished_message_is_redacted(log):
    """A token that comes in as an argument is hidden too."""
    logger, written = log
    logger.warning("GET %s", f"https://h/d?token={CANARY}")
    assert written.getvalue() == "GET https://h/d?token=[hidden]\n"


def test_no_traceback_is_written(log):
    """A traceback would quote links and names: it is dropped."""
    logger, written = log
    try:
        raise ValueError(CANARY)
    except ValueError:
        logger.exception("it failed", stack_info=True)
    assert written.getvalue() == "it failed\n"


def test_http_libraries_are_quiet():
    """httpx logs every URL at INFO: it stays at WARNING, with one filter however often it is asked."""
    quiet_http_logs()
    quiet_http_logs()
    for name in QUIET_LOGGERS:
        logger = logging.getLogger(name)
        assert not logger.isEnabledFor(logging.INFO)
        assert sum(isinstance(known, RedactingFilter) for known in logger.filters) == 1


@pytest.mark.parametrize("text", ["[(b'X-API-Key', b'canary')]", 'headers=[(b"x-api-key", b"canary")]'])
def test_a_header_as_bytes_is_redacted(text):
    """The way httpcore and h11 write headers hides the key too."""
    assert "canary" not in redact(text)
