"""`onhand sync …`: submit CSV files, watch them, and read what became of each row."""

from typing import Final

import typer

from infra.cli.syncs import decide, look, rows, submit

app: Final = typer.Typer(no_args_is_help=True, help="CSV syncs.")
app.command()(submit.submit)
app.command("list")(look.list_)
app.command()(look.show)
app.command()(rows.errors)
app.command()(rows.items)
app.command()(rows.diff)
app.command()(decide.approve)
app.command()(decide.confirm)
app.command()(decide.revert)
app.command()(decide.abort)
