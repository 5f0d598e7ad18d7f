"""The image of deploy/docker/Dockerfile, laid out as a build would: what is in it, runs.

There is no Docker here. Its rules for what a build may see (.dockerignore) and the COPY lines are
followed; the packages of its lock are those of the tests (tests/contract/test_locks.py).
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pytest

from tests.contract.test_shipped_values import SERVICE_PORTS
from tests.deployed import kubernetes
from tests.manifests import ROOT

DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "deploy/docker/Dockerfile").read_text())
BUILD, FINAL = re.split(r"^FROM \$\{PYTHON\}.*\n", DOCKERFILE, flags=re.MULTILINE)[1:]
IGNORED = (ROOT / ".dockerignore").read_text().splitlines()
PROCESSES = {
    name: it
    for name, it in kubernetes("k8s/overlays/single-node").items()
    if it.image == "centralita"
}
#: Written again by what Python does at its side, and never part of a build.
LEFT_BY_TOOLS = {".venv", ".git", "var", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def _named(path: PurePosixPath, pattern: str) -> bool:
    """Say whether a pattern names a path or a folder that it is in."""
    words = pattern.removeprefix("**/")
    anywhere = words != pattern
    for one in (path, *path.parents[:-1]):
        told = one.name if anywhere else str(one)
        if fnmatch(told, words) and (anywhere or len(one.parts) == len(Path(words).parts)):
            return True
    return False


def _seen(path: PurePosixPath) -> bool:
    """Say whether a build may see a file: of the rules that name it, the last one decides."""
    seen = True
    for line in IGNORED:
        if line and not line.startswith("#") and _named(path, line.removeprefix("!")):
            seen = line.startswith("!")
    return seen


def _context() -> list[PurePosixPath]:
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in LEFT_BY_TOOLS]
        here = Path(folder).relative_to(ROOT)
        found += [PurePosixPath(here / name) for name in files]
    return [path for path in found if _seen(path)]


@dataclass(frozen=True)
class Image:
    """Where it is laid out, and what is set in it."""

    root: Path
    environment: Mapping[str, str]

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        environment = {key: self._here(value) for key, value in self.environment.items()}
        return subprocess.run(
            [sys.executable if command[0] == "python" else command[0], *command[1:]],
            cwd=self.root / "app",
            env=environment | {"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def _here(self, paths: str) -> str:
        return re.sub(r"(^|:)/app", rf"\1{self.root}/app", paths)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    root = tmp_path_factory.mktemp("image")
    context = _context()
    for source, target in re.findall(r"^COPY (?!--from)(\S+) (/app\S*)$", DOCKERFILE, re.MULTILINE):
        what = PurePosixPath(source)
        copied = [path for path in context if what in (path, *path.parents)]
        assert copied, f"the build sees nothing of {source}"
        for path in copied:
            inside = path.relative_to(what)
            there = root / target.lstrip("/") / inside
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, there)
    told = re.search(r"^ENV (.*)$", FINAL, re.MULTILINE)
    assert told
    return Image(root, dict(one.split("=", 1) for one in told[1].split()))


#: Imports modules where there are no packages but those of a lock, and prints their files.
IMPORTS = """
import importlib, importlib.metadata, re, sys
lock, *modules = sys.argv[1:]
here = {"centralita", *re.findall("(?m)^([a-z0-9._-]+)==", open(lock).read())}
normal = lambda name: re.sub("[-_.]+", "-", name).lower()
owners = importlib.metadata.packages_distributions().items()
absent = {name for name, all_of in owners if here.isdisjoint(map(normal, all_of))}
class Absent:
    @staticmethod
    def find_spec(name, *_):
        if name in absent: raise ModuleNotFoundError(f"{lock} has no {name}")
sys.meta_path.insert(0, Absent)
assert {"pytest", "hypothesis"} <= absent and "grpc" not in absent
for name in modules: print(importlib.import_module(name).__file__)
assert sys.modules["services.kernel.streams"].read()["streams"]
"""


def test_what_a_pod_runs_of_the_image_is_in_it_with_all_that_it_imports(image: Image) -> None:
    assert all(it.command[:2] == ("python", "-m") for it in PROCESSES.values())
    modules = {it.command[2] for it in PROCESSES.values()}
    services = {name for name in modules if name.count(".") == 1}
    done = image.run(
        *("python", "-c", IMPORTS, str(ROOT / "deploy/docker/requirements.lock")),
        *sorted({f"{name}.__main__" for name in services} | modules - services),
    )
    assert done.returncode == 0, done.stderr
    files = done.stdout.splitlines()
    assert len(files) == len(modules)
    assert all(file.startswith(f"{image.root}/app/services/") for file in files)


def test_what_a_pod_takes_out_of_the_image_first_is_in_it(image: Image, tmp_path: Path) -> None:
    """The edge's file, how it is started, and the descriptors it reads."""
    (taken,) = kubernetes("k8s/overlays/single-node")["edge"].before
    *command, _ = taken
    done = image.run(*command, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        *("start.sh", "envoy.yaml", "centralita.binpb")
    }


def test_a_build_sees_what_it_copies_and_nothing_else() -> None:
    """Secrets of an installation lie beside it (.env), and the history of the repository."""
    named = re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE)
    copied = {PurePosixPath(name) for name in named}
    assert not [path for path in _context() if copied.isdisjoint({path, *path.parents})]


def test_what_is_in_the_image_is_needed_there(image: Image) -> None:
    files = {path.relative_to(image.root / "app") for path in image.root.rglob("*.*")}
    assert not [path for path in files if path.suffix in {".pyi", ".pyc"}]
    assert not [path for path in files if path.is_relative_to("services/standalone")]
    assert {path.parts[0] for path in files} == {"services", "proto", "deploy"}


def test_the_image_is_built_and_begins_in_this_way() -> None:
    """A change of one of these changes what every pod runs as."""
    assert re.findall(r"^ARG (.*)$", DOCKERFILE, re.MULTILINE) == [
        "PYTHON=python:3.11-slim-bookworm"  # the oldest that we support, and test with
    ]
    # Nothing that is not pinned with its hash, nothing that builds, and no installer left behind.
    (installs,) = (line for line in BUILD.splitlines() if line.startswith("RUN python"))
    for said in ("--require-hashes", "--only-binary :all:", "-r /requirements.lock"):
        assert said in installs, said
    assert installs.endswith("pip uninstall --yes pip setuptools")
    # Compiled here, because nobody may write there.
    assert "-m compileall -q /app /opt/venv/lib" in BUILD
    assert FINAL.splitlines()[0] == (
        "ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app:/app/proto/gen "
        "PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1"
    )
    for said in (
        "--from=build /opt/venv /opt/venv",
        "--from=build /app /app",
        "LICENSE /app/LICENSE",
    ):
        assert f"COPY {said}" in FINAL.splitlines(), said
    (ports,) = re.findall(r"^EXPOSE (.*)$", FINAL, re.MULTILINE)
    assert set(map(int, ports.split())) == {*SERVICE_PORTS.values(), 8080}
