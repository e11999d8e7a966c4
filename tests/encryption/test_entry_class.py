"""Which controller serves an Ingress: annotation, class, default."""

import pytest

from auditor.encryption.entry_points import Plaintext
from auditor.model.verdict import Protection
from tests.encryption.entry_manifests import WEB, Manifest, deployment, ingress, ingress_class, rows

ANNOTATION = "kubernetes.io/ingress.class"
NGINX = ingress_class("nginx", "k8s.io/ingress-nginx")
OTHER = ingress_class("other", "example.com/own")
TRAEFIK = ingress_class("edge", "traefik.io/ingress-controller", default=True)
HAPROXY = deployment("lb", "docker.io/haproxytech/kubernetes-ingress:3.1")

CASES: list[tuple[str, list[Manifest], str | None, str | None]] = [
    ("the class's controller, whatever the name", [ingress(cls="edge"), TRAEFIK], "traefik", None),
    (
        "the annotation comes before the class",
        [ingress(cls="edge", **{ANNOTATION: "nginx"}), TRAEFIK, NGINX],
        "ingress-nginx",
        None,
    ),
    ("no class: the default one", [ingress(cls=None), TRAEFIK, NGINX], "traefik", "entry.class-default"),
    ("no class and no default", [ingress(cls=None), NGINX], None, "indeterminate.entry.class-none"),
    (
        "two defaults",
        [ingress(cls=None), TRAEFIK, ingress_class("two", "k8s.io/ingress-nginx", default=True)],
        None,
        "indeterminate.entry.class-ambiguous",
    ),
    ("a class that does not exist", [ingress(cls="nginx")], None, "indeterminate.entry.class-missing"),
    (
        "a controller that is not known",
        [ingress(cls="other"), OTHER],
        None,
        "indeterminate.entry.controller-unknown",
    ),
    ("an annotation by convention", [ingress(cls=None, **{ANNOTATION: "gce"})], "gce", "entry.class-by-name"),
    (
        "an annotation that nothing explains",
        [ingress(cls=None, **{ANNOTATION: "x"})],
        None,
        "indeterminate.entry.class-unknown",
    ),
    (
        "haproxy is ambiguous",
        [ingress(cls=None, **{ANNOTATION: "haproxy"})],
        None,
        "indeterminate.entry.class-unknown",
    ),
    (
        "haproxy by the one that runs",
        [ingress(cls=None, **{ANNOTATION: "haproxy"}), HAPROXY],
        "haproxytech",
        "entry.class-by-name",
    ),
    (
        "NGINX Inc's controller is another product",
        [ingress(cls=None, **{ANNOTATION: "nginx"}), deployment("ic", "nginx/nginx-ingress:4.0")],
        "nginx-inc",
        "entry.class-by-name",
    ),
    (
        "GKE's annotations without a class",
        [ingress(cls=None, **{"networking.gke.io/managed-certificates": "c"})],
        "gce",
        "entry.class-gke",
    ),
    (
        "an internal ingress-nginx",
        [ingress(cls="in"), ingress_class("in", "k8s.io/internal-ingress-nginx")],
        "ingress-nginx",
        None,
    ),
]


@pytest.mark.parametrize(("case", "objects", "controller", "code"), CASES, ids=[c[0] for c in CASES])
def test_controller(case: str, objects: list[Manifest], controller: str | None, code: str | None) -> None:
    (row,) = [r for r in rows([*WEB, *objects]) if r.kind == "Ingress"]
    assert row.controller == controller
    if code is not None:
        assert code in [c.code for c in row.causes]


def test_nothing_is_told_of_an_unknown_controller() -> None:
    (row,) = [r for r in rows([*WEB, OTHER, ingress(cls="other", tls=True)]) if r.kind == "Ingress"]
    assert (row.plaintext, row.verdict) == (Plaintext.INDETERMINATE, Protection.INDETERMINATE)


def test_a_class_that_may_exist_is_taken_by_its_usual_name() -> None:
    (row,) = rows([ingress(cls="nginx")], claims=())
    assert row.controller == "ingress-nginx"
    assert "entry.class-by-name" in [c.code for c in row.causes]


def test_old_ingresses_are_read_too() -> None:
    spec = {
        "rules": [
            {"host": "a.example", "http": {"paths": [{"backend": {"serviceName": "web", "servicePort": 80}}]}}
        ]
    }
    old = {
        "apiVersion": "extensions/v1beta1",
        "kind": "Ingress",
        "metadata": {"name": "old", "namespace": "shop"},
        "spec": spec,
    }
    (row,) = rows([*WEB, old])
    assert [b.service.name for b in row.destinations] == ["web"]
