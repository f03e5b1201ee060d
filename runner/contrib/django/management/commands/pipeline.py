"""
`manage.py pipeline`: all that the command `pipeline` does, for the jobs of this project.

It serves the application that `--app`, `PIPELINE_APP` or the nearest `pyproject.toml` names, as
`pipeline` does, and without any the one that is made of the project.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.core.management.base import BaseCommand, CommandParser

from runner.errors import AppError
from runner.finding import APP_OPTION, named_app
from runner.start import main

if TYPE_CHECKING:
    from collections.abc import Sequence

_OF_PROJECT: Final = "runner.contrib.django.application:app"


class Command(BaseCommand):
    """Hands its words over, as they are."""

    help = "Run the workers, pages and commands of the background jobs."

    def run_from_argv(self, argv: list[str]) -> None:
        """Run the command, and exit with its status."""
        # Django has heeded these two, wherever they stand.
        parser = CommandParser(add_help=False, allow_abbrev=False)
        parser.add_argument("--settings")
        parser.add_argument("--pythonpath")
        _, words = parser.parse_known_args(argv[2:])
        main(_with_app(words))

    def print_help(self, prog_name: str, subcommand: str) -> None:  # noqa: ARG002 -- Django's signature
        """Print the help of `pipeline`, for `manage.py help pipeline`."""
        main(_with_app(["--help"]))


def _with_app(words: Sequence[str]) -> Sequence[str]:
    try:
        named = named_app(words, Path.cwd())
    except AppError:
        return words  # which says so, in a line
    return [APP_OPTION, _OF_PROJECT, *words] if named.is_brought else words
