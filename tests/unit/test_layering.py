"""Imports go one way: flows -> tasks -> diploma_archive, and each library stays in its room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
SRC = "src/diploma_archive/"
ROOMS = {
    # library: the folders that may import it
    "prefect": ("flows/", "tasks/"),
    "httpx": (f"{SRC}frontcore/",),
    "httpcore": (f"{SRC}frontcore/",),
    "boto3": (f"{SRC}archive/",),
    "botocore": (f"{SRC}archive/",),
    "mypy_boto3_s3": (f"{SRC}archive/",),
}
FORBIDDEN = [
    # in this folder: none of these modules
    (SRC, "flows"),
    (SRC, "tasks"),
    ("tasks/", "flows"),
    (f"{SRC}frontcore/", "diploma_archive.archive"),
    (f"{SRC}archive/", "diploma_archive.frontcore"),
]


def imported(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and full name of everything imported anywhere in a source text; a leading dot is a relative import."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("import_module", "__import__"):
                yield node.lineno, str(node.args[0].value)


def is_in(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def violations(path: str, source: str) -> list[str]:
    found = []
    for line, name in imported(source):
        if name.startswith("."):
            found.append(f"{path}:{line} relative import {name}")
        for library, rooms in ROOMS.items():
            if is_in(name, library) and not path.startswith(rooms):
                found.append(f"{path}:{line} {name} outside {' and '.join(rooms)}")
        for folder, module in FORBIDDEN:
            if path.startswith(folder) and is_in(name, module):
                found.append(f"{path}:{line} {name} in {folder}")
    return found


def sources() -> Iterator[tuple[str, str]]:
    for folder in ("src/diploma_archive", "flows", "tasks"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield PurePosixPath(file.relative_to(ROOT)).as_posix(), file.read_text(encoding="utf-8")


def test_imports_go_one_way():
    """No module reaches into a room that is not its own."""
    assert [found for path, source in sources() for found in violations(path, source)] == []


def test_every_module_is_looked_at():
    """The check above has seen the modules that matter."""
    seen = {path for path, _ in sources()}
    assert {f"{SRC}pipeline.py", f"{SRC}frontcore/source.py", f"{SRC}archive/store.py", "flows/__init__.py"} <= seen


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (f"{SRC}pipeline.py", "import prefect"),
        (f"{SRC}pipeline.py", "from prefect.states import Completed"),
        (f"{SRC}sandbox/app.py", "import httpx"),
        (f"{SRC}archive/store.py", "import httpx"),
        (f"{SRC}cli.py", "import boto3"),
        (f"{SRC}frontcore/source.py", "from botocore.config import Config"),
        (f"{SRC}frontcore/source.py", "from diploma_archive.archive.keys import Place"),
        (f"{SRC}frontcore/source.py", "from diploma_archive import archive"),
        (f"{SRC}frontcore/source.py", "import diploma_archive.archive.keys as keys"),
        (f"{SRC}archive/store.py", "from diploma_archive.frontcore import timestamps"),
        (f"{SRC}archive/store.py", "from . import keys"),
        (f"{SRC}archive/store.py", "from ..errors import StoreError"),
        (f"{SRC}run.py", "from tasks.archive_batch import archive_batch"),
        (f"{SRC}run.py", "def f():\n    import flows.archive"),
        (f"{SRC}run.py", "import importlib\nimportlib.import_module('boto3')"),
        (
            f"{SRC}run.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mypy_boto3_s3.client import S3Client",
        ),
        ("tasks/archive_batch.py", "from flows import archive"),
        ("tasks/archive_batch.py", "try:\n    import httpx\nexcept ImportError:\n    pass"),
        ("flows/archive.py", "import boto3"),
    ],
)
def test_the_check_catches_a_violation(path, source):
    """The check is no decoration: each kind of violation turns it red."""
    assert len(violations(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("flows/archive.py", "from prefect import flow\nfrom tasks.archive_batch import archive_batch"),
        ("tasks/archive_batch.py", "import prefect\nfrom diploma_archive.run import open_run"),
        (f"{SRC}frontcore/transport.py", "import httpx\nimport httpcore"),
        (f"{SRC}archive/store.py", "import boto3\nfrom mypy_boto3_s3.client import S3Client"),
        (f"{SRC}pipeline.py", "from diploma_archive.archive import keys\nfrom diploma_archive.frontcore import source"),
        (f"{SRC}frontcore/source.py", "from diploma_archive.archived_things import x\nimport prefecture"),
    ],
)
def test_the_check_lets_the_design_pass(path, source):
    """What the design allows is no violation."""
    assert violations(path, source) == []
