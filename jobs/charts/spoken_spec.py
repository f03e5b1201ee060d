"""Charts in the words of a platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.channel.words import has_own_words, spoken

if TYPE_CHECKING:
    from jobs.channel.records import Platform

_SHOWN: Final = frozenset({"title", "text", "subtitle"})
_DATA: Final = frozenset({"data", "datasets", "values", "usermeta"})


def spoken_spec(spec: Any, platform: Platform, *, shown: bool = False) -> Any:
    """Return a chart's *spec* with its titles in the words of *platform*; its data stays."""
    if not has_own_words(platform):
        return spec
    if isinstance(spec, str):
        return spoken(spec, platform) if shown else spec
    if isinstance(spec, list) and shown and all(isinstance(line, str) for line in spec):
        return spoken("\n".join(spec), platform).split("\n")  # a title may break between quotes
    if isinstance(spec, list):
        return [spoken_spec(each, platform, shown=shown) for each in spec]
    if not isinstance(spec, dict):
        return spec
    return {
        key: value
        if key in _DATA
        else spoken_spec(value, platform, shown=key in _SHOWN or (shown and key != "field"))
        for key, value in spec.items()
    }
