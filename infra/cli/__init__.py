"""The command line `onhand`: its commands, and the one place where an error becomes a line for a person."""

import logging
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import Abort, Exit, TyperException

from infra.cli import demo, do, lists, look, send, setup, snapshots, syncs, uploads, work
from infra.cli.failures import explain
from infra.cli.output import print_error


class _Boundary(TyperGroup):
    """Turns what a command raises into one red line and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; `--debug` lets its error through with the trace."""
        try:
            return super().invoke(ctx)
        except (TyperException, Exit, Abort, BrokenPipeError):  # these mean something to Typer
            raise
        except Exception as error:  # the last place to say what happened
            if ctx.params.get("debug"):
                raise
            print_error(explain(error))
            raise Exit(1) from error


app = typer.Typer(
    cls=_Boundary,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(setup.db, name="db")
app.add_typer(setup.topics, name="topics")
app.add_typer(syncs.app, name="sync")
app.add_typer(uploads.app, name="uploads")
app.add_typer(snapshots.app, name="snapshot")
app.add_typer(look.events, name="events")
app.command()(setup.doctor)
app.command()(demo.demo)
app.command()(work.up)
app.command()(work.worker)
app.command()(send.send)
app.command()(do.do)
app.command()(look.levels)
app.command()(look.log)
app.command()(look.audit)
for command in lists.COMMANDS:
    app.command()(command)


@app.callback()
def onhand(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the trace of an error, and what the clients log.")
    ] = False,
) -> None:
    """Keep on-hand inventory right. Settings come from ONHAND_* variables; `onhand up` starts servers to try it on."""
    if not debug:
        # What these log before they fail is said again, better, by the error. Workers have handlers of their own.
        for name in ("aiokafka", "psycopg.pool"):
            logging.getLogger(name).addHandler(logging.NullHandler())


def main() -> None:
    """Run the command that the process was started with, and exit: 0 done, 1 failed, 2 misused."""
    app()
