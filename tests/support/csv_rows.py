"""Rows as people really send them, by the condition that they show, each with what must become of it."""

from dataclasses import dataclass
from typing import Final

from tests.support.uploads import Upload

BEFORE: Final = 99
"""What each level holds before a file is applied."""


@dataclass(frozen=True)
class Row:
    """One record: fields as they stand in the file. `status` None: it is blank, and none of the data rows.

    `sku` names its product, None where there is none; `holds` is its level's quantity afterwards.
    """

    fields: tuple[str, ...]
    status: str | None
    codes: frozenset[str] = frozenset()
    sku: str | None = None
    location_id: str = "unassigned"
    holds: int | None = None
    suggestion: str | None = None


def good(*fields: str, sku: str | None = None, holds: int | None = None, location_id: str = "unassigned") -> Row:
    """A row that is applied."""
    quantity = int(fields[1]) if holds is None else holds
    return Row(fields, "success", sku=sku or fields[0], holds=quantity, location_id=location_id)


def bad(codes: str, *fields: str, known: bool = True, suggestion: str | None = None) -> Row:
    """A row in error that leaves its level alone. `codes` with blanks between; `known`: it has a product."""
    sku = fields[0] if known else None
    return Row(fields, "error", frozenset(codes.split()), sku, holds=BEFORE if known else None, suggestion=suggestion)


def blank(*fields: str) -> Row:
    """A record that is left out."""
    return Row(fields, None)


_MANY_FIELDS: Final = ("x" * 1000,) * 1100

