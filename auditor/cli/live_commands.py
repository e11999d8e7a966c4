"""`auditor collect`, `auditor rbac` and `auditor preflight`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli.audit_command import FrameworkName
from auditor.cli.catalogue_commands import ControlsOption
from auditor.cli.live_options import (
    ContextOption,
    InClusterOption,
    KubeconfigOption,
    NamespaceOption,
    check_namespaces,
    collect_bundle_telling,
    live_target,
)
from auditor.cli.output import Out, Quiet, emit, emit_parts, emit_record, prepare, remark
from auditor.cli.progress import progress
from auditor.model.user_error import ExitCode, UserError

if TYPE_CHECKING:
    from auditor.evaluate.permissions import ServiceAccountName
    from auditor.model.preflight_result import PreflightResult


class Format(StrEnum):
    """How the answer is written."""

    TABLE = "table"
    JSON = "json"


Frameworks = Annotated[
    list[FrameworkName] | None,
    typer.Option("--framework", "-f", help="Whose controls; repeatable; all frameworks when left out."),
]
ConfigMaps = Annotated[
    list[str] | None,
    typer.Option(
        "--config-map",
        metavar="NS/NAME",
        help="A ConfigMap that a controller of yours is told to read; repeatable.",
    ),
]
ServiceAccount = Annotated[
    str | None,
    typer.Option("--service-account", metavar="NS/NAME", help="Make this ServiceAccount too, and bind it."),
]

_COLLECT_EXAMPLES = """
Examples:\n
  auditor collect --out evidence.zip\n
  auditor collect --context production --framework pci-dss-4.0.1 --out evidence.zip\n
  auditor audit evidence.zip --scope scope.yaml --out report
"""
_RBAC_EXAMPLES = """
Examples:\n
  auditor rbac --service-account auditor/auditor | kubectl apply -f -\n
  auditor rbac --framework hipaa --namespace clinic --namespace billing\n
  auditor rbac evidence.zip      names the ConfigMaps that its controllers read
"""


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("collect", epilog=_COLLECT_EXAMPLES)(collect)
    app.command("rbac", epilog=_RBAC_EXAMPLES)(rbac)
    app.command("preflight")(preflight)


def collect(
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE.zip", help="The bundle, written whole or not at all."),
    ],
    framework: Frameworks = None,
    controls: ControlsOption = None,
    scope: Annotated[Path | None, typer.Option(help="scope.yaml, to be kept in the bundle.")] = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    in_cluster: InClusterOption = False,
    namespace: NamespaceOption = None,
    quiet: Quiet = False,
) -> int:
    """Collect the evidence for the selected controls from a live cluster into a bundle, a SOURCE for every command."""
    from auditor.audit import controls_of_kinds, load_scope
    from auditor.collect.catalogue_files import read_text

    target = live_target(context, kubeconfig, in_cluster, namespace)
    kinds = controls_of_kinds(_names(framework), controls or ())
    text = read_text(scope) if scope is not None and load_scope(scope) else None
    prepare(out)
    found = collect_bundle_telling(target, kinds, out, text, quiet)
    missing = [gap for gap in found.outline.gaps.values() if gap.state != "not-installed"]
    for gap in missing:
        remark(quiet, f"{gap.key}: {gap.state}: {gap.cause}")
    whole = not missing and target.namespaces is None
    return int(ExitCode.DONE if whole else ExitCode.EVIDENCE_INCOMPLETE)


def rbac(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE...]", help="An earlier state of the cluster, to name its ConfigMaps."
        ),
    ] = None,
    framework: Frameworks = None,
    controls: ControlsOption = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", metavar="NAME", help="A Role in each of these; repeatable."),
    ] = None,
    config_map: ConfigMaps = None,
    service_account: ServiceAccount = None,
    name: Annotated[str, typer.Option(help="The name of the roles.")] = "auditor",
    open_reports: Annotated[
        bool,
        typer.Option("--open-reports", help="Also roles of their own for publishing OpenReports objects."),
    ] = False,
    out: Out = None,
) -> None:
    """Print the least RBAC that a live audit needs: list only, ConfigMaps by name, no Secrets, no wildcards."""
    from auditor.audit import config_maps_to_grant, controls_of_kinds
    from auditor.evaluate.permissions import open_reports_roles, roles
    from auditor.report.role_yaml import render_manifests

    prepare(out)
    account = _account(service_account)
    places = check_namespaces(namespace) if namespace else None
    kinds = controls_of_kinds(_names(framework), controls or ())
    config_maps = config_maps_to_grant(sources or (), _config_maps(config_map))
    manifests = roles(kinds, config_maps, name=name, namespaces=places, account=account)
    if open_reports:
        manifests += open_reports_roles(name=f"{name}-open-reports", namespaces=places, account=account)
    emit(out, render_manifests(manifests).encode())


def preflight(
    framework: Frameworks = None,
    controls: ControlsOption = None,
    config_map: ConfigMaps = None,
    service_account: ServiceAccount = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    in_cluster: InClusterOption = False,
    namespace: NamespaceOption = None,
    format: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    out: Out = None,
    quiet: Quiet = False,
) -> int:
    """Ask whether the credentials suffice for a live audit, which controls a lack blinds, and whether they allow too much.

    Exit code 3 when something is missing or can't be told.
    """
    from auditor.audit import config_maps_to_grant, controls_of_kinds, review_access

    target = live_target(context, kubeconfig, in_cluster, namespace)
    account = _account(service_account)
    kinds = controls_of_kinds(_names(framework), controls or ())
    config_maps = config_maps_to_grant((), _config_maps(config_map))
    prepare(out)
    with progress(quiet)("Asking what the credentials allow"):
        result = review_access(target, kinds, config_maps, account)
    _write(result, format, out)
    whole = all(row.allowed == "yes" for row in result.permissions)
    return int(ExitCode.DONE if whole else ExitCode.EVIDENCE_INCOMPLETE)


def _write(result: "PreflightResult", format: Format, out: Path | None) -> None:
    if format is Format.JSON:
        emit_record(out, result)
        return
    from auditor.report.preflight_text import preflight_parts

    emit_parts(out, preflight_parts(result))


def _names(framework: list[FrameworkName] | None) -> list[str]:
    return [entry.value for entry in FrameworkName if not framework or entry in framework]


def _config_maps(given: list[str] | None) -> list[tuple[str, str]]:
    return [_pair(text, "--config-map") for text in given or ()]


def _account(given: str | None) -> "ServiceAccountName | None":
    from auditor.evaluate.permissions import ServiceAccountName

    return ServiceAccountName(*_pair(given, "--service-account")) if given is not None else None


def _pair(text: str, option: str) -> tuple[str, str]:
    import re

    namespace, _, name = text.partition("/")
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", namespace) or not re.fullmatch(
        r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", name
    ):
        raise UserError(f"{option}: expected NAMESPACE/NAME (got {text!r})")
    return namespace, name
