"""The one list of error codes: results, row errors, job errors and dead letters all take their code from here.

A code never changes its meaning and is never reused. The hint tells a person what to do.
"""

import re
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

from schemas.shortages import Holding


class ErrorCode(StrEnum):
    """A stable code; `meaning` says what happened and `hint` what to do."""

    meaning: str
    hint: str

    def __new__(cls, code: str, meaning: str = "", hint: str = "") -> "ErrorCode":
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.hint = hint
        return member

    # Messages
    INVALID_MESSAGE = (
        "INVALID_MESSAGE",
        "The message does not match its contract.",
        "Correct the named field; the contracts are in schemas/generated.",
    )
    UNKNOWN_TYPE = (
        "UNKNOWN_TYPE",
        "The CloudEvents type is not one that this topic carries.",
        "Use one of the expected types.",
    )
    MESSAGE_NOT_PROCESSABLE = (
        "MESSAGE_NOT_PROCESSABLE",
        "The message fails in a way that no rule describes.",
        "The worker's log has the trace under the same topic, partition and offset; this is a bug of onhand.",
    )
    MESSAGE_TOO_LARGE = (
        "MESSAGE_TOO_LARGE",
        "The message is larger than its topic takes.",
        "The database has all that it says. Give commands fewer lines, or let the topic take larger messages.",
    )

    # Catalogue and stock
    UNKNOWN_WAREHOUSE = (
        "UNKNOWN_WAREHOUSE",
        "The account has no such warehouse.",
        "Correct the id (in a file: the id or the exact name), or create the warehouse first: warehouse.upsert.",
    )
    WAREHOUSE_AMBIGUOUS = (
        "WAREHOUSE_AMBIGUOUS",
        "Several warehouses of the account have this name.",
        "Write the warehouse's id; `onhand warehouses` lists them.",
    )
    UNKNOWN_SKU = (
        "UNKNOWN_SKU",
        "The account has no product of this SKU.",
        "Correct the SKU, or create the product first: product.upsert.",
    )
    SKU_NOT_IN_WAREHOUSE = (
        "SKU_NOT_IN_WAREHOUSE",
        "The product is not available in this warehouse.",
        "Correct the SKU, or add the warehouse to the product's warehouse_ids: product.upsert.",
    )
    UNKNOWN_LOCATION = (
        "UNKNOWN_LOCATION",
        "The warehouse has no such location.",
        "Correct it (in a file by the location's name, in a command by its id), leave it empty for the unassigned bin, "
        "or create it first: location.create.",
    )
    LOCATION_NOT_ALLOWED = (
        "LOCATION_NOT_ALLOWED",
        "The warehouse has static slotting: its stock has no bins.",
        "Leave the location empty.",
    )
    LOCATION_EXISTS = (
        "LOCATION_EXISTS",
        "The warehouse already has another location of this id or name.",
        "Choose another id or name.",
    )
    SLOTTING_IS_FIXED = (
        "SLOTTING_IS_FIXED",
        "A warehouse keeps the slotting that it was created with.",
        "Create another warehouse and move the stock.",
    )
    NEGATIVE_STOCK_EXISTS = (
        "NEGATIVE_STOCK_EXISTS",
        "The warehouse holds negative stock, and is to allow none.",
        "Bring stock there, count it, or cancel orders that it is committed to: `onhand levels`, `onhand allocations`.",
    )
    INSUFFICIENT_STOCK = (
        "INSUFFICIENT_STOCK",
        "The level holds less in this state than the change takes.",
        "Check the quantity, or count the location. Where units are committed, ship or cancel those orders. With "
        "allow_negative of the warehouse, what is available may fall below zero, and no other state.",
    )
    NOTHING_ALLOCATED = (
        "NOTHING_ALLOCATED",
        "The document has nothing allocated on the level.",
        "Send order.allocated first, and this message again under a new id. To ship without an allocation, say "
        "allocated: false. What was shipped or cancelled before is in `onhand log --document`.",
    )
    ALLOCATION_EXCEEDED = (
        "ALLOCATION_EXCEEDED",
        "The document has less allocated on the level than the message takes.",
        "Ship or cancel what is open (`onhand allocations --document`); allocate the rest first, or ship it with "
        "allocated: false.",
    )
    QUANTITY_OUT_OF_RANGE = (
        "QUANTITY_OUT_OF_RANGE",
        "The level would pass the largest quantity that onhand keeps.",
        "Check the quantity.",
    )
    STALE_QUANTITY = (
        "STALE_QUANTITY",
        "The level does not hold what the command or row expects.",
        "Look at the level again and decide again; then change what is expected, and give a command a new id.",
    )
    STATE_NOT_ADJUSTABLE = (
        "STATE_NOT_ADJUSTABLE",
        "This state cannot be adjusted: committed follows orders, incoming follows schedules and transfers.",
        "Use an order's message, a schedule or a transfer.",
    )
    MOVE_NOT_ALLOWED = (
        "MOVE_NOT_ALLOWED",
        "Units cannot be moved between these two states.",
        "Move between available, reserved, damaged, safety_stock and quality_control.",
    )
    SAME_LOCATION = ("SAME_LOCATION", "The units would end where they are.", "Name another location to bring them to.")
    UNKNOWN_REASON = (
        "UNKNOWN_REASON",
        "The account has no such reason.",
        "Use one of the reasons of the README, register it with reason.upsert, or write it into note.",
    )
    LOT_REQUIRED = ("LOT_REQUIRED", "The product is tracked by lot, and no lot is named.", "Name the lot.")
    LOT_NOT_ALLOWED = ("LOT_NOT_ALLOWED", "The product is not tracked by lot.", "Leave the lot empty.")
    UNKNOWN_LOT = (
        "UNKNOWN_LOT",
        "The product has no lot of this id.",
        "Correct the id, or create the lot first: lot.upsert.",
    )
    LOT_TRACKING_IS_FIXED = (
        "LOT_TRACKING_IS_FIXED",
        "A product is tracked by lot or not from its creation on.",
        "Create another product and count its stock there.",
    )
    LOCATION_NOT_EMPTY = (
        "LOCATION_NOT_EMPTY",
        "The location holds stock, or stock is on its way to it.",
        "Send it with remove_inventory, or move the stock. What is on its way must arrive or be cancelled before; what "
        "is committed to orders must be shipped or cancelled: `onhand allocations`.",
    )
    LOCATION_NAME_LAYOUT = (
        "LOCATION_NAME_LAYOUT",
        "The location's name does not follow the warehouse's layout.",
        "Give it as many parts as the layout has, with ' - ' between them.",
    )
    LOCATION_IS_BUILT_IN = (
        "LOCATION_IS_BUILT_IN",
        "Every warehouse has this location; it is not renamed, deleted or closed for sale.",
        "Name another location.",
    )
    UNKNOWN_VENDOR = (
        "UNKNOWN_VENDOR",
        "The account has no vendor of this id.",
        "Send vendor.upsert first, or correct the id.",
    )
    SCHEDULE_EXISTS = ("SCHEDULE_EXISTS", "The account has a schedule of this id.", "Choose another schedule_id.")
    UNKNOWN_SCHEDULE = ("UNKNOWN_SCHEDULE", "The account has no schedule of this id.", "Check the id and the account.")
    SCHEDULE_CLOSED = (
        "SCHEDULE_CLOSED",
        "The schedule was applied or cancelled before.",
        "Adjust the stock if it should be otherwise.",
    )
    TRANSFER_EXISTS = ("TRANSFER_EXISTS", "The account has a transfer of this id.", "Choose another transfer_id.")
    UNKNOWN_TRANSFER = ("UNKNOWN_TRANSFER", "The account has no transfer of this id.", "Send transfer.shipped first.")
    TRANSFER_CLOSED = (
        "TRANSFER_CLOSED",
        "Nothing of this transfer is on its way any more.",
        "Add what arrived with inventory.add.",
    )
    TRANSFER_EXCEEDED = (
        "TRANSFER_EXCEEDED",
        "More arrived than was on its way.",
        "Receive what was shipped, and add the rest with inventory.add.",
    )
    CHANNEL_LOCATION_LINKED = (
        "CHANNEL_LOCATION_LINKED",
        "The channel's location is linked to another warehouse.",
        "Send channel.unlink first.",
    )
    UNKNOWN_CHANNEL_LOCATION = (
        "UNKNOWN_CHANNEL_LOCATION",
        "The channel's location is not linked to a warehouse.",
        "Send channel.link first.",
    )
    MASTER_EXISTS = (
        "MASTER_EXISTS",
        "The account has another master stock location.",
        "Link that one again without master first.",
    )
    FORBIDDEN_ACCOUNT = (
        "FORBIDDEN_ACCOUNT",
        "The account may not act for this customer.",
        "Correct the customer's id, or have the customer grant it with account.link.",
    )
    IDEMPOTENCY_MISMATCH = (
        "IDEMPOTENCY_MISMATCH",
        "The command id was used before with another body.",
        "Give each command an id of its own.",
    )

    # Rows of an upload
    SKU_MISSING = ("SKU_MISSING", "The row has no SKU.", "Fill in the SKU.")
    SKU_TOO_LONG = (
        "SKU_TOO_LONG",
        "The SKU has more than 255 characters.",
        "Correct the SKU; perhaps several fields have run together.",
    )
    QUANTITY_MISSING = ("QUANTITY_MISSING", "The row has no quantity.", "Fill in the quantity; write 0 for none.")
    QUANTITY_NOT_AN_INTEGER = (
        "QUANTITY_NOT_AN_INTEGER",
        "The quantity is not a whole number.",
        "Write digits 0-9 only, as 1234: no decimals other than .0, no exponent. Where marks stand between thousands, "
        "or a comma before decimals, say so: --decimal , (1.250 is 1250, 5,0 is 5), or --decimal . (1,250 is 1250).",
    )
    QUANTITY_AMBIGUOUS = (
        "QUANTITY_AMBIGUOUS",
        "The number can be read in two ways, and no other number of its column shows which is meant.",
        "Say which mark stands before decimals: --decimal . (1.000 is 1) or --decimal , (1.000 is 1000); an account "
        "says it once, as its upload_decimal. Where a number was split at its comma, put quotes around it; where the "
        "column behind it is one of its own, say so: --column 'note=note'.",
    )
    QUANTITY_NEGATIVE = (
        "QUANTITY_NEGATIVE",
        "The quantity is below zero.",
        "Write 0 or more. To take units away, write how many, and remove as the action.",
    )
    QUANTITY_TOO_LARGE = ("QUANTITY_TOO_LARGE", "The quantity is above 1,000,000,000.", "Check the quantity.")
    ACTION_NOT_SUPPORTED = (
        "ACTION_NOT_SUPPORTED",
        "The action is not one that a sync knows.",
        "Write replace, add, remove or move; an empty action means replace.",
    )
    EXPECTATION_NOT_AN_INTEGER = (
        "EXPECTATION_NOT_AN_INTEGER",
        "What the row expects of the level, expected_quantity or expected_version, is not a whole number.",
        "Write digits 0-9 only, or leave the field empty to expect nothing.",
    )
    WAREHOUSE_MISSING = (
        "WAREHOUSE_MISSING",
        "The row names no warehouse, and the request is for all of them.",
        "Fill in the warehouse's id or name, or submit the file for the one warehouse that empty cells mean.",
    )
    WAREHOUSE_NOT_REQUESTED = (
        "WAREHOUSE_NOT_REQUESTED",
        "The row is about another warehouse than the request.",
        "Submit with --warehouse '*' to apply each row to the warehouse that it names; or correct the cell.",
    )
    TO_LOCATION_MISSING = (
        "TO_LOCATION_MISSING",
        "The row moves units and does not say where to.",
        "Fill in to_location; write unassigned for the warehouse's unassigned bin.",
    )
    TO_LOCATION_NOT_ALLOWED = (
        "TO_LOCATION_NOT_ALLOWED",
        "The row names a to_location and is no move.",
        "Leave to_location empty, or write move as the action.",
    )
    SKU_SCIENTIFIC = (
        "SKU_SCIENTIFIC",
        "The SKU looks like a number that a spreadsheet has rounded, and no product has it.",
        "Format the column as text in the spreadsheet, enter the SKU again, and export the file again.",
    )
    REASON_TOO_LONG = ("REASON_TOO_LONG", "The reason has more than 255 characters.", "Shorten the reason.")
    NOTE_TOO_LONG = ("NOTE_TOO_LONG", "The note has more than 255 characters.", "Shorten the note.")
    LOCATION_TOO_LONG = (
        "LOCATION_TOO_LONG",
        "The location has more than 255 characters.",
        "Correct the location; perhaps several fields have run together.",
    )
    CONTROL_CHARACTER = (
        "CONTROL_CHARACTER",
        "The field has an invisible control character, as a tab or a line break is one.",
        "Type the field again; such characters often come with what is pasted.",
    )
    ENCODING = (
        "ENCODING",
        "The field has bytes that are not UTF-8.",
        "Save the file as CSV UTF-8, or say what it is: --encoding cp1252 for a file of an older Excel, "
        "--encoding cp932 for one from Japan; an account says it once, as its upload_encoding.",
    )
    TOO_FEW_FIELDS = (
        "TOO_FEW_FIELDS",
        "The row ends before its last required field.",
        "Fill in all fields up to the last required one. If the rest stands in the next row, put quotes around "
        "the field with the line break.",
    )
    ROW_IN_QUOTES = (
        "ROW_IN_QUOTES",
        "The whole row stands in quotes, as one field.",
        "Remove the quotes around the row, and write doubled quotes in it once; or export the file again. A "
        "spreadsheet that expects another separator saves rows so.",
    )
    HEADER_REPEATED = (
        "HEADER_REPEATED",
        "The row has the names of the columns once more; perhaps several files were joined.",
        "Remove the row. Check the one before it: it may have run together with a header, and the one behind it.",
    )
    TOO_MANY_FIELDS = (
        "TOO_MANY_FIELDS",
        "The row has more fields than the header.",
        "Put quotes around a field with a delimiter in it. In a file of rejects, what is too much stands behind "
        "error_messages: move it to where it belongs, and empty those cells.",
    )
    QUOTE_NOT_CLOSED = (
        "QUOTE_NOT_CLOSED",
        "The row opens a quote and does not close it; its first line was taken as the whole row.",
        'Close the quote, or write it twice where it is part of the text: "6"" pipe". In a file of rejects, one '
        "cell has the rest of the row: divide it.",
    )
    QUOTE_MISPLACED = (
        "QUOTE_MISPLACED",
        "The row has text between a closing quote and the next delimiter.",
        'Write a quote twice where it is part of the text: "6"" pipe". In a file of rejects, one cell has the '
        "rest of the row: divide it.",
    )
    FIELD_TOO_LONG = (
        "FIELD_TOO_LONG",
        "A field of the row has more than 64 KB.",
        "Shorten the field; perhaps a quote was not closed.",
    )
    RECORD_TOO_LONG = (
        "RECORD_TOO_LONG",
        "The row has more than 1 MB.",
        "Check for a missing line break or a quote that is not closed.",
    )
    DUPLICATE_ROW = (
        "DUPLICATE_ROW",
        "The file names this SKU and location more than once.",
        "Keep one row for each SKU and location, or submit with --duplicates last or sum; what is summed must all "
        "be good and do the same.",
    )
    SUPERSEDED = (
        "SUPERSEDED",
        "A later row of the file about the same SKU and location took the place of this one.",
        "Nothing has to be done, if the last row is the right one.",
    )
    LEFT_AS_IT_IS = (
        "LEFT_AS_IT_IS",
        "The row leaves the stock as it is: in a file of this system, its quantity says so.",
        "Nothing has to be done. To set the stock, fill in a number, 0 for none.",
    )
    LEVEL_CHANGED_SINCE = (
        "LEVEL_CHANGED_SINCE",
        "The level has changed since the time that the file is of.",
        "Count again. Or submit the row without as_of: it then overwrites what is newer.",
    )

    # Files
    FILE_NOT_FOUND = (
        "FILE_NOT_FOUND",
        "The file does not exist.",
        "Check the URL, and submit it again. A file that is dropped again is a sync of its own, also under the same "
        "name.",
    )
    FILE_UNREACHABLE = (
        "FILE_UNREACHABLE",
        "The file's server cannot be reached.",
        "Check the URL and the network, and submit again.",
    )
    FILE_FORBIDDEN = (
        "FILE_FORBIDDEN",
        "The file's server refuses access.",
        "Grant onhand read access, and submit again.",
    )
    FILE_EMPTY = ("FILE_EMPTY", "The file is empty.", "Export it again; the first line must be the header.")
    FILE_CHANGED = (
        "FILE_CHANGED",
        "The file was replaced before it was read to its end; nothing of it was applied.",
        "Nothing has to be done where it was dropped into the uploads bucket: the new file is a sync of its own. "
        "Otherwise submit it again.",
    )
    FILE_TOO_LARGE = (
        "FILE_TOO_LARGE",
        "The file is larger than the limit.",
        "Split the file, or raise ONHAND_UPLOAD_MAX_BYTES.",
    )
    FILE_NOT_CSV = (
        "FILE_NOT_CSV",
        "The file cannot be read as CSV.",
        "Save it as CSV UTF-8, with commas; a spreadsheet offers that among the formats to save in.",
    )
    FILE_NOT_UNPACKED = (
        "FILE_NOT_UNPACKED",
        "The compressed file cannot be unpacked.",
        "Compress one CSV file again with gzip or zip, without a password.",
    )
    WORKBOOK_NOT_READABLE = (
        "WORKBOOK_NOT_READABLE",
        "The Excel workbook cannot be read.",
        "Save it as Excel Workbook (.xlsx) without macros and without a password, or as CSV UTF-8; upload it again.",
    )
    UNKNOWN_SHEET = (
        "UNKNOWN_SHEET",
        "The workbook has no sheet of this name.",
        "Name one that it has (--sheet NAME), or leave the option out: then the first visible sheet is read.",
    )
    INCOMPLETE_DOWNLOAD = (
        "INCOMPLETE_DOWNLOAD",
        "The file may have been cut off on its way: its server named no length, and its last row has no line end.",
        "Look at the last row. `onhand sync approve` applies the file as it came, `onhand sync abort` gives it up.",
    )
    URL_NOT_ALLOWED = (
        "URL_NOT_ALLOWED",
        "The URL is not one that onhand may fetch.",
        "Use https:// with a public address or s3://, or allow private addresses with ONHAND_FETCH_ALLOW_PRIVATE.",
    )
    HEADER_COLUMN_MISSING = (
        "HEADER_COLUMN_MISSING",
        "The header lacks a required column.",
        "One of the first 64 lines must name at least sku and quantity. Where the file calls them otherwise, say so: "
        "--column 'Artikelnummer=sku'.",
    )
    WAREHOUSE_COLUMN_MISSING = (
        "WAREHOUSE_COLUMN_MISSING",
        "The request is for all warehouses, and the file has no column that names them.",
        "Say which column does: --column 'Site=warehouse'. Or submit the file for one warehouse: --warehouse main.",
    )
    HEADER_COLUMN_TWICE = (
        "HEADER_COLUMN_TWICE",
        "The header names a column twice.",
        "Say which one to take with --column, or keep one of them.",
    )
    COLUMN_NOT_IN_HEADER = (
        "COLUMN_NOT_IN_HEADER",
        "The request names a column that the header lacks.",
        "Correct the name after --column, or leave the option out.",
    )

    # Jobs
    HISTORY_NOT_KEPT = (
        "HISTORY_NOT_KEPT",
        "The change log does not go back that far.",
        "Ask for a later time or version; ONHAND_LOG_RETENTION_MONTHS says for how long the log is kept.",
    )
    UNKNOWN_SYNC = ("UNKNOWN_SYNC", "The account has no sync of this id.", "Check the id and the account.")
    SYNC_NOT_READY = (
        "SYNC_NOT_READY",
        "The sync is not in a state in which this can be done.",
        "`onhand sync show` tells its state: held can be approved, an ended dry run confirmed, an ended sync reverted.",
    )
    SYNC_ITEMS_NOT_KEPT = (
        "SYNC_ITEMS_NOT_KEPT",
        "The rows of this sync are not kept any more.",
        "Its counts and its file of rejects are; ONHAND_SYNC_ITEM_RETENTION_MONTHS says for how long rows are kept.",
    )
    SYNC_TOO_LARGE = (
        "SYNC_TOO_LARGE",
        "The file has too many rows to be applied all or nothing.",
        "Split the file, apply the good rows, or raise ONHAND_SYNC_ATOMIC_MAX_ROWS.",
    )
    PART_FAILED = (
        "PART_FAILED",
        "The part of the sync with this row failed again and again, and was given up.",
        "`onhand sync show` tells the cause. When it is mended, submit these rows again; `onhand sync items` has them.",
    )
    UNKNOWN_SNAPSHOT = ("UNKNOWN_SNAPSHOT", "The account has no snapshot of this id.", "Check the id and the account.")
    SNAPSHOT_FAILED = (
        "SNAPSHOT_FAILED",
        "The snapshot could not be written.",
        "See the error; request it again when mended.",
    )


