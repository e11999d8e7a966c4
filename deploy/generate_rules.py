"""Writes the chart's rules from `auditor rbac`: run it after a change to what controls read; a test compares.

python deploy/generate_rules.py
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

FILES = Path(__file__).parent / "helm" / "auditor" / "files"
_HEAD = "# Made by deploy/generate_rules.py from `{command}`; don't edit.\n"


def rule_files() -> dict[str, str]:
    """The text of each file: the ClusterRole of all namespaces, the two roles of chosen ones, and that of publishing."""
    everywhere, chosen = ["auditor", "rbac"], ["auditor", "rbac", "--namespace", "NAME"]
    reports = ["auditor", "rbac", "--open-reports"]
    return {
        "rules.yaml": _text(everywhere, _rules(everywhere, "ClusterRole")),
        "rules-cluster-kinds.yaml": _text(chosen, _rules(chosen, "ClusterRole")),
        "rules-namespaced-kinds.yaml": _text(chosen, _rules(chosen, "Role")),
        "rules-open-reports.yaml": _text(reports, _rules(reports, "ClusterRole", "auditor-open-reports")),
    }


def _rules(command: list[str], kind: str, name: str = "auditor") -> Any:
    arguments = [part.replace("NAME", "name") for part in command[1:]]
    printed = subprocess.check_output([sys.executable, "-m", "auditor", *arguments], text=True)
    roles = [(role["kind"], role["metadata"]["name"], role["rules"]) for role in yaml.safe_load_all(printed)]
    (rules,) = [rules for of, named, rules in roles if (of, named) == (kind, name)]
    return rules


def _text(command: list[str], rules: Any) -> str:
    return _HEAD.format(command=" ".join(command)) + yaml.safe_dump(rules, sort_keys=False, width=110)


if __name__ == "__main__":
    for name, text in rule_files().items():
        (FILES / name).write_text(text)
