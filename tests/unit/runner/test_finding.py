"""Which application a command serves, and what is said of one that cannot be served."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from runner import App
from runner.errors import AppError, ConfigurationError
from runner.finding import APP_VARIABLE, Named, load_app, named_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No variable names an application, and what a test imports is gone after it."""
    monkeypatch.delenv(APP_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in sys.modules.keys() - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def _project(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text)
    return folder


def test_option_wins_over_variable_and_that_over_the_project(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each is asked only where the one before it says nothing; the last is what we bring."""
    folder = _project(tmp_path, '[tool.pipeline]\napp = "of.project:app"\n')
    assert named_app(["dead", "list"], folder).target == "of.project:app"
    monkeypatch.setenv(APP_VARIABLE, "of.variable:app")
    assert named_app(["dead", "list"], folder).target == "of.variable:app"
    for words in (
        ["--app", "of.option:app", "dead"],
        ["dead", "--app", "of.option:app"],
        ["dead", "list", "--app=of.option:app"],
    ):
        assert named_app(words, folder).target == "of.option:app"
    assert named_app(["why", "--", "--app", "x:y"], folder).target == "of.variable:app"
    monkeypatch.delenv(APP_VARIABLE)
    _project(tmp_path, "[project]\nname = 'shop'\n")
    assert named_app(["dead"], folder) == Named("settings:app", "settings:app", None)


def test_nearest_project_counts_and_is_where_modules_are_looked_for(tmp_path: Path) -> None:
    """From a folder below it, its own folder comes first on the path, not the current one."""
    _project(tmp_path, '[tool.pipeline]\napp = "far:app"\n')
    shop = _project(tmp_path / "shop", '[tool.pipeline]\napp = "near:app"\n')
    below = shop / "deep" / "down"
    below.mkdir(parents=True)
    found = named_app([], below)
    assert (found.target, found.folder) == ("near:app", shop)
    _project(shop, "[project]\n")
    assert named_app([], below).target == "settings:app"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[tool.pipeline\n", "it is not TOML: .*; correct it, or name the application by --app"),
        ("[tool.pipeline]\n", r'\[tool\.pipeline\] has no app = "MODULE:NAME"'),
        ('[tool.pipeline]\napp = "a:b"\npath = "c"\n', r"has path, but only app is allowed"),
        ("[tool.pipeline]\napp = 3\n", r"\[tool\.pipeline\] has no app"),
        ("[tool]\npipeline = 3 # tool.pipeline\n", r"\[tool\.pipeline\] has no app"),
    ],
)
def test_project_that_names_it_wrongly_is_named(tmp_path: Path, text: str, reason: str) -> None:
    """With its path, in one line."""
    with pytest.raises(AppError, match=reason) as told:
        named_app([], _project(tmp_path, text))
    assert str(told.value).startswith(f"{tmp_path}/pyproject.toml: ")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "text", ["", "[tool.other]\n", "x = [broken", "# tool.pipeline\n[tool.black]\n"]
)
def test_project_that_says_nothing_about_it_is_passed(tmp_path: Path, text: str) -> None:
    """Other tools complain about what is broken in it."""
    assert named_app([], _project(tmp_path, text)).target == "settings:app"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to somebody else")
def test_project_of_another_user_above_the_current_folder_is_not_followed(tmp_path: Path) -> None:
    """In a folder that all may write, such as /tmp, anybody could let us run his code."""
    project = _project(tmp_path, '[tool.pipeline]\napp = "shop:app"\n') / "pyproject.toml"
    os.chown(project, 12345, 12345)
    below = tmp_path / "mine"
    below.mkdir()
    with pytest.raises(AppError, match="belongs to another user"):
        named_app([], below)
    assert named_app([], tmp_path).target == "shop:app"


def test_app_is_imported_from_its_folder_first(tmp_path: Path) -> None:
    """A module of the project wins over an installed one of its name."""
    (tmp_path / "hypothesis.py").write_text("from runner import App\napp = App(summary='mine')\n")
    installed = sys.modules.pop("hypothesis")
    try:
        app = load_app(Named("hypothesis:app", "--app hypothesis:app", tmp_path))
    finally:
        sys.modules["hypothesis"] = installed
    assert isinstance(app, App)
    assert app.summary == "mine"


_MODULES = {
    "syntax.py": "app = (\n",
    "missing.py": "import sys\nimport no_such_library\n",
    "without_extra.py": "import sys\nsys.modules['polars'] = None\nimport polars\n",
    "raising.py": "\n\n1 / 0\n",
    "leaving.py": "import sys\nsys.exit('bye')\n",
    "refusing.py": (
        "from runner import Context, job\n\n"
        "@job(queue='no queue')\nasync def send(ctx: Context) -> None: ...\n"
    ),
    "through.py": "import raising\n",
    "list.py": "app = []\nclass Shop: pass\nother = Shop()\n",
    "package/__init__.py": "",
}


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("shop", r": write MODULE:NAME, such as shop\.background:app$"),
        ("shop:", ": write MODULE:NAME"),
        ("../shop:app", ": write MODULE:NAME"),
        ("nowhere:app", ": there is no module nowhere in {folder}, nor among what is installed$"),
        ("package.inner:app", r": there is no module package\.inner in "),
        ("syntax:app", r": syntax\.py, line 1: SyntaxError: "),
        ("missing:app", r": missing\.py, line 2: ModuleNotFoundError: .*'no_such_library'$"),
        ("without_extra:app", r": without_extra\.py, line 3: ModuleNotFoundError: "),
        ("raising:app", r": raising\.py, line 3: ZeroDivisionError: division by zero$"),
        ("through:app", r": raising\.py, line 3: ZeroDivisionError"),
        ("leaving:app", r": leaving\.py, line 2: SystemExit: bye$"),
        ("refusing:app", r": refusing\.py, line 3: send: queue is 'no queue', which cannot be"),
        ("list:none", ": list has no none$"),
        ("list:app", r": it is a list, not a runner\.App$"),
        ("list:other", r": it is a Shop, not a runner\.App$"),
    ],
)
def test_app_that_cannot_be_served_is_one_line(tmp_path: Path, target: str, reason: str) -> None:
    """It says who names it, what is wrong, and in which file and line an import failed."""
    for name, text in _MODULES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    polars = sys.modules.get("polars")
    try:
        with pytest.raises(ConfigurationError, match=reason.format(folder=tmp_path)) as told:
            load_app(Named(target, f"--app {target}", tmp_path))
    finally:
        if polars is None:
            sys.modules.pop("polars", None)
        else:
            sys.modules["polars"] = polars
    assert str(told.value).startswith(f"--app {target}: ")
    assert "\n" not in str(told.value)


def test_own_package_that_lacks_an_extra_is_left_to_say_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the runner needs is no fault of the application: the command names the extra."""
    (tmp_path / "shop.py").write_text("import runner.configuration\n")
    for name in [one for one in sys.modules if one.startswith("runner.configuration")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pydantic_settings", None)
    with pytest.raises(ModuleNotFoundError, match="pydantic_settings"):
        load_app(Named("shop:app", "--app shop:app", tmp_path))
