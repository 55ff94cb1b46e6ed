"""Workbooks for tests: as XlsxWriter makes them, and with XML that is written out."""

import io
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import xlsxwriter

from pipeline.syncs.content import content_digest
from pipeline.uploads.workbook import Workbook

MOST = 10**8
NS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def written(fill: Callable[[Any], object], **options: Any) -> bytes:
    """A workbook as XlsxWriter makes it."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, options)
    fill(book)
    book.close()
    return file.getvalue()


def of_rows(*rows: Sequence[Any], name: str = "Stock") -> bytes:
    """A workbook of one sheet; strings are text cells, numbers are number cells."""

    def fill(book: Any) -> None:
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(number, column, value)
                elif value is not None:
                    sheet.write(number, column, value)

    return written(fill, default_date_format="yyyy-mm-dd")


def by_hand(
    rows: str,
    *,
    strings: str = "",
    formats: Sequence[str] = (),
    book: str = "",
    parts: dict[str, bytes] | None = None,
    sheet: str | None = None,
    types: str = "sheet.main",
) -> bytes:
    """A workbook whose XML is written out: `rows` are those of its sheet, `formats` the styles from 1 on."""
    numbers = "".join(f'<numFmt numFmtId="{200 + n}" formatCode="{code}"/>' for n, code in enumerate(formats))
    styles = "".join(f'<xf numFmtId="{200 + n}"/>' for n in range(len(formats)))
    content = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Override PartName="/xl/workbook.xml" '
        f'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.{types}+xml"/></Types>',
        "xl/workbook.xml": f'<workbook xmlns="{NS}" xmlns:r="{REL}">{book}<sheets>'
        '<sheet name="Stock" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{REL}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{REL}/sharedStrings" Target="/xl/sharedStrings.xml"/>'
        f'<Relationship Id="r3" Type="{REL}/styles" Target="styles.xml"/></Relationships>',
        "xl/sharedStrings.xml": f'<sst xmlns="{NS}">{strings}</sst>',
        "xl/styles.xml": f'<styleSheet xmlns="{NS}"><numFmts>{numbers}</numFmts><cellStyleXfs><xf numFmtId="14"/>'
        f'</cellStyleXfs><cellXfs><xf numFmtId="0"/>{styles}</cellXfs></styleSheet>',
        "xl/worksheets/sheet1.xml": sheet or f'<worksheet xmlns="{NS}"><sheetData>{rows}</sheetData></worksheet>',
        **(parts or {}),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in content.items():
            package.writestr(name, data)
    return file.getvalue()


def lines(content: bytes, sheet: str | None = None, **how: bool) -> list[bytes]:
    book = Workbook(io.BytesIO(content), sheet, MOST)
    return b"".join(book.rows(content_digest(), **how)).split(b"\n")[:-1]
