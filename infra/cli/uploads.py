"""`onhand uploads list --skipped`: what lies in the uploads bucket and started no sync."""

from typing import Annotated, Final

import typer

from infra.cli.context import AccountOrNone, load_settings, open_database
from infra.cli.output import AsJson, Limit, print_rows, rows_to_ask
from pipeline import listings

app: Final = typer.Typer(no_args_is_help=True, help="Files that were dropped into the uploads bucket.")
# Typer makes an application of one command that command itself, unless it has a callback.
app.callback()(lambda: None)


@app.command("list")
def list_(
    skipped: Annotated[bool, typer.Option("--skipped", help="Those that started no sync, each with its reason.")],
    account: AccountOrNone = None,
    all_accounts: Annotated[
        bool, typer.Option("--all-accounts", help="Also those whose key names another account, or none.")
    ] = False,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """What was dropped and started no sync, the latest first. `onhand sync list` has the drops that did."""
    if not skipped:
        raise typer.BadParameter("say --skipped; `onhand sync list` has the drops that started a sync")
    with open_database(load_settings()) as database:
        only = None if all_accounts else account
        rows = listings.skipped_uploads(database, only, limit=rows_to_ask(limit, as_json=as_json))
        print_rows(rows, as_json=as_json, limit=limit)
