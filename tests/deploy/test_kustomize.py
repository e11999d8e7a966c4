"""The plain manifests, built by the kustomize inside kubectl."""

import importlib.util
import subprocess
from pathlib import Path

import yaml

from tests.deploy.chart import DIGEST, KUSTOMIZE, Object, one


def _built(programs: Path, folder: str) -> list[Object]:
    text = subprocess.check_output(
        [str(programs / "kubectl"), "kustomize", str(KUSTOMIZE / folder)], text=True
    )
    return list(yaml.safe_load_all(text))


def test_the_base_is_the_chart(programs: Path) -> None:
    spec = importlib.util.spec_from_file_location("render", KUSTOMIZE / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.base(str(programs / "helm"))
    assert (KUSTOMIZE / "base" / "auditor.yaml").read_text() == text, "run make manifests"


def test_the_base_alone_reaches_nothing(programs: Path) -> None:
    objects = _built(programs, "base")
    policy = one(objects, "NetworkPolicy", "auditor")
    assert [p["ipBlock"]["cidr"] for p in policy["spec"]["egress"][1]["to"]] == ["192.0.2.1/32"]
    labels = one(objects, "Namespace", "auditor")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_overlay_replaces_what_the_base_leaves_open(programs: Path) -> None:
    objects = _built(programs, "overlays/example")
    policy = one(objects, "NetworkPolicy", "auditor")
    assert [p["ipBlock"]["cidr"] for p in policy["spec"]["egress"][1]["to"]] == ["192.0.2.10/32"]
    (scope,) = [o for o in objects if o["metadata"]["name"].startswith("auditor-scope")]
    assert yaml.safe_load(scope["data"]["scope.yaml"])["entity"] == "merchant"
    for name in ("auditor-daily", "auditor-quarterly"):
        spec = one(objects, "CronJob", name)["spec"]
        assert spec["timeZone"] == "Europe/Berlin"
        pod = spec["jobTemplate"]["spec"]["template"]["spec"]
        assert pod["containers"][0]["image"] == f"registry.example.com/audit/auditor@{DIGEST}"
        assert pod["volumes"][0]["projected"]["sources"][1]["configMap"]["name"] == scope["metadata"]["name"]
