"""What the peers share: where the source and the bucket are, as the environment says, and the two keys they write."""

from __future__ import annotations

import json
import os
from typing import Any

import boto3
from botocore.config import Config

THREADS = 8
BASE_URL = os.environ.get("FRONTCORE_BASE_URL", "")
HEADERS = {"X-API-Key": os.environ.get("FRONTCORE_API_KEY", ""), "Accept": "application/json"}
BUCKET = os.environ.get("ARCHIVE_BUCKET", "")


def s3_client() -> Any:
    """Return a client as boto3 gives it, with as many connections as there are threads."""
    return boto3.client("s3", config=Config(s3={"addressing_style": "path"}, max_pool_connections=THREADS))


def keys_of(item: dict[str, Any]) -> tuple[str, str]:
    """Return the keys of the PDF and of its metadata."""
    folder = f"diplomas/{item['serial']}/{item['random_certificate_number']}"
    return f"{folder}/diploma.pdf", f"{folder}/diploma.json"


def metadata_of(item: dict[str, Any]) -> bytes:
    """Return the JSON beside the PDF."""
    return json.dumps({name: value for name, value in item.items() if name != "links"}).encode()


def next_page(last_id: int) -> dict[str, int]:
    """Return the parameters of the page of participants after this id."""
    return {"limit": 250, "since_id": last_id}