CONDITIONS: Final[dict[str, tuple[Row, ...]]] = {
    "blank lines and lines of only delimiters are left out and counted": (
        good("BL1", "1"), blank(""), blank("", ""), blank(*[""] * 7), blank("  "), blank('""', " "), blank(*[""] * 20),
        good("BL2", "2"),
    ),
    "bytes that are not UTF-8 are an error of their row": (
        bad("ENCODING", "EN1", "5", "", "caf\udce9"), bad("ENCODING UNKNOWN_SKU", "EN\udcff2", "5", known=False),
        good("EN3", "5", "", "caf\u00e9"), bad("ENCODING", "EN4", "5", "", "cut \udce2\udc82 off"),
    ),
    "quoted fields may hold delimiters, doubled quotes and line breaks": (
        good('"QU,1"', '"5"', sku="QU,1", holds=5), good('"QU""2"', "5", sku='QU"2'), good('"QU;3|"', "5", sku="QU;3|"),
        good("QU4", "5", "", "", "", '"two\r\nlines,\rand\nmore"'), good("QU5", "6", "", '""', "", '""""', '"a\n\n"'),
        bad("CONTROL_CHARACTER UNKNOWN_SKU", '"QU\n6"', "5", known=False), good("QU7", "7"),
    ),
    "a stray quote inside an unquoted field is taken literally": (
        good('6" pipe', "3"), good("SQ2", "4", "", 'a "quoted" word', "", '5"'), good('SQ3"', "5"),
    ),
    "text behind a closing quote is an error of its row": (
        bad("QUOTE_MISPLACED", "MQ1", "5", "", "", "", '"6" pipe"'), good("MQ2", "5"),
        bad("QUOTE_MISPLACED", "MQ3", "5", "", '"a"b'), good("MQ4", "5", "", "", "", '"6"" pipe"'),
    ),
    "a quote never closed is an error of its row, and reading goes on behind it": (
        bad("QUOTE_NOT_CLOSED", "NQ1", "5", "", "", "", '"open'), good("NQ2", "5"),
        good("NQ3", "5", "", "", "", '"closed"'), bad("QUOTE_NOT_CLOSED", "NQ4", "5", "", "", "", '"'),
        good("NQ5", "5", "", "", "", '"closed"'), good("NQ6", "6"),
    ),
    "too few fields are an error of the row, but for optional trailing ones": (
        good("TF1", "5"), bad("TOO_FEW_FIELDS", "TF2"), good("TF3", "5", ""), good("TF4", "5", "", "why"),
    ),
    "too many fields are an error of the row, unless the extras are empty throughout": (
        bad("TOO_MANY_FIELDS", "TM1", "5", *[""] * 5, "x"), good("TM2", "5", *[""] * 6, " ", ""),
        bad("TOO_MANY_FIELDS", "TM3", "5", *[""] * 6, "", "late"),
    ),
    "leading zeros are kept": (good("00042", "5"), good("42", "6"), good("LZ1", "007", holds=7)),
    "a SKU that a spreadsheet has rounded is an error, unless a product is named so": (
        good("1.23E+12", "5"), bad("SKU_SCIENTIFIC", "4.56E+12", "5", known=False),
        bad("SKU_SCIENTIFIC", "7e+05", "5", known=False),
    ),
    "quantities that are accepted": (
        good("QA1", "5"), good("QA2", " 5 "), good("QA3", "+5"), good("QA4", "5.0", holds=5), good("QA5", "0"),
        good("QA6", "\u00a05"), good("QA7", '" 5"', holds=5), good("QA8", "1000000000"), good("QA9", "5.", holds=5),
    ),
    "quantities that are errors of their row": (
        bad("QUANTITY_MISSING", "QR01", ""), bad("QUANTITY_MISSING", "QR02", "  ", "replace"),
        bad("QUANTITY_NOT_AN_INTEGER", "QR03", '"1,234"'), bad("ACTION_NOT_SUPPORTED", "QR04", "1", "234"),
        bad("QUANTITY_NOT_AN_INTEGER", "QR05", "5.5"), bad("QUANTITY_NOT_AN_INTEGER", "QR06", "1e3"),
        bad("QUANTITY_NEGATIVE", "QR07", "-5"), bad("QUANTITY_TOO_LARGE", "QR08", "1000000001"),
        bad("QUANTITY_TOO_LARGE", "QR09", "9" * 40), bad("QUANTITY_NOT_AN_INTEGER", "QR10", "\u0665"),
        bad("QUANTITY_NOT_AN_INTEGER", "QR11", "\uff15"), bad("QUANTITY_NOT_AN_INTEGER", "QR12", "1 000"),
        bad("QUANTITY_NOT_AN_INTEGER", "QR13", "=5"), bad("QUANTITY_NOT_AN_INTEGER", "QR14", "five"),
    ),
    "control characters are an error of their row": (
        bad("CONTROL_CHARACTER", "CC1", "5", "", "bell\x07"), bad("CONTROL_CHARACTER", "CC2", "5", "", "nul\x00!"),
        bad("CONTROL_CHARACTER UNKNOWN_SKU", "CC\x003", "5", known=False), good("CC4", "5"),
        bad("CONTROL_CHARACTER", "CC5", "5", "", "next\u0085line"),
        bad("CONTROL_CHARACTER", "CC6", "5", "", "ctrl\x1az"),
    ),
    "a field over 64 KB is an error of its row": (
        bad("FIELD_TOO_LONG NOTE_TOO_LONG", "FL1", "5", "", "", "", "n" * 66_000), good("FL2", "5"),
        bad("FIELD_TOO_LONG", "FL3", "5", "", "", "", "", f'"{"n" * 66_000}"'), good("FL4", "5"),
    ),
    "a record over 1 MB is an error of its row": (
        good("RL1", "5"), bad("RECORD_TOO_LONG", "RL2", "5", *_MANY_FIELDS), good("RL3", "5"),
    ),
    "values that a spreadsheet would take for formulas are data": (
        good("=SUM(A1)", "5"), good("+FX", "5"), good("-FX", "5"), good("@FX", "5"), good("FX1", "5", "", "=1+1"),
        good("FX2", "5", "", "", "", '"\t=1"'), good("FX3", "5", "", "", "", '"\r=1"'), good("'=FX", "5"),
    ),
    "SKUs are compared in NFC, and near matches are hinted": (
        good("Cafe\u0301", "5", sku="Caf\u00e9"),
        bad("UNKNOWN_SKU", "CAF\u00c9", "5", known=False, suggestion="Caf\u00e9"),
        bad("UNKNOWN_SKU", "nothing like it", "5", known=False),
    ),
    "each copy of a duplicate is an error": (
        bad("DUPLICATE_ROW", "DU1", "5"), good("DU1", "7", "", "", "A-01", location_id="b1"), good("DU2", "5"),
        bad("DUPLICATE_ROW", "DU1", "6"), bad("DUPLICATE_ROW", "DU3", "5"),
        bad("DUPLICATE_ROW", "DU3", "5", "", "", "unassigned"),
    ),
}  # fmt: skip
"""Every condition of one row. Each row has a product of its own, so that all can stand in one file."""

ALL_ROWS: Final = tuple(row for rows in CONDITIONS.values() for row in rows)


def add_rows(upload: Upload, rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Write rows at the end of a file; those that its format can write."""
    written = tuple(row for row in rows if upload.format.takes(row.fields))
    for row in written:
        if row.status is None:
            upload.blank(*row.fields)
        else:
            upload.record(*row.fields)
    return written
