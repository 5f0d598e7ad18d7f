"""Each tool that `make check` trusts says no to what it is there to find."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from tests.manifests import ROOT, rendered

BIN = Path(sys.executable).parent

NAMED = r"Kubernetes (\d+\.\d+) or later"
POD = """
apiVersion: v1
kind: Pod
metadata: {name: it}
spec: {containers: [{name: it, image: it, redinessProbe: {}}]}
"""
KUSTOMIZATION = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [missing.yaml]
"""

WRONG = {
    "compose": (
        "docker-compose.yml",
        "services: {it: {imagee: x}}\n",
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"],
    ),
    "manifest": ("pod.yaml", POD, ["kubernetes-validate", "--strict", "pod.yaml"]),
    "kustomization": ("kustomization.yaml", KUSTOMIZATION, ["kubectl", "kustomize", "."]),
    "image": ("Dockerfile", "FROM python\n", ["hadolint", "Dockerfile"]),
    "yaml": (
        "it.yaml",
        "a: 1\na: 2\n",
        ["yamllint", "--strict", "-c", str(ROOT / ".yamllint"), "it.yaml"],
    ),
    "edge": (
        "envoy.yaml",
        "static_resources: {listners: []}\n",
        ["envoy", "--mode", "validate", "-l", "critical", "-c", "envoy.yaml"],
    ),
    "types": ("it.py", "x: int = 'one'\n", ["mypy", "--strict", "it.py"]),
    "style": ("it.py", "import os\n", ["ruff", "check", "--no-cache", "it.py"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused(name: str, tmp_path: Path) -> None:
    file, text, (tool, *arguments) = WRONG[name]
    (tmp_path / file).write_text(text)
    done = subprocess.run([BIN / tool, *arguments], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode != 0, done.stdout


def test_make_check_runs_every_one_of_them() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"$(BIN)/{command[0]} " in makefile for _, _, command in WRONG.values())


#: The first in which a pod may sleep before it stops without a feature gate: the schema of 1.29
#: knows the field, and a server of 1.29 drops it.
OLDEST_KUBERNETES = "1.30"


def test_the_oldest_kubernetes_that_the_pages_name_knows_all_that_we_use_and_is_checked() -> None:
    sleeps = [
        it["metadata"]["name"]
        for it in rendered("k8s/overlays/production")
        if it["kind"] == "Deployment"
        and "sleep" in it["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"]
    ]
    assert sleeps, "then an older one is enough"
    pages = ("README.md", "k8s/README.md", "CHANGELOG.md")
    named = {page: re.findall(NAMED, (ROOT / page).read_text()) for page in pages}
    assert named == {page: [OLDEST_KUBERNETES] for page in pages}
    (versions,) = re.findall(r"for version in ([\d. ]+);", (ROOT / "Makefile").read_text())
    assert versions.split()[0] == OLDEST_KUBERNETES
    assert sorted(versions.split(), key=Version) == versions.split()
