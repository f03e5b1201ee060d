"""`pipeline completion SHELL`: what teaches a shell to complete the commands."""

from __future__ import annotations

import click

_SHELLS = ("bash", "zsh", "fish")


@click.command
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """
    Print the script that completes commands, options, queues, jobs, schedules and files in SHELL.

    For every new bash, 4.4 or newer: put `eval "$(pipeline completion bash)"` into ~/.bashrc.

    For zsh: put `eval "$(pipeline completion zsh)"` into ~/.zshrc, after `compinit`.

    For fish: `pipeline completion fish > ~/.config/fish/completions/pipeline.fish`.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 -- click has all of them
    root = context.find_root()
    name = root.info_name or "pipeline"
    click.echo(kind(root.command, {}, name, f"_{name.upper()}_COMPLETE").source())
