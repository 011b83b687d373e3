"""Finds the command that was asked for, loads it, and turns every way it can end into an exit code."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from leasemq_server.cli.exits import EXIT_BROKEN_PIPE, EXIT_FAILED, EXIT_INTERRUPTED
from leasemq_server.cli.output import UNWRITABLE, give_up_if_nobody_takes_it, stand_in_if_closed

BROKER, JOBS, OPERATE = "Run", "Jobs", "Look and steer"

# name: (panel, summary). The summaries stand here too, so that --help need not load every module; a test compares the two.
COMMANDS = {
    "serve": (BROKER, "Run the broker."),
    "work": (BROKER, "Work a queue's jobs with any program."),
    "add": (JOBS, "Add a job, or many."),
    "jobs": (JOBS, "List, show, change, retry, cancel, promote and delete jobs."),
    "flow": (JOBS, "Add jobs that depend on each other, and show them as a tree."),
    "search": (JOBS, "Find jobs by id, name, group, payload or failure; all that is given must hold."),
    "schedule": (JOBS, "Add, list, show, pause, resume, trigger and delete schedules."),
    "stats": (OPERATE, "Count the jobs of one queue, or of all."),
    "events": (OPERATE, "Show what happened in a queue, and what happens."),
    "metrics": (OPERATE, "Show how many jobs a queue did, and how long they waited and ran."),
    "group": (OPERATE, "List, configure, pause and resume groups, which take turns within a queue."),
    "queues": (OPERATE, "List, show, pause, resume, drain, delete and configure queues."),
    "workers": (OPERATE, "List the workers that were heard of in the last minute."),
    "top": (OPERATE, "Watch queues and workers live."),
    "doctor": (OPERATE, "Check the store's settings and say what to change."),
    "bench": (OPERATE, "Measure add and work rates against a broker."),
    "version": (OPERATE, "Print the versions of this command and of the broker."),
}


ALIASES = {"queue": "queues"}


class LazyCommands(TyperGroup):
    """Lists commands from the table above and imports one only to run it."""

    def list_commands(self, _ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        panel, summary = COMMANDS[cmd_name]
        return TyperCommand(cmd_name, help=summary, rich_help_panel=panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        args = [ALIASES.get(args[0], args[0]), *args[1:]] if args else args
        self.commands = {
            name: self.get_command(ctx, name) for name in COMMANDS
        }  # after a typo, typer suggests the nearest of them
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(name) if name and command else command, rest


def load(name: str) -> Any:
    """The command of that name, from its module."""
    command = typer.main.get_command(importlib.import_module(f"leasemq_server.cli.{name}").app)
    _refuse_empty_texts(command)
    return command


def _refuse_empty_texts(command: Any) -> None:
    """An option that need not be given is not meant where a shell's variable was empty: `--group "$GROUP"` is not all groups."""
    for below in getattr(command, "commands", {}).values():
        _refuse_empty_texts(below)
    for option in command.params:
        if option.param_type_name == "option" and option.default is None and option.callback is None:
            option.callback = _refuse_empty


def _refuse_empty(ctx: Any, param: Any, value: Any) -> Any:
    if value == "":
        raise typer.BadParameter("is empty: say something, or leave it out", ctx=ctx, param=param)
    return value


app = typer.Typer(
    cls=LazyCommands, no_args_is_help=True, rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]}
)


def _print_version(asked: bool) -> None:
    if asked:
        from leasemq_server.version import __version__  # noqa: PLC0415 - reading it takes as long as all other imports here

        print(f"leasemq {__version__}")
        raise typer.Exit


@app.callback()
def leasemq(
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            envvar="LEASEMQ_ADDRESS",
            help="The broker to talk to (default 127.0.0.1:7878); may stand after the command too.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """LeaseMQ: a job broker for every language, over Valkey or Redis.

    Start with [bold]leasemq serve[/]; then, in another terminal, [bold]leasemq add email '{"to": "a@example.com"}'[/],
    [bold]leasemq work email --exec cat[/] and [bold]leasemq stats[/].

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no broker in reach, 4 not found, 130 interrupted.
    --json prints one JSON object a line.
    """
    del version
    if address is not None:
        os.environ["LEASEMQ_ADDRESS"] = address


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; the exit code."""
    stand_in_if_closed()
    try:
        code = app(list(arguments), prog_name="leasemq", standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as end:
        if isinstance(end, SystemExit) and not isinstance(
            end.__context__, BrokenPipeError
        ):  # typer's way of ending on a broken pipe
            raise
        return EXIT_BROKEN_PIPE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except typer.Abort as end:
        unanswered = end.__context__  # Ctrl-C at the question, or the end of input
        print("\n" if unanswered else "", "stopped: nothing was changed", sep="", file=sys.stderr)
        return EXIT_INTERRUPTED if isinstance(unanswered, KeyboardInterrupt) else EXIT_FAILED
    except typer.TyperException as error:
        return _report(error)
    except Exception as error:  # the last resort: people get a line, whoever asks for it the traceback
        if os.environ.get("LEASEMQ_DEBUG"):
            raise
        print(f"leasemq: {_in_a_line(error)}", file=sys.stderr)
        return EXIT_FAILED
    finally:
        give_up_if_nobody_takes_it()
    return code if isinstance(code, int) else 0


def _in_a_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in UNWRITABLE and error.filename is None:
        return f"cannot write to standard output: {error.strerror}"
    return f"{type(error).__name__}: {error} — LEASEMQ_DEBUG=1 shows where".replace("\n", " ")


def _report(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if not message.strip():  # no arguments at all: typer has printed the help
        return error.exit_code
    hint = f" — see: {context.command_path} --help" if context is not None else ""
    print(" ".join(f"leasemq: {message}".split()) + hint, file=sys.stderr)
    return error.exit_code
