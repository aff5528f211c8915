"""Is a page on which nothing is to be seen a blank side, as its maker wrote it, or has its content been lost?

Rule: a blank side has no content, or content of real operators that draws nothing; zeros and rubbish are damage.
"""

from __future__ import annotations

import logging
import zlib
from typing import Any, BinaryIO

_SPACE = b" \t\r\n\f"  # without NUL, which PDF also takes for a space: zeros are what a lost block of a disk reads as
_OPERATORS = frozenset(  # ISO 32000-2, annex A
    b"b B b* B* BDC BI BMC BT BX c cm CS cs d d0 d1 Do DP EI EMC ET EX f F f* G g gs h i ID j J K k l m M MP n q Q "
    b"re RG rg ri s S SC sc SCN scn sh T* Tc Td TD Tf Tj TJ TL Tm Tr Ts Tw Tz v w W W* y ' \" INLINE".split()
)
_MOST_BYTES = 1_000_000  # a page that shows nothing needs no more


def is_blank_side(file: BinaryIO, page: int) -> bool:
    """Return whether a page shows nothing because nothing was put on it.

    Args:
        page: counted from 0.
    """
    # Only here, where a page is empty: the import costs more than all the rest of a check.
    from pypdf import PasswordType, PdfReader  # noqa: PLC0415
    from pypdf.generic import ContentStream  # noqa: PLC0415

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its log lines would quote the file's contents
    file.seek(0)
    try:
        reader = PdfReader(file, strict=False)
        if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
            return False
        contents = reader.pages[page].get("/Contents")
        contents = contents.get_object() if contents is not None else []
        streams = [one.get_object() for one in contents] if isinstance(contents, list) else [contents]
        data = b"\n".join(_decoded(one) for one in streams)
        if not data.strip(_SPACE):
            return True
        operators = {operator for _, operator in ContentStream(_stream_of(data), reader).operations}
    except Exception:  # noqa: BLE001  pypdf raises many kinds on broken files; all mean that nobody can read it
        return False
    return operators <= _OPERATORS and b"\0" not in data  # what draws nothing has no use for a zero


def _decoded(stream: Any) -> bytes:
    """Return the decoded bytes of a content stream.

    Raises:
        Exception: it cannot be decoded; pypdf itself would make do with what it gets.
    """
    raw, filters = stream._data, stream.get("/Filter")
    filters = filters.get_object() if filters is not None else []
    names = [str(one) for one in (filters if isinstance(filters, list) else [filters])]
    if names == ["/FlateDecode"]:
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(raw, _MOST_BYTES)
        if not unpacking.eof:
            raise ValueError("cut, or far too long")
        return data
    return bytes(stream.get_data())


def _stream_of(data: bytes) -> Any:
    from pypdf.generic import DecodedStreamObject  # noqa: PLC0415

    stream = DecodedStreamObject()
    stream.set_data(data)
    return stream