_GUARDED_NUMBER: Final = re.compile(r"'+[-+=]?\s*[0-9][0-9.,]*")
_REMOVE_GUARD: Final = (
    "An exporter has put the apostrophe there, so that no spreadsheet takes the number for a formula: remove it. A "
    "number below zero is a backorder of a shop: what is on hand is 0 then."
)
_STORE_THE_VALUE: Final = (
    "It is a formula without a stored value: open the file in Excel, save it, and upload it again."
)


class RowError(BaseModel):
    """One thing that is wrong with one row of an upload. `field` is a column of the upload."""

    model_config = ConfigDict(frozen=True)

    code: ErrorCode
    field: str
    value: str | None = None
    suggestion: str | None = None
    """What was perhaps meant: a SKU that differs from the value by case, width or blanks only."""
    found: str | None = None
    """What the level has instead: its states in units, a version, or when it was changed."""

    @property
    def message(self) -> str:
        """A sentence for a person: what happened, which value, what to do."""
        words = describe(self.code, repr(self.value) if self.value else "", self.advice)
        words += f" Is {self.suggestion!r} meant?" if self.suggestion else ""
        return words + (f" Found: {self.found}." if self.found else "")

    @property
    def advice(self) -> str | None:
        """What to do, where more can be said than the code's hint: what fits the level's states, or the value."""
        if self.code is ErrorCode.INSUFFICIENT_STOCK and self.found:
            return Holding.parse(self.found).advice()
        if self.code is ErrorCode.QUANTITY_NOT_AN_INTEGER and self.value:
            if _GUARDED_NUMBER.fullmatch(self.value):
                return _REMOVE_GUARD
            if self.value.startswith("="):
                return _STORE_THE_VALUE
        return None


_SHOWN_CHARACTERS: Final = 300
_ABOUT_NAMES: Final = {
    ErrorCode.HEADER_COLUMN_MISSING,
    ErrorCode.HEADER_COLUMN_TWICE,
    ErrorCode.COLUMN_NOT_IN_HEADER,
    ErrorCode.WAREHOUSE_COLUMN_MISSING,
    ErrorCode.FILE_NOT_CSV,
}
_SHOWN_OF_NAMES: Final = 6000
"""Characters of an error that lists the names of a header, and the options to choose from them."""


def describe(code: ErrorCode, detail: str = "", advice: str | None = None) -> str:
    """Sentences for a person: what happened, which value was found (cut where it is long), what to do."""
    detail = detail[: _SHOWN_OF_NAMES if code in _ABOUT_NAMES else _SHOWN_CHARACTERS].removesuffix(".")
    what = f"{code.meaning.removesuffix('.')}: {detail}." if detail else code.meaning
    return f"{what} {advice or code.hint}"
