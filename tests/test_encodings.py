"""Encodings of uploads: which one a file is in, and the same text as UTF-8 however the bytes come."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Invalid
from pipeline.uploads.encodings import encoding_of, is_one_byte, is_utf8, probable_encoding, to_utf8
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


@pytest.mark.parametrize(
    ("declared", "wider"),
    [
        ("shift_jis", "cp932"),
        ("sjis", "cp932"),
        ("gb2312", "gb18030"),
        ("latin-1", "cp1252"),
        ("euc-kr", "cp949"),
        ("koi8-r", "koi8-r"),
    ],
)
def test_an_encoding_is_read_as_the_one_that_has_all_of_it(declared: str, wider: str) -> None:
    assert encoding_of(b"sku,quantity\n", declared) == wider


def test_a_byte_order_mark_of_utf8_wins_over_what_was_declared() -> None:
    assert encoding_of(codecs.BOM_UTF8 + b"sku,quantity\n", "cp1252") is None


@pytest.mark.parametrize(
    ("codec", "one"),
    [("cp1252", True), ("iso8859-15", True), ("koi8-r", True), ("cp932", False), ("gb18030", False), ("utf-7", False),
     ("utf-16-le", False), ("cp500", False)],
)  # fmt: skip
def test_which_encodings_have_one_byte_for_each_character_and_begin_like_ascii(codec: str, one: bool) -> None:
    assert is_one_byte(codec) is one


@given(text=st.text(max_size=30), size=st.integers(1, 9))
def test_text_in_utf8_is_known_however_the_bytes_come_and_ascii_is_not_called_that(text: str, size: int) -> None:
    without_nul = "\0" not in text
    assert is_utf8(pieces(text.encode(), size)) is without_nul
    assert is_utf8(pieces(text.encode(), size), beyond_ascii=True) is (without_nul and not text.isascii())
    assert not is_utf8(pieces(text.encode() + b"\xe2\x82", size))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Gr\u00fc\u00dfe", "cp1252"), ("caf\u00e9", "cp1252"), ("Z\u00e4hlung S\u00fcd", "cp1252"),
     ("\u30dd\u30b9\u30c8", "cp932"), ("\u304a\u8336", "cp932"), ("\u0441\u043a\u043b\u0430\u0434", "cp1251")],
)  # fmt: skip
def test_the_encoding_that_a_text_is_probably_in(text: str, encoding: str) -> None:
    assert probable_encoding(text.encode(encoding)) == encoding
