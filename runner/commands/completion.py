"""`pipeline completion SHELL`, and what a shell offers where an argument names something."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runner.commands.host import Host, Kind

_SHELLS = ("bash", "zsh", "fish")


@click.command
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """
    Print the script that completes commands, options and names in SHELL.

    The names are those of queues, jobs, schedules and files.

    For every new bash, 4.4 or newer: put `eval "$(pipeline completion bash)"` into ~/.bashrc.

    For zsh: put `eval "$(pipeline completion zsh)"` into ~/.zshrc, after `compinit`.

    For fish: `pipeline completion fish > ~/.config/fish/completions/pipeline.fish`.
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 -- click knows all of them
    root = context.find_root()
    name = root.info_name or "pipeline"
    click.echo(kind(root.command, {}, name, f"_{name.upper()}_COMPLETE").source())


def named(kind: Kind) -> Callable[[click.Context, click.Parameter, str], list[Any]]:
    """Offer the names of *kind*, except those that are on the line already."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
        host: Host = context.obj
        given = context.params.get(parameter.name or "") or ()
        return [
            name for name in host.names(kind) if name.startswith(incomplete) and name not in given
        ]

    return complete


def files(_: click.Context, __: click.Parameter, incomplete: str) -> list[Any]:
    """Let the shell offer files."""
    return [CompletionItem(incomplete, type="file")]
