"""The floor: asyncio, httpx and boto3 in threads; list, download, two PUTs. No orchestrator and no checks at all."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from benchmarks.peers.frontcore import BASE_URL, BUCKET, HEADERS, THREADS, keys_of, metadata_of, next_page, s3_client


async def archive_all() -> int:
    """Archive every diploma and return how many there were."""
    s3, loop, pool = s3_client(), asyncio.get_running_loop(), ThreadPoolExecutor(THREADS)
    queue: asyncio.Queue[int | None] = asyncio.Queue(THREADS * 4)
    archived = 0

    def put(key: str, body: bytes) -> None:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    async with (
        httpx.AsyncClient(base_url=BASE_URL, headers=HEADERS, timeout=30) as api,
        httpx.AsyncClient(timeout=30) as links,
    ):

        async def work() -> None:
            nonlocal archived
            while (participant_id := await queue.get()) is not None:
                listing = (await api.get("/diplomas", params={"participant_id": participant_id})).json()
                for item in listing["items"]:
                    pdf = (await links.get(item["links"]["download"])).content
                    pdf_key, json_key = keys_of(item)
                    await loop.run_in_executor(pool, put, pdf_key, pdf)
                    await loop.run_in_executor(pool, put, json_key, metadata_of(item))
                    archived += 1

        workers = [asyncio.create_task(work()) for _ in range(THREADS)]
        last_id = 0
        while rows := (await api.get("/participants", params=next_page(last_id))).json():
            for row in rows:
                await queue.put(row["id"])
            last_id = rows[-1]["id"]
        for _ in workers:
            await queue.put(None)
        await asyncio.gather(*workers)
    pool.shutdown()
    return archived


def main() -> dict[str, Any]:
    """Run it."""
    return {"diplomas": asyncio.run(archive_all())}
