"""Which controller serves an Ingress: its class by annotation, by name, or by default (networking.k8s.io/v1)."""

import re
from dataclasses import dataclass

from auditor.encryption.entry.sources import Sources
from auditor.encryption.entry_reasons import cause
from auditor.inventory.cluster import Cluster
from auditor.model.kinds import INGRESS_CLASS
from auditor.model.objects import KubeObject, text_at
from auditor.model.verdict import Cause

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"

_BY_CONTROLLER: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"k8s\.io/(.+-)?(ingress-nginx|nginx-ingress|nginx)(-.+)?"), "ingress-nginx"),
    (re.compile(r"nginx\.org/ingress-controller"), "nginx-inc"),
    (re.compile(r"traefik\.io/ingress-controller"), "traefik"),
    (re.compile(r"haproxy\.org/ingress-controller(/.+)?"), "haproxytech"),
    (re.compile(r"haproxy-ingress\.github\.io/controller(/.+)?"), "haproxy-ingress"),
    (re.compile(r"projectcontour\.io/.+"), "contour"),
    (re.compile(r"ingress-controllers\.konghq\.com/kong"), "kong"),
    (re.compile(r"ingress\.k8s\.aws/alb|eks\.amazonaws\.com/alb"), "aws-alb"),
    (re.compile(r"azure/application-gateway"), "azure-agic"),
)
"""`IngressClass.spec.controller` to controller."""

_BY_CONVENTION = {
    "alb": "aws-alb",
    "azure-application-gateway": "azure-agic",
    "azure/application-gateway": "azure-agic",
    "contour": "contour",
    "gce": "gce",
    "gce-internal": "gce",
    "haproxy": None,
    "kong": "kong",
    "nginx": "ingress-nginx",
    "traefik": "traefik",
}
"""Class names that each controller's own installation uses. Both HAProxy controllers call theirs `haproxy`."""

_GKE_ANNOTATIONS = (
    "kubernetes.io/ingress.global-static-ip-name",
    "networking.gke.io/managed-certificates",
    "networking.gke.io/v1beta1.FrontendConfig",
    "ingress.gcp.kubernetes.io/pre-shared-cert",
)


@dataclass(frozen=True, slots=True)
class ClassFound:
    """The class of an Ingress and its controller; None with a cause where it cannot be told."""

    name: str | None
    controller: str | None
    declared: str | None
    causes: tuple[Cause, ...] = ()
    obj: KubeObject | None = None


def resolve_class(sources: Sources, ingress: KubeObject) -> ClassFound:
    """The controller that serves an Ingress."""
    annotated = ingress.annotations.get(CLASS_ANNOTATION)
    if annotated:
        return _by_name(sources, annotated, annotated=True)
    named = text_at(ingress.spec, "ingressClassName")
    if named:
        return _by_name(sources, named, annotated=False)
    if any(name in ingress.annotations for name in _GKE_ANNOTATIONS):
        return ClassFound(None, "gce", None, (cause("entry.class-gke"),))
    return _by_default(sources)


def _by_name(sources: Sources, name: str, *, annotated: bool) -> ClassFound:
    obj = sources.cluster.get(INGRESS_CLASS, "", name)
    if obj is not None:
        return _from_object(name, obj, ())
    if not annotated and sources.complete("networking.k8s.io", "IngressClass"):
        return ClassFound(name, None, None, (cause("indeterminate.entry.class-missing", ingress_class=name),))
    return _by_convention(sources, name)


def _by_convention(sources: Sources, name: str) -> ClassFound:
    controller = _BY_CONVENTION.get(name)
    if name == "haproxy":
        running = [c for c in ("haproxytech", "haproxy-ingress") if c in sources.programs]
        controller = running[0] if len(running) == 1 else None
    if name == "nginx" and "nginx-inc" in sources.programs:
        controller = None if "ingress-nginx" in sources.programs else "nginx-inc"
    if controller is None:
        return ClassFound(name, None, None, (cause("indeterminate.entry.class-unknown", ingress_class=name),))
    return ClassFound(name, controller, None, (cause("entry.class-by-name", ingress_class=name),))


def _by_default(sources: Sources) -> ClassFound:
    defaults = _default_classes(sources.cluster)
    if len(defaults) == 1:
        return _from_object(defaults[0].name, defaults[0], (cause("entry.class-default"),))
    code = "indeterminate.entry.class-ambiguous" if defaults else "indeterminate.entry.class-none"
    return ClassFound(None, None, None, (cause(code),))


def _default_classes(cluster: Cluster) -> list[KubeObject]:
    return [obj for obj in cluster.all(INGRESS_CLASS) if obj.annotations.get(_DEFAULT_ANNOTATION) == "true"]


def _from_object(name: str, obj: KubeObject, causes: tuple[Cause, ...]) -> ClassFound:
    declared = text_at(obj.spec, "controller") or ""
    for pattern, controller in _BY_CONTROLLER:
        if pattern.fullmatch(declared):
            return ClassFound(name, controller, declared, causes, obj)
    unknown = cause("indeterminate.entry.controller-unknown", controller=declared or "(none)")
    return ClassFound(name, None, declared, (*causes, unknown), obj)
