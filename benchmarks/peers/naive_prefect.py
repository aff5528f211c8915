"""Prefect as its tutorials show it: a task to list, a task to archive, mapped over participants, with retries."""

from __future__ import annotations

from typing import Any

import httpx
from prefect import flow, task
from prefect.task_runners import ThreadPoolTaskRunner

from benchmarks.peers.frontcore import BASE_URL, BUCKET, HEADERS, THREADS, keys_of, metadata_of, next_page, s3_client

S3 = s3_client()


@task(retries=3, retry_delay_seconds=1)
def list_diplomas(participant_id: int) -> list[dict[str, Any]]:
    """Return the diplomas of one participant."""
    answer = httpx.get(f"{BASE_URL}/diplomas", params={"participant_id": participant_id}, headers=HEADERS, timeout=30)
    return list(answer.raise_for_status().json()["items"])


@task(retries=3, retry_delay_seconds=1)
def archive(items: list[dict[str, Any]]) -> int:
    """Archive them and return how many they were."""
    for item in items:
        pdf = httpx.get(item["links"]["download"], timeout=30).raise_for_status().content
        pdf_key, json_key = keys_of(item)
        S3.put_object(Bucket=BUCKET, Key=pdf_key, Body=pdf)
        S3.put_object(Bucket=BUCKET, Key=json_key, Body=metadata_of(item))
    return len(items)


@flow(task_runner=ThreadPoolTaskRunner(max_workers=THREADS), log_prints=False)  # type: ignore[arg-type]
def naive() -> int:
    """Archive every diploma and return how many there were."""
    participants: list[int] = []
    while rows := httpx.get(
        f"{BASE_URL}/participants", params=next_page(participants[-1] if participants else 0), headers=HEADERS
    ).json():
        participants += [row["id"] for row in rows]
    listings = list_diplomas.map(participants)
    return sum(archive.map(listings).result())


def main() -> dict[str, Any]:
    """Run it."""
    return {"diplomas": naive()}
