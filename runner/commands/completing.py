"""What a shell offers where a command takes the name of something that the application has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    import click

Kind = Literal["queue", "job", "schedule"]


class Host(Protocol):
    """The application, as a shell that completes words sees it."""

    def names(self, kind: Kind) -> Sequence[str]:
        """Give every name of that kind; nothing is started or reached."""
        ...


def named(kind: Kind) -> Callable[[click.Context, click.Parameter, str], list[Any]]:
    """Offer the names of *kind*, but for those that stand on the line already."""

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
