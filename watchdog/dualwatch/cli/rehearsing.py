"""What ``check --rehearse`` and ``train --rehearse`` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dualwatch.core.errors import Exit
    from dualwatch.core.settings import Settings
    from dualwatch.frameworks.base import LaunchOptions


def rehearse(
    options: LaunchOptions,
    settings: Settings,
    *,
    as_json: bool = False,
    verbose: bool = False,
    results_on_stderr: bool = False,
) -> Exit:
    """Rehearses a training, prints the items, and gives the exit code of the contract."""
    import sys

    from dualwatch.checks.rehearsal import document
    from dualwatch.core.errors import Exit
    from dualwatch.core.json_codec import printed
    from dualwatch.diagnose.check_command import page
    from dualwatch.report.terminal import console
    from dualwatch.supervisor import rehearsal

    def note(text: str) -> None:
        sys.stderr.write(console.plain_text(text) + "\n")

    note(f"rehearsing {options.config.name}: at most 2 minutes once its training has begun")
    done = rehearsal.run(options, settings, note)
    if done.seen is None:
        return Exit.TERMINATED if done.terminated else Exit.INTERRUPTED
    found = document(done.seen, str(options.config))
    if as_json:
        console.write_out(printed(found))
    elif results_on_stderr:
        for line in page(found, sys.stderr, verbose=verbose):
            sys.stderr.write(line + "\n")
    else:
        for line in page(found, sys.stdout, verbose=verbose):
            console.write_out(line + "\n")
    return Exit(found.exit_code)
