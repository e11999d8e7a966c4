"""Rendering the chart with the real helm, and the values that the tests render it with."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "auditor"
KUSTOMIZE = ROOT / "deploy" / "kustomize"
DIGEST = "sha256:" + "0" * 64

Object = dict[str, Any]

SMALLEST: Object = {
    "image": {"repository": "registry.example.com/audit/auditor", "digest": DIGEST},
    "apiServer": {"cidrs": ["192.0.2.10/32"]},
}
_SCOPE = {"format_version": 1, "namespaces": [{"name": "card-vault", "holds": ["cardholder-data"]}]}
_NOTIFIERS = {
    "webhook": {"enabled": True, "secretName": "hook", "headersKey": "headers", "cidrs": ["198.51.100.0/28"]},
    "slack": {"enabled": True, "secretName": "slack", "cidrs": ["198.51.100.16/28", "2001:db8::/64"]},
    "smtp": {
        "enabled": True,
        "host": "mail.example.com",
        "from": "auditor@example.com",
        "to": ["platform@example.com"],
        "username": "auditor",
        "secretName": "mail",
        "cidrs": ["198.51.100.32/32"],
    },
}

VALUES: dict[str, Object] = {
    "smallest": {},
    "scope": {"scope": _SCOPE, "failOn": ["FAIL"], "title": "Nightly", "organisation": "Example Ltd"},
    "namespaces": {
        "collect": {"namespaces": ["card-vault", "shop"]},
        "rbac": {"configMaps": ["ingress-settings"]},
        "openReports": {"enabled": True},
    },
    "bucket": {
        "storage": {
            "bucket": {"url": "s3://evidence/production", "region": "eu-central-1", "credentialsSecret": "s3"}
        },
        "bucket": {"cidrs": ["203.0.113.0/24"]},
    },
    "bucket elsewhere": {
        "storage": {"bucket": {"url": "s3://evidence", "endpointUrl": "https://minio.example.com:9000"}},
        "bucket": {"cidrs": ["203.0.113.7/32"], "ports": [9000]},
        "caBundle": {"configMap": "private-ca"},
        "serviceAccount": {
            "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/auditor"}
        },
    },
    "everyone is told": {"notifications": _NOTIFIERS, "caBundle": {"configMap": "private-ca"}},
    "published": {
        "openReports": {"enabled": True},
        "metrics": {
            "textFile": True,
            "pushgateway": {
                "enabled": True,
                "url": "http://pushgateway.monitoring:9091",
                "peers": [
                    {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
                ],
            },
        },
    },
    "existing": {
        "storage": {"persistentVolumeClaim": {"existingClaim": "evidence"}},
        "existingScopeConfigMap": "scope",
        "serviceAccount": {"create": False, "name": "ready-made"},
        "rbac": {"create": False},
    },
    "scheduling": {
        "daily": {
            "schedule": "@daily",
            "timeZone": "America/Argentina/Buenos_Aires",
            "keep": None,
            "suspend": True,
        },
        "quarterly": {"enabled": False},
        "job": {"ttlSecondsAfterFinished": 86400, "backoffLimit": 0},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "batch", "operator": "Exists", "effect": "NoSchedule"}],
        "priorityClassName": "",
        "image": {"pullSecrets": ["pull"], "pullPolicy": "Always", "digest": "", "tag": "0.1.0"},
        "networkPolicy": {"defaultDeny": False},
    },
}
"""A matrix: each turns on what the others leave off. Laid over SMALLEST."""


class Refused(Exception):
    """helm's message."""


def laid_over(base: Mapping[str, Any], change: Mapping[str, Any]) -> Object:
    """As helm merges values: maps join, everything else replaces."""
    joined = dict(base)
    for key, value in change.items():
        both = isinstance(value, Mapping) and isinstance(joined.get(key), Mapping)
        joined[key] = laid_over(joined[key], value) if both else value
    return joined


def values(name: str) -> Object:
    """One of the matrix."""
    return laid_over(SMALLEST, VALUES[name])


def helm(programs: Path, folder: Path, *arguments: str, given: Mapping[str, Any]) -> str:
    """Standard output of helm with these values. Raises Refused."""
    file = folder / "values.json"  # JSON is YAML
    file.write_text(json.dumps(given))
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "KUBECONFIG": str(folder / "none")}
    done = subprocess.run(
        [str(programs / "helm"), *arguments, "--values", str(file)],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    if done.returncode:
        raise Refused(done.stdout + done.stderr)
    return done.stdout


def render(
    programs: Path,
    folder: Path,
    given: Mapping[str, Any],
    *,
    release: str = "auditor",
    namespace: str = "auditor",
) -> list[Object]:
    """The objects that the chart gives. Raises Refused."""
    text = helm(programs, folder, "template", release, str(CHART), "--namespace", namespace, given=given)
    return [found for found in yaml.safe_load_all(text) if found]


def one(objects: list[Object], kind: str, name: str) -> Object:
    """The one object of this kind and name."""
    (found,) = [o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name]
    return found
