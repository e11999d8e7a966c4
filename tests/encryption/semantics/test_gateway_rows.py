"""Rows of 1e: servers of Istio's Gateway objects."""

from auditor.encryption.entry_points import ClientAuthentication as Client
from auditor.encryption.entry_points import Plaintext
from auditor.model.verdict import Protection
from tests.encryption.entry_manifests import WEB, config_map, rows
from tests.encryption.semantics.rows import RowCase, each
from tests.encryption.test_entry_istio_gateway import gateway, gateway_pods, server, tls

P = Protection
OPEN, CLOSED, REDIRECTED = Plaintext.OPEN, Plaintext.CLOSED, Plaintext.REDIRECTED
NONE, OPTIONAL, REQUIRED, UNKNOWN = Client.NONE, Client.OPTIONAL, Client.REQUIRED, Client.INDETERMINATE
HTTP3 = {"name": "quic", "port": 443, "targetPort": 8443, "protocol": "UDP"}

CASES = [
    RowCase("1e.http", "without httpsRedirect", [server("HTTP")], (OPEN, NONE, P.PLAINTEXT)),
    RowCase(
        "1e.http",
        "with httpsRedirect",
        [server("HTTP", {"httpsRedirect": True})],
        (REDIRECTED, NONE, P.DENIED),
    ),
    RowCase("1e.no-mode", "PASSTHROUGH", [server("HTTPS", tls())], (CLOSED, UNKNOWN, P.INDETERMINATE)),
    RowCase("1e.simple", "SIMPLE", [server("HTTPS", tls("SIMPLE"))], (CLOSED, NONE, P.TLS_SERVER_ONLY)),
    RowCase(
        "1e.optional",
        "OPTIONAL_MUTUAL",
        [server("HTTPS", tls("OPTIONAL_MUTUAL"))],
        (CLOSED, OPTIONAL, P.TLS_SERVER_ONLY),
    ),
    RowCase("1e.mutual", "MUTUAL", [server("HTTPS", tls("MUTUAL"))], (CLOSED, REQUIRED, P.ENFORCED_MTLS)),
    RowCase(
        "1e.mutual",
        "ISTIO_MUTUAL",
        [server("HTTPS", tls("ISTIO_MUTUAL"))],
        (CLOSED, REQUIRED, P.ENFORCED_MTLS),
    ),
    RowCase(
        "1e.mutual",
        "insecureSkipVerify",
        [server("HTTPS", tls("MUTUAL", insecureSkipVerify=True))],
        (CLOSED, OPTIONAL, P.TLS_SERVER_ONLY),
    ),
    RowCase(
        "1e.mutual",
        "HTTP/3",
        [server("HTTPS", tls("MUTUAL"))],
        (CLOSED, UNKNOWN, P.TLS_SERVER_ONLY),
        HTTP3,
    ),
    RowCase(
        "1e.passthrough",
        "PASSTHROUGH",
        [server("TLS", tls("PASSTHROUGH"))],
        (CLOSED, UNKNOWN, P.INDETERMINATE),
    ),
    RowCase(
        "1e.passthrough",
        "AUTO_PASSTHROUGH",
        [server("TLS", tls("AUTO_PASSTHROUGH"))],
        (CLOSED, UNKNOWN, P.INDETERMINATE),
    ),
]
VERSIONS = [
    RowCase("1e.minimum", "nothing is said", [tls("SIMPLE")], "1.2"),
    RowCase("1e.minimum", "the server's", [tls("SIMPLE", minProtocolVersion="TLSV1_0")], "1.0"),
    RowCase(
        "1e.minimum", "tlsDefaults", [tls("SIMPLE")], "1.3", "tlsDefaults: {minProtocolVersion: TLSV1_3}"
    ),
    RowCase(
        "1e.minimum",
        "the server's over tlsDefaults",
        [tls("SIMPLE", minProtocolVersion="TLSV1_1")],
        "1.1",
        "tlsDefaults: {minProtocolVersion: TLSV1_3}",
    ),
]
SERVERS = list(CASES)
CASES = CASES + VERSIONS


@each(SERVERS)
def test_what_a_server_takes(case: RowCase) -> None:
    more = [case.asked] if case.asked else []
    (found,) = [r for r in rows([*gateway_pods(*more), *WEB, gateway(*case.given)]) if r.kind == "Gateway"]
    assert (found.plaintext, found.client_authentication, found.verdict) == case.expected


@each(VERSIONS)
def test_the_oldest_version_that_a_server_takes(case: RowCase) -> None:
    mesh = [config_map("istio-system", "istio", {"mesh": case.asked})] if case.asked else []
    objects = [*gateway_pods(), *WEB, *mesh, gateway(server("HTTPS", *case.given))]
    (found,) = [r for r in rows(objects) if r.kind == "Gateway"]
    assert found.tls is not None
    assert found.tls.minimum_version == case.expected
