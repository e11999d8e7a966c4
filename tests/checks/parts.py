"""Loading of case folders: objects, the parts that many cases share, scope, and what is incomplete."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from auditor.checks.context import Context, Facts
from auditor.checks.registry import all_checks
from auditor.evaluate.runner import CheckRun, run_check
from auditor.inventory.scoping import ScopeView
from auditor.model.kinds import KNOWN_KINDS
from auditor.model.scope import Scope
from auditor.model.strict_yaml import parse_strict
from tests.objects import complete_claims, kube_all, snapshot

CASES = Path(__file__).parent / "cases"
PARTS = CASES / "parts"
NOW = datetime(2026, 9, 30, 2, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """A folder `<check-id>/<outcome>__<why>/` with objects.yaml and expected.yaml, and maybe scope.yaml.

    expected.yaml: `uses` names shared parts, `incomplete` kinds that nothing claims, `parameters` of the check,
    `findings` and `excluded` exactly as they must come out.
    """

    folder: Path

    @property
    def check_id(self) -> str:
        return self.folder.parent.name

    @property
    def outcome(self) -> str:
        return self.folder.name.partition("__")[0].upper()

    @property
    def expected(self) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load((self.folder / "expected.yaml").read_text())
        return loaded

    def run(self, framework: str = "pci-dss-4.0.1") -> CheckRun:
        """Run the case's check on its objects."""
        expected = self.expected
        texts = [(PARTS / f"{name}.yaml").read_text() for name in expected.get("uses", [])]
        texts.append((self.folder / "objects.yaml").read_text())
        objects = [obj for text in texts for obj in kube_all(text)]
        incomplete = set(expected.get("incomplete", []))
        kinds = [key for key in KNOWN_KINDS if str(key) not in incomplete and "everything" not in incomplete]
        scope = self._scope()
        facts = Facts(snapshot(objects, complete_claims(kinds)), scope, NOW)
        check = all_checks()[self.check_id]
        context = Context(facts, ScopeView(framework, facts.cluster, scope))
        return run_check("control", check, check.parameters(**expected.get("parameters", {})), context)

    def _scope(self) -> Scope | None:
        path = self.folder / "scope.yaml"
        return parse_strict(path.read_text(), "scope.yaml", Scope).value if path.exists() else None


def all_cases() -> list[Case]:
    """Every case folder, sorted."""
    return [Case(path.parent) for path in sorted(CASES.glob("*/*/expected.yaml"))]
