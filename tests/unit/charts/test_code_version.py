"""Charts are outdated when any module that takes part in drawing them changes."""

from __future__ import annotations

import grimp
import pytest

from jobs.charts import code_version


def test_code_version_hashes_the_import_closure_of_what_draws() -> None:
    """Imports found in the text are those of the import graph."""
    graph = grimp.build_graph("jobs", "runner", exclude_type_checking_imports=True, cache_dir=None)
    roots = set(code_version._ROOTS)
    closure = roots.union(*(graph.find_upstream_modules(root) for root in roots))
    assert set(code_version.drawing_modules()) == closure


@pytest.mark.parametrize("module", ["runner.wording", "jobs.channel.frames", "jobs.charts.theme"])
def test_code_version_changes_with_a_module_that_takes_part(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit of a helper outside the charts package counts too."""
    before = code_version.code_version.__wrapped__()
    modules = code_version.drawing_modules()
    edited = modules | {module: modules[module] + "\n# edited\n"}
    monkeypatch.setattr(code_version, "drawing_modules", lambda: edited)
    assert code_version.code_version.__wrapped__() != before
