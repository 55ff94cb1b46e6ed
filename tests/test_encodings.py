"""Encodings of uploads: which one a file is in, and the same text as UTF-8 however the bytes come."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Invalid
from pipeline.uploads.encodings import encoding_of, to_utf8
from schemas.errors import ErrorCode
from tests.support.csv_files import pieces

TEXT = 'sku,quantity,note\r\nA-1,5,"größe, 10 €"\r\nB-😀,7,日本\r\n'


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("declared", [None, "cp1252"])
def test_a_byte_order_mark_tells_the_encoding_whatever_was_declared(codec: str, declared: str | None) -> None:
    content = codecs.BOM_UTF8.decode("utf-8").encode(codec) + TEXT.encode(codec)
    encoding = encoding_of(content, declared)
    assert encoding is not None
    assert b"".join(to_utf8([content], encoding)).decode() == TEXT


@pytest.mark.parametrize(
    "content", [TEXT.encode(), codecs.BOM_UTF8 + TEXT.encode(), b"", b"A\x00,1\nB,2\nC,3", b"\xff,1"]
)
@pytest.mark.parametrize("declared", [None, "utf-8", "UTF8", "utf-8-sig", "ascii"])
def test_utf8_is_left_as_it_is_and_so_are_stray_bytes_for_the_rows_to_tell(
    content: bytes, declared: str | None
) -> None:
    assert encoding_of(content, declared) is None


@pytest.mark.parametrize("codec", ["cp1252", "shift_jis", "gb18030", "iso2022_jp", "utf-16-le", "koi8-r"])
def test_a_declared_encoding_is_read_with(codec: str) -> None:
    text = TEXT.encode(codec, "ignore").decode(codec)
    content = text.encode(codec)
    encoding = encoding_of(content, codec)
    assert encoding is not None
    for size in (1, 2, 3, 7, 1000):
        assert b"".join(to_utf8(pieces(content, size), encoding)).decode() == text


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf16_that_was_declared_and_has_no_byte_order_mark_is_read_in_the_order_that_it_is_in(codec: str) -> None:
    content = "sku,quantity\nA,1\n".encode(codec)
    assert encoding_of(content, codec[:6]) == codec


@given(text=st.text(max_size=50), size=st.integers(1, 9), codec=st.sampled_from(["utf-16", "utf-32"]))
def test_any_text_comes_out_as_it_went_in_whatever_the_pieces(text: str, size: int, codec: str) -> None:
    assert b"".join(to_utf8(pieces(text.encode(codec), size), codec)).decode() == text


@given(content=st.binary(max_size=60), size=st.integers(1, 9))
@pytest.mark.parametrize("codec", ["cp1252", "shift_jis", "utf-16-le", "utf-16-be", "utf-32-le", "utf-7", "gb18030"])
def test_any_bytes_become_utf8_and_what_cannot_be_decoded_the_replacement_character(
    codec: str, content: bytes, size: int
) -> None:
    assert b"".join(to_utf8(pieces(content, size), codec)).decode() is not None


def test_what_cannot_be_decoded_does_not_take_its_neighbours_along() -> None:
    assert b"".join(to_utf8([b"A\x81B,1\n"], "cp1252")).decode() == "A\ufffdB,1\n"
    assert (
        b"".join(to_utf8([codecs.BOM_UTF16_LE + "A,1\n".encode("utf-16-le") + b"\x00"], "utf-16")).decode()
        == "A,1\n\ufffd"
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        (b"\x00" * 100, "not text"),
        (b"\x00\x01\x00\x00" * 100, "not text"),
    ],
    ids=["UTF-16 LE", "UTF-16 BE", "only NUL", "NUL throughout"],
)
def test_nul_bytes_throughout_without_a_byte_order_mark_are_refused_saying_what_to_do(
    content: bytes, told: str
) -> None:
    with pytest.raises(Invalid) as refused:
        encoding_of(content, None)
    assert refused.value.code is ErrorCode.FILE_NOT_CSV
    assert told in refused.value.detail
    assert "save it as" in refused.value.detail


def test_an_encoding_that_cannot_replace_what_it_cannot_decode_makes_the_file_no_csv() -> None:
    with pytest.raises(Invalid) as refused:
        list(to_utf8([b"xn--\xff,1\n"], "idna"))
    assert refused.value.code is ErrorCode.FILE_NOT_CSV
