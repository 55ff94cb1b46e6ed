"""The file of rejects as an Excel workbook: the same fields as the CSV file, each as a text, so that 00123 stays."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from xlsxwriter import Workbook

from pipeline.uploads.formulas import formula_safe_bytes
from pipeline.uploads.reject import Reject
from pipeline.uploads.rejects import Layout, RejectFields

SHEET: Final = "Rejects"
MOST_CELLS: Final = 5_000_000
"""XlsxWriter takes 5 to 10 µs for a cell."""

_MOST_ROWS: Final = 1 << 20
_MOST_COLUMNS: Final = 1 << 14
_MOST_TEXT: Final = 32_767
_PIECE_BYTES: Final = 1 << 20
_WIDTH: Final = 18
_CUT: Final = " A cell has no room for all of this row: take it from the CSV file of rejects."


def fits(layout: Layout, count: int) -> bool:
    """Whether a sheet has room for so many rejects, and they are not too many to be written in a short time."""
    width = len(RejectFields(layout).header())
    return count < _MOST_ROWS and width <= _MOST_COLUMNS and count * width <= MOST_CELLS


def rejects_workbook(layout: Layout, rows: Iterable[Reject]) -> Iterator[bytes]:
    """The workbook in pieces, of as many rows as `fits` allows. It is written row by row to a temporary file.

    Bytes that are no UTF-8 become U+FFFD. A text that is too long for a cell is cut, and the row's message says so.
    """
    fields = RejectFields(layout)
    header = fields.header()
    with tempfile.TemporaryDirectory(prefix="onhand-rejects-") as folder:
        path = Path(folder) / "rejects.xlsx"
        book = Workbook(path, {"constant_memory": True, "tmpdir": folder})
        as_text = book.add_format({"num_format": "@"})  # also what a person types into a cell stays as it is typed
        sheet = book.add_worksheet(SHEET)
        sheet.set_column(0, len(header) - 1, _WIDTH, as_text)
        sheet.freeze_panes(1, 0)
        for column, name in enumerate(header):
            sheet.write_string(0, column, _text(name)[:_MOST_TEXT])
        message = len(header) - 1
        for number, row in enumerate(rows, 1):
            texts = [_text(field) for field in fields.fields(row)]
            if len(texts) > _MOST_COLUMNS or max(map(len, texts)) > _MOST_TEXT:
                texts = [text[:_MOST_TEXT] for text in texts[:_MOST_COLUMNS]]
                texts[message] = texts[message][: _MOST_TEXT - len(_CUT)] + _CUT
            for column, text in enumerate(texts):
                if text:
                    sheet.write_string(number, column, text)
        book.close()
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece


def _text(field: bytes) -> str:
    return formula_safe_bytes(field).decode(errors="replace")
