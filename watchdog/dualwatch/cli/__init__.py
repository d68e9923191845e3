"""The command line: one file per command. Heavy imports wait until a command runs."""

from __future__ import annotations

import sys

import typer

from dualwatch import __version__
from dualwatch.cli import attach, check, config, diagnose, explain, report, run, train, usage
from dualwatch.core.errors import DualwatchError, Exit
from dualwatch.report.terminal.console import limit_encoding, reader_is_gone, silence

_HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}

_EXAMPLES = """\b
Examples:
  dualwatch train configs/my_config.py
  dualwatch run -- python train.py
  dualwatch diagnose
  dualwatch explain DW102
  dualwatch --install-completion
"""

app = typer.Typer(
    name="dualwatch",
    help="Supervises MMDetection trainings: detects stalls, names the cause, applies the remedy.",
    epilog=_EXAMPLES,
    no_args_is_help=True,
    context_settings=_HELP_OPTIONS,
    # Help without Rich's boxes: it starts faster and fits every encoding and pipe.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_SUMMARIES = (
    (train.train, "Run a training under supervision."),
    (run.run, "Run any PyTorch training command under supervision."),
    (attach.attach, "Attach to a running training."),
    (check.check, "Run the checklist before, during or after a training."),
    (diagnose.diagnose, "Find out why a training hangs or died."),
    (explain.explain, "Explain a finding code."),
    (report.report, "Write an HTML page on a run."),
)
_CONTEXTS = {"train": train.CONTEXT, "run": run.CONTEXT}
for _command, _summary in _SUMMARIES:
    _more = _CONTEXTS.get(_command.__name__, {})
    app.command(
        _command.__name__, short_help=_summary, context_settings={**_HELP_OPTIONS, **_more}
    )(_command)
_config = typer.Typer(
    help="Show the settings.",
    epilog="\b\nExamples:\n  dualwatch config show",
    no_args_is_help=True,
    context_settings=_HELP_OPTIONS,
)
_config.command("show", context_settings=_HELP_OPTIONS)(config.show)
app.add_typer(_config, name="config")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dualwatch {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False,
        "--version",
        "-V",
        help="Show the version and exit.",
        callback=_version,
        is_eager=True,
    ),
) -> None:
    pass


def main() -> None:
    """Runs the command; turns every failure into a message and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        limit_encoding(stream)
    words = train.join_lists(sys.argv[1:])
    try:
        # In standalone mode Typer would print usage errors and exit on its own.
        try:
            code = app(args=words, prog_name="dualwatch", standalone_mode=False)
        except SystemExit as leaving:
            code = leaving.code
        _leave(code if isinstance(code, int) else 0)
    except DualwatchError as error:
        from dualwatch.report.terminal.errors import render

        sys.stderr.write(render(error))
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(int(Exit.INTERRUPTED))
    except OSError as error:
        from dualwatch.report.terminal.errors import render

        if reader_is_gone(error, sys.stdout):
            silence(sys.stdout)
            sys.exit(int(Exit.OK))
        # Our own files raise errors of their own; what is left is the output stream.
        failure = DualwatchError(
            f"the output cannot be written: {error.strerror or error}",
            why=f"{error.filename}: {error.strerror}" if error.filename else "",
            do="free disk space or correct the permissions; a started training keeps running",
            exit_code=Exit.NOT_OBSERVED,
        )
        sys.stderr.write(render(failure))
        silence(sys.stdout)
        sys.exit(int(failure.exit_code))
    except Exception as error:
        from dualwatch.report.terminal.errors import render, render_fault

        if usage.is_help(error):
            sys.stderr.write(f"{error}\n")
            sys.exit(int(Exit.USAGE))
        commands = [str(command.name) for command in app.registered_commands]
        wrong = usage.translated(error, words, [*commands, "config"])
        sys.stderr.write(render_fault(error) if wrong is None else render(wrong))
        sys.exit(int(Exit.INTERNAL if wrong is None else wrong.exit_code))


def _leave(code: int) -> None:
    """Exits with a command's code, even if its output has no reader left.

    Raises:
        OSError: The output cannot be written for another reason.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        if not reader_is_gone(error, sys.stdout):
            raise
        silence(sys.stdout)
    sys.exit(code)
