"""The runner knows nothing of the application that this distribution brings: it could be any."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import jobs
from settings.groups import QUEUE_NAMES

ROOT = Path(__file__).parents[2]
_PLAIN_ENGLISH = {"default"}
"""Also the queue of a job that names none, here as in arq."""


def _of_the_product() -> set[str]:
    """What would be a literal of the product: its queues, jobs, routes, and its own name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "jobs/web").glob("*.py"))
    routes = {f"/{one}" for one in re.findall(r"Route\(\"/(\w+)", pages)}
    named = {getattr(jobs, name).name for name in jobs.__all__}
    assert routes
    assert named
    return (named | routes | set(QUEUE_NAMES) | {project["name"]}) - _PLAIN_ENGLISH


def test_no_file_of_the_runner_names_what_is_the_products() -> None:
    """Neither code nor docstrings, pages, scripts or templates."""
    words = "|".join(map(re.escape, sorted(_of_the_product())))
    product = re.compile(rf"(?<![\w-])(?:{words})(?![\w-])")
    found = {
        f"{path.relative_to(ROOT)}:{number}: {word}"
        for path in sorted((ROOT / "runner").rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for word in product.findall(line)
    }
    assert found == set()
