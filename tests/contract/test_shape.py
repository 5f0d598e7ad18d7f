"""Every service is laid out alike, and small enough to be read."""

import ast
import sys
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = sorted(main.parent for main in (ROOT / "services").glob("*/__main__.py"))
KERNEL = sorted((ROOT / "services" / "kernel").glob("*.py"))
SOURCES = sorted(
    path
    for top in ("services", "tests")
    for path in (ROOT / top).rglob("*.py")
    if "node_modules" not in path.parts
)

SHAPE = {
    "__init__.py": "__init__.py",
    "__main__.py": "__main__.py",
    "settings.py": "settings.py",
    "use_cases": "use_cases.py or use_cases/",
    "handlers.py": "handlers.py",
    "grpc_api.py": "grpc_api.py",
    "domain": "domain/",
    "adapters": "adapters/",
    "README.md": "README.md",
}
HAS_NO_DATA = {"standalone"}
"""Starts the others and owns nothing (architecture, section 2)."""

LONGEST_FILE = 400
LONGEST_README = 40


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


each_service = pytest.mark.parametrize(
    "service", [path for path in SERVICES if path.name not in HAS_NO_DATA], ids=lambda it: it.name
)


@each_service
def test_a_service_has_the_fixed_files(service: Path) -> None:
    there = {entry.name.removesuffix(".py") for entry in service.iterdir()}
    missing = [told for name, told in SHAPE.items() if name.removesuffix(".py") not in there]
    assert not missing


@each_service
def test_a_service_says_what_it_owns_publishes_consumes_and_promises(service: Path) -> None:
    text = (service / "README.md").read_text().lower()
    for word in ("owns", "publishes", "consumes", "promises"):
        assert word in text
    assert text.count("\n") <= LONGEST_README


@each_service
def test_settings_are_one_frozen_dataclass(service: Path) -> None:
    settings = import_module(f"services.{service.name}.settings").Settings
    assert is_dataclass(settings)
    frozen: Any = settings
    assert frozen.__dataclass_params__.frozen
    assert not hasattr(settings, "__slots__"), "a slot hides the default from the loader"


@each_service
def test_a_service_is_an_async_context_manager_over_its_settings(service: Path) -> None:
    tree = ast.parse((service / "__main__.py").read_text())
    found = [
        function
        for function in tree.body
        if isinstance(function, ast.AsyncFunctionDef) and function.name == "service"
    ]
    assert len(found) == 1
    decorators = [ast.unparse(it) for it in found[0].decorator_list]
    assert decorators == ["asynccontextmanager"]


@each_service
def test_domain_imports_the_standard_library_only(service: Path) -> None:
    for path in (service / "domain").rglob("*.py"):
        for module in _imported(path):
            top = module.partition(".")[0]
            ours = module.startswith(f"services.{service.name}.domain")
            assert top in sys.stdlib_module_names or ours, f"{_name(path)} imports {module}"


@pytest.mark.parametrize("path", KERNEL, ids=_name)
def test_the_kernel_knows_no_service(path: Path) -> None:
    for module in _imported(path):
        if module.startswith("services."):
            assert module.startswith("services.kernel"), module


@pytest.mark.parametrize("path", KERNEL, ids=_name)
def test_a_module_of_the_kernel_begins_with_its_promise(path: Path) -> None:
    if path.name == "__init__.py":
        return
    promise = ast.get_docstring(ast.parse(path.read_text()))
    assert promise
    assert promise.splitlines()[0].endswith(".")


def test_no_file_is_too_long_to_read() -> None:
    long = {
        _name(path): lines
        for path in SOURCES
        if (lines := path.read_text().count("\n")) > LONGEST_FILE
    }
    assert not long


def test_nothing_is_called_by_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "common", "misc", "base", "manager"}
    assert not [_name(path) for path in SOURCES if {path.stem, path.parent.name} & empty]


def _imported(path: Path) -> list[str]:
    """Return the absolute names of the modules a file imports."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            prefix = ".".join(above) if node.level else ""
            found.append(".".join(part for part in (prefix, node.module or "") if part))
    return found
