"""The broken transfers of real networks; the rule: only the way the bytes travel is wrong, not what they say."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from dataclasses import dataclass
from functools import lru_cache

from diploma_archive.sandbox.fault_script import Exchange, Fault

_MEBIBYTE = 1024 * 1024
# Blanks may follow a JSON text and a PDF alike, so a padded body is still the right one to whoever reads all of it.
_BLANKS = b" " * 65_536
_LETTERS = b"x" * 65_536


@dataclass(frozen=True)
class Gzip(Fault):
    """The right body compressed, though identity was asked for."""

    async def answer(self, exchange: Exchange) -> None:
        """Send it."""
        packed = gzip.compress(bytes(exchange.right.body), mtime=0)
        await exchange.start(content_length=len(packed), headers={"Content-Encoding": "gzip"})
        await exchange.body(packed, more=False)


@dataclass(frozen=True)
class GzipBomb(Fault):
    """A small compressed body that unpacks to `mb` mebibytes of blanks."""

    mb: int = 200

    async def answer(self, exchange: Exchange) -> None:
        """Send it."""
        packed = await asyncio.to_thread(_bomb, self.mb)
        await exchange.start(content_length=len(packed), headers={"Content-Encoding": "gzip"})
        await exchange.body(packed, more=False)


@dataclass(frozen=True)
class Truncated(Fault):
    """The connection ends within the body: with Content-Length the client can tell, close-delimited it cannot."""

    with_content_length: bool = True
    keep: float = 0.5

    async def answer(self, exchange: Exchange) -> None:
        """Send it."""
        body = bytes(exchange.right.body)
        part = body[: int(len(body) * self.keep)]
        if self.with_content_length:
            await exchange.start(content_length=len(body))
            await exchange.body(part)
        else:
            # By itself uvicorn would send chunks, and the client would miss the last one.
            media_type = exchange.right.headers["content-type"]
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nConnection: close\r\n\r\n"
            exchange.transport.write(head.encode() + part)
        await exchange.close()


@dataclass(frozen=True)
class CutChunked(Fault):
    """A chunked body that ends without its last chunk."""

    keep: float = 0.5

    async def answer(self, exchange: Exchange) -> None:
        """Send it."""
        body = bytes(exchange.right.body)
        await exchange.start(content_length=None)
        await exchange.body(body[: int(len(body) * self.keep)])
        await exchange.close()


@dataclass(frozen=True)
class Drip(Fault):
    """The right body, byte by byte."""

    bytes_per_second: float = 1

    async def answer(self, exchange: Exchange) -> None:
        """Send it."""
        body = bytes(exchange.right.body)
        await exchange.start(content_length=len(body))
        for position in range(len(body)):
            if exchange.gone:
                return
            await exchange.body(body[position : position + 1], more=position + 1 < len(body))
            await asyncio.sleep(1 / self.bytes_per_second)


@dataclass(frozen=True)
class HugeBody(Fault):
    """The right body and `mb` mebibytes of blanks behind it."""

    mb: int = 200
    with_content_length: bool = False

    async def answer(self, exchange: Exchange) -> None:
        """Send it."""
        body = bytes(exchange.right.body)
        blanks = self.mb * _MEBIBYTE
        await exchange.start(content_length=len(body) + blanks if self.with_content_length else None)
        await exchange.body(body)
        for _ in range(blanks // len(_BLANKS)):
            if exchange.gone:
                return
            await exchange.body(_BLANKS)
        await exchange.body(b"", more=False)


@dataclass(frozen=True)
class HugeString(Fault):
    """A list that holds one string of `mb` mebibytes, as valid JSON."""

    mb: int = 200

    async def answer(self, exchange: Exchange) -> None:
        """Send it."""
        await exchange.start(content_length=None)
        await exchange.body(b'["')
        for _ in range(self.mb * _MEBIBYTE // len(_LETTERS)):
            if exchange.gone:
                return
            await exchange.body(_LETTERS)
        await exchange.body(b'"]', more=False)


@dataclass(frozen=True)
class Endless(Fault):
    """The right body and blanks for ever."""

    async def answer(self, exchange: Exchange) -> None:
        """Send it."""
        await exchange.start(content_length=None)
        await exchange.body(bytes(exchange.right.body))
        while not exchange.gone:
            await exchange.body(_BLANKS)
            # The other connections want their turn even when this client reads as fast as it can.
            await asyncio.sleep(0)


@dataclass(frozen=True)
class Stall(Fault):
    """Silence for so many seconds, then the right answer."""

    seconds: float

    async def answer(self, exchange: Exchange) -> None:
        """Send it."""
        await asyncio.sleep(self.seconds)
        await exchange.reply(exchange.right)


@dataclass(frozen=True)
class Reset(Fault):
    """The connection closes without an answer; `hard` does it with a TCP reset."""

    hard: bool = False

    async def answer(self, exchange: Exchange) -> None:
        """Close."""
        await exchange.close(reset=self.hard)


@lru_cache(maxsize=4)
def _bomb(mebibytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)  # 31: with a gzip header
    parts = [packer.compress(_BLANKS) for _ in range(mebibytes * _MEBIBYTE // len(_BLANKS))]
    return b"".join(parts) + packer.flush()
