"""Writes base/auditor.yaml from the Helm chart, without what only Helm reads; a test compares.

python deploy/kustomize/render.py            needs helm on the PATH
"""

import subprocess
from pathlib import Path

import yaml

HERE = Path(__file__).parent
_HEAD = "# Made by deploy/kustomize/render.py from the Helm chart and values.yaml; patch it in an overlay.\n"


def base(helm: str = "helm") -> str:
    """The manifests as one text. Raises CalledProcessError when helm refuses."""
    command = [helm, "template", "auditor", str(HERE.parent / "helm" / "auditor"), "--namespace", "auditor"]
    printed = subprocess.check_output([*command, "--values", str(HERE / "values.yaml")], text=True)
    objects = [_without_helm(value) for value in yaml.safe_load_all(printed) if value]
    return _HEAD + yaml.safe_dump_all(objects, sort_keys=False, width=110)


def _without_helm(value: object) -> object:
    if isinstance(value, list):
        return [_without_helm(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {k: _without_helm(v) for k, v in value.items() if not (k.startswith("helm.sh/") or v == "Helm")}
    return {k: v for k, v in kept.items() if not (k == "annotations" and v == {})}


if __name__ == "__main__":
    (HERE / "base" / "auditor.yaml").write_text(base())
