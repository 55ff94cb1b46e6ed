"""Which encoding an upload is in, and its bytes as UTF-8."""

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import Final

from pipeline.errors import Invalid
from schemas.errors import ErrorCode

_MARKS: Final = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WIDER: Final = {
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
}
"""What files really are in that are said to be in the first one: it has all characters of that, and more."""
_LOOKED_AT: Final = 4096
_NUL_SHARE: Final = 8
"""One NUL in so many bytes, or more: this is no text with a stray NUL."""
_UTF8: Final = ("utf-8", "utf_8_sig", "utf-8-sig", "ascii")
_PIECE: Final = 1 << 20
_KANA: Final = re.compile("[\u3041-\u30fa]{2}|[\u3041-\u30fa][\u4e00-\u9fff]|[\u4e00-\u9fff][\u3041-\u30fa]")
_CYRILLIC_WORD: Final = re.compile(rb"[\xc0-\xff\xa8\xb8]{4}")


def encoding_of(start: bytes, declared: str | None) -> str | None:
    """The codec that the file has to be read with, or None where it is UTF-8 already.

    Args:
        start: the first bytes, some thousand or all of them.
        declared: what the request says. A byte order mark wins. Of an encoding that is the lesser part of another one,
            as shift_jis is of cp932, it is the other one.

    Raises:
        Invalid: FILE_NOT_CSV, NUL bytes throughout: UTF-16 without a byte order mark, or no text.
    """
    marked = next((codec for mark, codec in _MARKS.items() if start.startswith(mark)), None)
    if marked or start.startswith(codecs.BOM_UTF8):
        return marked
    if declared and codecs.lookup(declared).name not in _UTF8:
        name = codecs.lookup(declared).name
        return f"{name}-{_byte_order(start)}" if name in _MARKS.values() else _WIDER.get(name, name)
    part = start[:_LOOKED_AT]
    nuls = part.count(0)
    if nuls and nuls * _NUL_SHARE >= len(part):
        raise Invalid(ErrorCode.FILE_NOT_CSV, f"{nuls} of the first {len(part)} bytes are NUL: {_nul_kind(part)}")
    return None


def is_one_byte(encoding: str) -> bool:
    """Whether each byte is a character, so that any bytes can be read with it; the first half is ASCII."""
    first, second = bytes(range(128)), bytes(range(128, 256))
    return first.decode(encoding, "replace") == first.decode("ascii") and len(second.decode(encoding, "replace")) == 128


def is_utf8(pieces: Iterable[bytes], *, beyond_ascii: bool = False) -> bool:
    """Whether all the pieces together are text in UTF-8, without NUL. Hardly any other text is so by chance.

    `beyond_ascii`: and more than ASCII, which most encodings read alike.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    only_ascii = True
    try:
        for piece in pieces:
            if b"\0" in piece:
                return False
            decoder.decode(piece)
            only_ascii = only_ascii and piece.isascii()
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return not (beyond_ascii and only_ascii)


def to_utf8(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The pieces as UTF-8, without the byte order mark; what cannot be decoded becomes U+FFFD.

    `encoding` is as `encoding_of` says.

    Raises:
        Invalid: FILE_NOT_CSV, the encoding has no way to replace what it cannot decode.
    """
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    for piece in pieces:
        for start in range(0, len(piece), _PIECE):
            if text := _decoded(decoder, piece[start : start + _PIECE], encoding):
                yield text
    if text := _decoded(decoder, b"", encoding, final=True):
        yield text


def _decoded(decoder: codecs.IncrementalDecoder, piece: bytes, encoding: str, *, final: bool = False) -> bytes:
    try:
        text = decoder.decode(piece, final)
    except UnicodeError as error:  # of the few encodings that cannot replace
        raise Invalid(ErrorCode.FILE_NOT_CSV, f"the file cannot be read as {encoding}: {error}") from error
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return "".join("\ufffd" if 0xD800 <= ord(c) < 0xE000 else c for c in text).encode()


def _byte_order(part: bytes) -> str:
    """Of text in UTF-16 or UTF-32, most of which is ASCII: the first bytes of its characters are NUL, or the last."""
    return "be" if part[0::2].count(0) > part[1::2].count(0) else "le"


def _nul_kind(part: bytes) -> str:
    even, odd = part[0::2].count(0), part[1::2].count(0)
    if max(even, odd) > 4 * min(even, odd):
        encoding = f"utf-16-{_byte_order(part)}"
        return f"this is UTF-16 without a byte order mark; save it as UTF-8, or name the encoding {encoding}"
    return "this is not text; save it as CSV in UTF-8"


def probable_encoding(text: bytes) -> str:
    """The encoding that a text is most likely in which is not UTF-8: of Western Europe, Japan or Cyrillic."""
    if _KANA.search(text.decode("cp932", "replace")):
        return "cp932"
    return "cp1251" if _CYRILLIC_WORD.search(text) else "cp1252"
