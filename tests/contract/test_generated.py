"""What is generated is fresh, and every check of `make check` can fail."""

import filecmp
import shutil
import subprocess
import sys
from importlib import util
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
IMAGE = ROOT / "proto/gen/centralita.binpb"
BUF = str(BIN / "buf")
CONFIG = ["--config", str(ROOT / "buf.yaml")]


def _run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_generated_code_is_what_the_protos_say(tmp_path: Path) -> None:
    made = _run("make", "proto", f"GEN={tmp_path / 'gen'}")
    assert made.returncode == 0, made.stderr
    compared = filecmp.dircmp(ROOT / "proto/gen", tmp_path / "gen", ignore=["__pycache__"])
    assert not _differences(compared)


def _differences(compared: filecmp.dircmp[str]) -> list[str]:
    own = [*compared.left_only, *compared.right_only, *compared.diff_files]
    return own + [name for sub in compared.subdirs.values() for name in _differences(sub)]


def _lint(image: Path) -> subprocess.CompletedProcess[str]:
    return _run(BUF, "lint", image, *CONFIG, "--path", "centralita")


def _breaking(image: Path) -> subprocess.CompletedProcess[str]:
    return _run(BUF, "breaking", image, "--against", ROOT / "proto/released.binpb", *CONFIG)


def _spoilt(tmp_path: Path, *, name: str = "", without: str = "") -> Path:
    """Return a copy of the descriptors with a field of SignInRequest renamed or removed."""
    files = FileDescriptorSet.FromString(IMAGE.read_bytes())
    (message,) = [m for f in files.file for m in f.message_type if m.name == "SignInRequest"]
    for field in list(message.field):
        if field.name == without:
            message.field.remove(field)
        elif name:
            field.name = name
            break
    path = tmp_path / "spoilt.binpb"
    path.write_bytes(files.SerializeToString())
    return path


def test_the_protos_are_well_formed_and_break_nobody() -> None:
    for done in (_lint(IMAGE), _breaking(IMAGE)):
        assert done.returncode == 0, done.stdout


def test_a_badly_named_field_is_seen(tmp_path: Path) -> None:
    done = _lint(_spoilt(tmp_path, name="tenantID"))
    assert done.returncode != 0
    assert "tenantID" in done.stdout


def test_a_field_that_clients_use_cannot_go(tmp_path: Path) -> None:
    done = _breaking(_spoilt(tmp_path, without="password"))
    assert done.returncode != 0
    assert "password" in done.stdout


@pytest.mark.parametrize(
    ("where", "what", "contract"),
    [
        ("contacts/domain/planted.py", "import grpc\n", "A domain knows"),
        ("contacts/adapters/planted.py", "import services.presence.settings\n", "Services know"),
        ("kernel/planted.py", "import services.contacts.settings\n", "The kernel knows"),
        ("contacts/use_cases.py", "from .adapters import mongo\n", "Inside a service"),
        ("contacts/grpc_api.py", "import motor\n", "The store's driver"),
    ],
)
def test_a_planted_import_breaks_its_contract(
    tmp_path: Path, where: str, what: str, contract: str
) -> None:
    shutil.copytree(
        ROOT / "services", tmp_path / "services", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "proto").symlink_to(ROOT / "proto")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    planted = tmp_path / "services" / where
    planted.write_text(what + (planted.read_text() if planted.exists() else ""))
    program = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT / 'proto/gen')!r}];"
        "from importlinter.cli import lint_imports;"
        "sys.exit(lint_imports(no_cache=True))"
    )
    done = _run(sys.executable, "-c", program, cwd=tmp_path)
    broken = [line for line in done.stdout.splitlines() if " BROKEN" in line]
    assert done.returncode == 1, done.stdout + done.stderr
    assert [line for line in broken if line.startswith(contract)], broken


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("0099-late.md", "# 99. Late\n\nStatus: accepted\n", "make docs"),
        ("0099-late.md", "# 98. Late\n\nStatus: accepted\n", "first line"),
        ("0099-late.md", "# 99. Late\n\nSome text.\n", "Status"),
        ("late.md", "# 99. Late\n\nStatus: accepted\n", "NNNN"),
    ],
)
def test_a_decision_out_of_form_or_out_of_the_index_is_seen(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    folder = tmp_path / "adr"
    shutil.copytree(ROOT / "docs/adr", folder)
    spec = util.spec_from_file_location("adr_index", ROOT / "docs/adr/index.py")
    assert spec is not None
    assert spec.loader is not None
    program = util.module_from_spec(spec)
    spec.loader.exec_module(program)
    assert program.main(folder, check=False) == program.main(folder, check=True) == ""
    (folder / name).write_text(text)
    assert told in program.main(folder, check=True)
