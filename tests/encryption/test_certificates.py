"""The inventory of certificates (encryption.md 4 and 6): cert-manager, Routes, trust anchors; never a Secret."""

import base64
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from auditor.encryption.certificate_reasons import CERTIFICATE_REASONS
from auditor.encryption.certificates import CertificateFact, certificates, host_certificates
from auditor.model.verdict import Tri
from tests.encryption.entry_manifests import (
    WEB,
    Manifest,
    cluster_of,
    config_map,
    ingress,
    ingress_class,
    manifest,
    rows,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
CA_KEY = ec.generate_private_key(ec.SECP256R1())


def make(
    name: str = "shop.example",
    *,
    names: Any = ("shop.example",),
    issuer: str = "ca",
    key: Any = EC_KEY,
    start: datetime = NOW - 30 * DAY,
    end: datetime = NOW + 60 * DAY,
) -> str:
    """A certificate in PEM, signed by one CA whatever issuer it names."""
    found = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(1000)
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if names:
        found = found.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
    return found.sign(CA_KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


CA = make("ca", names=(), key=CA_KEY)


def certificate(name: str = "web", names: Any = ("shop.example",), **status: Any) -> Manifest:
    spec = {
        "secretName": "web-tls",
        "dnsNames": list(names),
        "issuerRef": {"name": "le", "kind": "ClusterIssuer"},
    }
    return manifest("cert-manager.io/v1", "Certificate", name, spec) | {"status": status}


def request(pem: Any, of: str | None = "web", name: str = "web-1", revision: str = "1") -> Manifest:
    annotations = (
        {"cert-manager.io/certificate-name": of, "cert-manager.io/certificate-revision": revision}
        if of
        else {}
    )
    body = manifest("cert-manager.io/v1", "CertificateRequest", name, {}, annotations=annotations)
    encoded = base64.b64encode(pem.encode()).decode() if isinstance(pem, str) else pem
    return body | {"status": {"certificate": encoded}}


def route(pem: str, field: str = "certificate") -> Manifest:
    spec = {"host": "shop.example", "tls": {"termination": "edge", field: pem}}
    return manifest("route.openshift.io/v1", "Route", "r", spec)


def inventory(*objects: Manifest) -> tuple[CertificateFact, ...]:
    return certificates(cluster_of(objects), NOW)


def only(*objects: Manifest) -> CertificateFact:
    (fact,) = inventory(*objects)
    assert {c.code for c in fact.problems} <= set(CERTIFICATE_REASONS)
    return fact


def codes(fact: CertificateFact) -> list[str]:
    return [cause.code for cause in fact.problems]


def test_an_issued_certificate_is_looked_into() -> None:
    fact = only(certificate(renewalTime="2026-07-01T00:00:00Z"), request(make() + CA))
    assert (fact.object, fact.secret, fact.use) == (
        "shop/Certificate.cert-manager.io/web",
        "shop/Secret/web-tls",
        "server",
    )
    assert (fact.subject, fact.issuer, fact.names) == ("CN=shop.example", "CN=ca", ("shop.example",))
    assert (fact.key, fact.signature, fact.observed) == ("EC 256", "sha256", True)
    assert (fact.not_before, fact.not_after) == ("2026-05-02T00:00:00Z", "2026-07-31T00:00:00Z")
    assert (fact.renewal, fact.problems) == ("2026-07-01T00:00:00Z", ())


PROBLEMS: list[tuple[str, str, list[str]]] = [
    ("expired", make(end=NOW - DAY), ["certificate.expired"]),
    ("not valid yet", make(start=NOW + DAY), ["certificate.not-yet-valid"]),
    ("expires within 30 days", make(end=NOW + 10 * DAY), ["certificate.expires-soon"]),
    ("RSA 1024", make(key=rsa.generate_private_key(65537, 1024)), ["certificate.weak-key"]),  # noqa: S505
    ("RSA 2048", make(key=rsa.generate_private_key(65537, 2048)), []),
    ("EC 192", make(key=ec.generate_private_key(ec.SECP192R1())), ["certificate.weak-key"]),
    ("a chain in order", make() + CA, []),
    ("a chain out of order", make() + make("other", issuer="x"), ["certificate.chain-order"]),
    (
        "a broken second certificate",
        make() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ["indeterminate.certificate.unreadable"],
    ),
]


SHA1 = """
-----BEGIN CERTIFICATE-----
MIIBHzCBxgIUGmCz0kowOV0u5Toyk4H1eSYuqtIwCQYHKoZIzj0EATANMQswCQYD
VQQDDAJjYTAgFw0yNjExMjQwMzI5NDBaGA8yMTI2MTAzMTAzMjk0MFowFzEVMBMG
A1UEAwwMc2hvcC5leGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEuhzd
yHkOIoHr/PdYE3/oOfXBVgx27Q9EqYBpvHXYO/MVSmR3RB7LAvBYsf3YKJrCPhQJ
AgRKp45fUJfTALflJTAJBgcqhkjOPQQBA0kAMEYCIQCBBx1AWuO47iL8Qe+9A/iX
ORdel/E989y83uDu3unQNAIhALdDn1aZc8putobuHU5eHmc83IY2dH/F4QARYNnC
5VUy
-----END CERTIFICATE-----
"""


def test_a_signature_with_sha1_is_weak() -> None:
    assert codes(only(route(SHA1))) == ["certificate.not-yet-valid", "certificate.weak-signature"]


@pytest.mark.parametrize(("case", "pem", "expected"), PROBLEMS, ids=[c[0] for c in PROBLEMS])
def test_problems_of_a_certificate(case: str, pem: str, expected: list[str]) -> None:
    assert codes(only(route(pem))) == expected


BROKEN: list[Any] = [
    None,
    7,
    [],
    "",
    "x",
    "!!!",
    "-----BEGIN CERTIFICATE-----",
    "é" * 10,
    "AAAA" * 1000,
    {"a": 1},
]


@pytest.mark.parametrize("value", BROKEN, ids=lambda v: repr(v)[:20])
def test_broken_certificates_are_named_and_not_fatal(value: Any) -> None:
    orphan = request(None, of=None, name="o")
    orphan["status"] = {"certificate": value}
    fact = only(orphan)
    assert (fact.observed, codes(fact)) == (False, ["indeterminate.certificate.unreadable"])
    objects = [
        manifest("cert-manager.io/v1", "Certificate", "a", value) | {"status": value},
        manifest("cert-manager.io/v1", "Certificate", "b", {"dnsNames": value, "privateKey": value})
        | {"status": {"notAfter": value, "conditions": value}},
        manifest("route.openshift.io/v1", "Route", "c", {"tls": value}),
        manifest("route.openshift.io/v1", "Route", "d", {"tls": {"certificate": value}}),
        config_map("linkerd", "linkerd-identity-trust-roots", {"ca-bundle.crt": value}),
    ]
    assert all(fact.problems for fact in inventory(*objects))


def test_two_megabytes_of_names_are_bounded() -> None:
    names = [f"host-{n:06d}.shop.example" for n in range(90_000)]
    fact = only(route(make(names=names)))
    assert (len(fact.names), fact.name_count) == (100, 90_000)
    assert codes(fact) == ["certificate.names-cut"]


OLD_CA = make("ca", names=(), key=CA_KEY, start=NOW - 400 * DAY, end=NOW - DAY)
WEAK_CA = make("ca", names=(), key=rsa.generate_private_key(65537, 1024))  # noqa: S505


def test_a_chain_is_as_good_as_the_certificates_above_the_leaf() -> None:
    assert codes(only(route(make() + OLD_CA))) == ["certificate.issuer-expired"]
    assert codes(only(route(make() + WEAK_CA))) == ["certificate.issuer-weak"]
    beside = request(make())
    beside["status"]["ca"] = base64.b64encode(OLD_CA.encode()).decode()
    assert codes(only(certificate(), beside)) == ["certificate.issuer-expired"]


def test_an_expired_ca_certificate_is_told_of_itself() -> None:
    authority = certificate("authority", names=())
    authority["spec"]["isCA"] = True
    fact = only(authority, request(OLD_CA, of="authority"))
    assert (fact.use, codes(fact)) == ("issuer", ["certificate.expired"])


def test_a_host_is_looked_for_among_all_names() -> None:
    names = [f"h{n}.shop.example" for n in range(5000)]
    entries = rows([CLASS, *WEB, ingress("h4999.shop.example", tls=True)])
    (found,) = host_certificates(entries, inventory(certificate(), request(make(names=names))))
    assert found.covered is Tri.YES
    entries = rows([CLASS, *WEB, ingress("h5000.shop.example", tls=True)])
    (found,) = host_certificates(entries, inventory(certificate(), request(make(names=names))))
    assert found.covered is Tri.NO


def test_without_what_was_issued_only_the_request_is_told() -> None:
    fact = only(
        certificate(notAfter="2026-05-01T00:00:00Z", conditions=[{"type": "Ready", "status": "False"}])
    )
    assert (fact.observed, fact.confirmed, fact.key, fact.names) == (False, False, None, ("shop.example",))
    assert fact.issuer == "ClusterIssuer le"
    assert codes(fact) == [
        "indeterminate.certificate.not-issued",
        "certificate.expired",
        "certificate.not-ready",
    ]


def test_a_renewal_that_did_not_happen() -> None:
    fact = only(certificate(renewalTime="2026-05-20T00:00:00Z"), request(make()))
    assert codes(fact) == ["certificate.renewal-overdue"]


def test_the_request_of_the_latest_revision_counts() -> None:
    old, new = request(make(end=NOW - DAY), name="a", revision="9"), request(make(), name="b", revision="10")
    assert only(certificate(), new, old).problems == ()


def test_trust_anchors_of_the_meshes() -> None:
    expired = make("old", names=(), end=NOW - DAY)
    roots = config_map("linkerd", "linkerd-identity-trust-roots", {"ca-bundle.crt": CA + expired})
    copies = [config_map(ns, "istio-ca-root-cert", {"root-cert.pem": CA}) for ns in ("a", "b")]
    found = inventory(roots, *copies)
    assert [(f.object, f.place, f.use, codes(f)) for f in found] == [
        ("a/ConfigMap/istio-ca-root-cert", "data[root-cert.pem]", "trust-anchor", []),
        ("linkerd/ConfigMap/linkerd-identity-trust-roots", "data[ca-bundle.crt]#1", "trust-anchor", []),
        (
            "linkerd/ConfigMap/linkerd-identity-trust-roots",
            "data[ca-bundle.crt]#2",
            "trust-anchor",
            ["certificate.expired"],
        ),
    ]


def test_without_the_library_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert codes(only(route(make()))) == ["indeterminate.certificate.library-missing"]


CLASS = ingress_class("nginx", "k8s.io/ingress-nginx")
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
COVERAGE: list[tuple[str, str, list[Manifest], Tri]] = [
    ("the host is among the names", "shop.example", [certificate(), request(make())], Tri.YES),
    ("in another case", "SHOP.example", [certificate(), request(make())], Tri.YES),
    (
        "a wildcard covers one label",
        "a.shop.example",
        [certificate(), request(make(names=["*.shop.example"]))],
        Tri.YES,
    ),
    ("and not two", "a.b.shop.example", [certificate(), request(make(names=["*.shop.example"]))], Tri.NO),
    ("nor none", "shop.example", [certificate(), request(make(names=["*.shop.example"]))], Tri.NO),
    ("another host", "shop.example", [certificate(), request(make(names=["other.example"]))], Tri.NO),
    ("what cert-manager reports as ready", "shop.example", [certificate(**READY)], Tri.YES),
    ("what was asked for and is not reported", "shop.example", [certificate()], Tri.UNKNOWN),
    ("a Secret that nothing describes", "shop.example", [], Tri.UNKNOWN),
]


@pytest.mark.parametrize(("case", "host", "objects", "expected"), COVERAGE, ids=[c[0] for c in COVERAGE])
def test_names_against_the_hosts_of_entry_points(
    case: str, host: str, objects: list[Manifest], expected: Tri
) -> None:
    entries = rows([CLASS, *WEB, ingress(host, tls=True)])
    (found,) = host_certificates(entries, inventory(*objects))
    assert found.covered is expected
    assert bool(found.causes) == (expected is not Tri.YES)
