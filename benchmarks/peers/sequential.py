"""The script that one writes first: httpx and boto3 in a loop, one request after the other."""

from __future__ import annotations

from typing import Any

import httpx

from benchmarks.peers.frontcore import BASE_URL, BUCKET, HEADERS, keys_of, metadata_of, next_page, s3_client


def main() -> dict[str, Any]:
    """Run it."""
    s3, archived, last_id = s3_client(), 0, 0
    with httpx.Client(base_url=BASE_URL, headers=HEADERS, timeout=30) as api, httpx.Client(timeout=30) as links:
        while rows := api.get("/participants", params=next_page(last_id)).json():
            for row in rows:
                for item in api.get("/diplomas", params={"participant_id": row["id"]}).json()["items"]:
                    pdf = links.get(item["links"]["download"]).content
                    pdf_key, json_key = keys_of(item)
                    s3.put_object(Bucket=BUCKET, Key=pdf_key, Body=pdf)
                    s3.put_object(Bucket=BUCKET, Key=json_key, Body=metadata_of(item))
                    archived += 1
            last_id = rows[-1]["id"]
    return {"diplomas": archived}
