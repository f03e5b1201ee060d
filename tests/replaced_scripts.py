"""Lets the runner use other texts of its Lua scripts: with a planted fault, or with more to do."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from unittest import mock

from runner.broker.scripts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextmanager
def replaced_scripts(texts: Mapping[str, str]) -> Iterator[None]:
    """Use *texts*, by the scripts' names, in the modules of the runner that are loaded so far."""
    known = {SCRIPTS[name].text(): text for name, text in texts.items()}
    with ExitStack() as exits:
        for module in [one for name, one in sys.modules.items() if name.startswith("runner.")]:
            for attribute, value in list(vars(module).items()):
                if isinstance(value, str) and value in known:
                    exits.enter_context(mock.patch.object(module, attribute, known[value]))
        yield
