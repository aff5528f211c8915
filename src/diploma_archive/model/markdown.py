"""What the Markdown summaries for Prefect's UI have in common: the key of an artifact, and cells of tables."""

from __future__ import annotations

import re

MAX_ROWS = 200  # of what a person must look at; the rest is counted


def artifact_key(what: str, account: str) -> str:
    """Return the key of an account's artifact: small letters, digits and dashes, as Prefect wants them."""
    return f"{what}-{re.sub(r'[^a-z0-9]+', '-', account.lower()).strip('-')}"


def table_cell(text: str) -> str:
    """Return a text that ends no cell of a table and begins no markup of its own."""
    marked = "".join(f"\\{character}" if character in "\\|`*_[]<>!~#" else character for character in text)
    return " ".join(marked.split())
