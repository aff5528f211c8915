"""rclone with ready links: downloads and one PUT each, no listing, no metadata, no Python. A bound, not a rival."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.peers.frontcore import BASE_URL, BUCKET, HEADERS, THREADS, keys_of, next_page


async def ready_links() -> list[tuple[str, str]]:
    """Return link and key of every PDF."""
    found: list[tuple[str, str]] = []
    async with httpx.AsyncClient(base_url=BASE_URL, headers=HEADERS, timeout=30) as api:
        last_id = 0
        while rows := (await api.get("/participants", params=next_page(last_id))).json():
            listings = [api.get("/diplomas", params={"participant_id": row["id"]}) for row in rows]
            for answer in await asyncio.gather(*listings):
                found += [(item["links"]["download"], keys_of(item)[0]) for item in answer.json()["items"]]
            last_id = rows[-1]["id"]
    return found


def main() -> dict[str, Any]:
    """Fetch the links, which is not measured, then let rclone copy."""
    links = asyncio.run(ready_links())
    rclone = str(Path(sys.executable).with_name("rclone"))
    remote = {
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_CONFIG_TO_TYPE": "s3",
        "RCLONE_CONFIG_TO_PROVIDER": "Rclone",
        "RCLONE_CONFIG_TO_ENDPOINT": os.environ["AWS_ENDPOINT_URL_S3"],
        "RCLONE_CONFIG_TO_ACCESS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
        "RCLONE_CONFIG_TO_SECRET_ACCESS_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
        "RCLONE_CONFIG_TO_USE_MULTIPART_UPLOADS": "false",
    }
    with tempfile.TemporaryDirectory() as folder:
        urls = Path(folder, "urls.csv")
        urls.write_text("".join(f"{link},{key}\n" for link, key in links))
        started = time.perf_counter()
        command = [rclone, "copyurl", "--urls", str(urls), f"to:{BUCKET}", "--transfers", str(THREADS)]
        subprocess.run(command, env={**os.environ, **remote}, check=True, capture_output=True)  # noqa: S603
        return {"diplomas": len(links), "seconds": time.perf_counter() - started}
