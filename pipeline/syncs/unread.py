"""What a file says in columns that are not read: a reason to hold it where that may change what its rows mean."""

from collections.abc import Sequence

from pipeline.store.sync_parts import StoredRange
from pipeline.store.syncs import Job
from pipeline.syncs.layout import Layout
from pipeline.uploads.column_names import option, senses_of
from pipeline.uploads.meanings import NAMES, Sense
from pipeline.uploads.watched import Seen, all_of
from schemas.uploads import IGNORED


def unread(job: Job, layout: Layout, found: Sequence[StoredRange]) -> tuple[list[str], str | None]:
    """Warnings about watched columns whose values say nothing, and why the file is to be held because of others.

    A file is not held that a person has looked at.
    """
    parts = ({int(place): Seen(*seen) for place, seen in each.read.watched.items()} for each in found if each.read)
    passed, reasons = [], []
    for place, seen in all_of(parts).items():
        name = layout.header.names[place]
        senses = senses_of(name)
        if seen.rows:
            reasons.append(_reason(name, senses, seen))
        elif seen.harmless_rows:
            what = " or ".join(senses)
            passed.append(f"the column {name.strip()!r} ({what}) was left out: its values ask for nothing else")
    if not reasons or job.is_checked_by_person:
        return passed, None
    held = (
        f"columns with values that may change what rows do are not read: {'; '.join(reasons)}. Submit the file again "
        "with these options, or approve it to leave the columns out"
    )
    return passed, held


def _reason(name: str, senses: Sequence[Sense], seen: Seen) -> str:
    columns = dict.fromkeys(column for sense in senses if (column := NAMES[sense].column))
    options = [option(name, column) for column in (*columns, IGNORED)]
    rows = f"{seen.rows:,} row{'s' if seen.rows != 1 else ''}"
    return f"{name.strip()!r} looks like a {' or '.join(senses)} ({rows}, as {seen.example!r}): {' or '.join(options)}"
