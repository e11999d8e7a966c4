"""Encryption between nodes (encryption.md 3; 8: Cilium's mutual authentication, Weave and Flannel)."""

from typing import Any

import pytest

from auditor.encryption.cni import node_encryption
from auditor.encryption.entry_reasons import CNI_REASONS
from auditor.encryption.node_encryption import NodeEncryption
from auditor.inventory.cluster import Cluster
from auditor.model.evidence import Claim
from auditor.model.kinds import KNOWN_KINDS
from auditor.model.verdict import Tri
from tests.encryption.entry_manifests import Manifest, cluster_of, config_map, manifest

YES, NO, UNKNOWN = Tri.YES, Tri.NO, Tri.UNKNOWN
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
NOT_READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}
CALICO_KEY = "projectcalico.org/WireguardPublicKey"
FLANNEL_BACKEND = "flannel.alpha.coreos.com/backend-type"


def node(name: str, labels: dict[str, str] | None = None, **annotations: str) -> Manifest:
    body = manifest("v1", "Node", name, {}, None, annotations=annotations, labels=labels or {})
    return body | {"status": {}}


NODES = [node("n1"), node("n2")]


def agent(
    container: str, on: str, space: str = "kube-system", *, status: Any = READY, **more: Any
) -> Manifest:
    spec = {
        "hostNetwork": True,
        "nodeName": on,
        "containers": [{"name": container, "image": "x:v1.2.3", **more}],
    }
    return manifest("v1", "Pod", f"{container}-{on}", spec, space) | {"status": status}


def everywhere(container: str, space: str = "kube-system", **more: Any) -> list[Manifest]:
    return [agent(container, "n1", space, **more), agent(container, "n2", space, **more)]


def app(address: str) -> Manifest:
    status = READY | {"podIPs": [{"ip": address}]}
    spec = {"nodeName": "n1", "containers": [{"name": "app", "image": "app"}]}
    return manifest("v1", "Pod", f"app-{address.replace(':', '-')}", spec) | {"status": status}


def cilium(**data: str) -> Manifest:
    return config_map("kube-system", "cilium-config", {k.replace("_", "-"): v for k, v in data.items()})


def felix(name: str = "default", **spec: Any) -> Manifest:
    return manifest("projectcalico.org/v3", "FelixConfiguration", name, spec, None)


def flannel(backend: str | None) -> Manifest:
    text = "{" if backend is None else '{"Network": "10.0.0.0/8", "Backend": {"Type": "%s"}}' % backend
    return config_map("kube-flannel", "kube-flannel-cfg", {"net-conf.json": text})


def weave(*env: Any, args: tuple[str, ...] = ()) -> list[Manifest]:
    return [*NODES, *everywhere("weave", env=list(env), args=list(args))]


def antrea(conf: str) -> list[Manifest]:
    config = config_map("kube-system", "antrea-config", {"antrea-agent.conf": conf})
    return [*NODES, *everywhere("antrea-agent"), config]


def ovn(config: Any) -> list[Manifest]:
    network = {"defaultNetwork": {"ovnKubernetesConfig": config}}
    return [
        *NODES,
        *everywhere("ovnkube-node"),
        manifest("operator.openshift.io/v1", "Network", "cluster", network, None),
    ]


CILIUM = [*NODES, *everywhere("cilium-agent")]
KEYED = [node("n1", **{CALICO_KEY: "k1"}), node("n2", **{CALICO_KEY: "k2"})]
CALICO = [*everywhere("calico-node"), app("10.0.0.9")]
FLANNEL = everywhere("kube-flannel", "kube-flannel")
WIREGUARD_NODES = [node("n1", **{FLANNEL_BACKEND: "wireguard"}), node("n2", **{FLANNEL_BACKEND: "wireguard"})]
VXLAN_NODES = [node("n1", **{FLANNEL_BACKEND: "vxlan"}), node("n2", **{FLANNEL_BACKEND: "vxlan"})]
PASSWORD = {"name": "WEAVE_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "weave", "key": "p"}}}
OPTIONAL = {
    "name": "WEAVE_PASSWORD",
    "valueFrom": {"secretKeyRef": {"name": "weave", "key": "p", "optional": True}},
}

CASES: list[tuple[str, list[Manifest], str | None, Tri, str | None, str]] = [
    (
        "cilium: wireguard",
        [*CILIUM, cilium(enable_wireguard="true")],
        "cilium",
        YES,
        "wireguard",
        "cni.no-strict-mode",
    ),
    ("cilium: ipsec", [*CILIUM, cilium(enable_ipsec="true")], "cilium", YES, "ipsec", "cni.node-identities"),
    ("cilium: neither", [*CILIUM, cilium(enable_policy="default")], "cilium", NO, None, "cni.plain"),
    (
        "cilium: mutual authentication authenticates and does not encrypt",
        [*CILIUM, cilium(mesh_auth_enabled="true", mesh_auth_mutual_enabled="true")],
        "cilium",
        NO,
        None,
        "cni.mutual-authentication",
    ),
    (
        "cilium: both at once is refused",
        [*CILIUM, cilium(enable_wireguard="true", enable_ipsec="true")],
        "cilium",
        UNKNOWN,
        None,
        "indeterminate.cni.config-conflict",
    ),
    (
        "cilium: a flag outranks the ConfigMap",
        [
            *NODES,
            *everywhere("cilium-agent", args=["--enable-wireguard=false"]),
            cilium(enable_wireguard="true"),
        ],
        "cilium",
        NO,
        None,
        "cni.plain",
    ),
    (
        "cilium: declared alone is not observed",
        [*NODES, cilium(enable_wireguard="true")],
        None,
        UNKNOWN,
        None,
        "indeterminate.cni.not-found",
    ),
    (
        "calico: on, every node has a key",
        [*KEYED, *CALICO, felix(wireguardEnabled=True)],
        "calico",
        YES,
        "wireguard",
        "cni.encrypts",
    ),
    ("calico: off", [*KEYED, *CALICO, felix(wireguardEnabled=False)], "calico", NO, None, "cni.plain"),
    ("calico: unset", [*KEYED, *CALICO, felix()], "calico", NO, None, "cni.plain"),
    (
        "calico: on, no node has a key",
        [*NODES, *CALICO, felix(wireguardEnabled=True)],
        "calico",
        NO,
        "wireguard",
        "cni.nodes-without-key",
    ),
    (
        "calico: IPv6 only, pods use IPv4",
        [*KEYED, *CALICO, felix(wireguardEnabledV6=True)],
        "calico",
        NO,
        None,
        "cni.plain",
    ),
    (
        "calico: the agent's environment outranks FelixConfiguration",
        [
            *KEYED,
            *everywhere("calico-node", env=[{"name": "FELIX_WIREGUARDENABLED", "value": "false"}]),
            felix(wireguardEnabled=True),
        ],
        "calico",
        NO,
        None,
        "cni.plain",
    ),
    (
        "flannel: wireguard, observed",
        [*WIREGUARD_NODES, *FLANNEL, flannel("wireguard")],
        "flannel",
        YES,
        "wireguard",
        "cni.encrypts",
    ),
    (
        "flannel: ipsec is experimental",
        [
            node("n1", **{FLANNEL_BACKEND: "ipsec"}),
            agent("kube-flannel", "n1", "kube-flannel"),
            flannel("ipsec"),
        ],
        "flannel",
        YES,
        "ipsec",
        "cni.experimental",
    ),
    ("flannel: vxlan is plain", [*VXLAN_NODES, *FLANNEL, flannel("vxlan")], "flannel", NO, None, "cni.plain"),
    (
        "flannel: host-gw by the ConfigMap alone",
        [*NODES, *FLANNEL, flannel("host-gw")],
        "flannel",
        NO,
        None,
        "cni.plain",
    ),
    (
        "flannel: set to wireguard, nodes still say vxlan",
        [*VXLAN_NODES, *FLANNEL, flannel("wireguard")],
        "flannel",
        NO,
        None,
        "cni.plain",
    ),
    (
        "flannel: an unreadable ConfigMap",
        [*NODES, *FLANNEL, flannel(None)],
        "flannel",
        UNKNOWN,
        None,
        "indeterminate.cni.config-unreadable",
    ),
    (
        "flannel in k3s' own process: by the nodes",
        [*WIREGUARD_NODES],
        "flannel",
        YES,
        "wireguard",
        "cni.encrypts",
    ),
    ("flannel in k3s' own process: vxlan", [*VXLAN_NODES], "flannel", NO, None, "cni.plain"),
    ("weave: a password from a Secret", weave(PASSWORD), "weave", YES, "shared-password", "cni.unmaintained"),
    (
        "weave: a password kept as set",
        weave({"name": "WEAVE_PASSWORD", "value": "set"}),
        "weave",
        YES,
        "shared-password",
        "cni.unmaintained",
    ),
    ("weave: no password", weave(), "weave", NO, None, "cni.unmaintained"),
    (
        "weave: a password kept as unset",
        weave({"name": "WEAVE_PASSWORD", "value": "unset"}),
        "weave",
        NO,
        None,
        "cni.plain",
    ),
    (
        "weave: an empty password is none",
        weave({"name": "WEAVE_PASSWORD", "value": ""}),
        "weave",
        NO,
        None,
        "cni.plain",
    ),
    ("weave: an optional Secret", weave(OPTIONAL), "weave", UNKNOWN, None, "indeterminate.cni.password"),
    (
        "weave: trusted subnets",
        weave(PASSWORD, args=("--trusted-subnets=10.0.0.0/8",)),
        "weave",
        UNKNOWN,
        None,
        "indeterminate.cni.trusted-subnets",
    ),
    ("antrea: none is the default", antrea("{}"), "antrea", NO, None, "cni.plain"),
    (
        "antrea: wireguard",
        antrea("trafficEncryptionMode: WireGuard"),
        "antrea",
        YES,
        "wireguard",
        "cni.encrypts",
    ),
    (
        "antrea: ipsec with a pre-shared key that may be the published one",
        antrea("trafficEncryptionMode: IPSec"),
        "antrea",
        UNKNOWN,
        "ipsec",
        "indeterminate.cni.preshared-key",
    ),
    (
        "antrea: ipsec with certificates",
        antrea("trafficEncryptionMode: ipsec\nipsec: {authenticationMode: cert}"),
        "antrea",
        YES,
        "ipsec",
        "cni.encrypts",
    ),
    (
        "antrea: an unknown mode",
        antrea("trafficEncryptionMode: maybe"),
        "antrea",
        UNKNOWN,
        None,
        "indeterminate.cni.config-unreadable",
    ),
    (
        "antrea: a broken configuration",
        antrea("{"),
        "antrea",
        UNKNOWN,
        None,
        "indeterminate.cni.config-unreadable",
    ),
    (
        "ovn-kubernetes: Full covers pods",
        ovn({"ipsecConfig": {"mode": "Full"}}),
        "ovn-kubernetes",
        YES,
        "ipsec",
        "cni.encrypts",
    ),
    (
        "ovn-kubernetes: External does not",
        ovn({"ipsecConfig": {"mode": "External"}}),
        "ovn-kubernetes",
        NO,
        None,
        "cni.plain",
    ),
    (
        "ovn-kubernetes: Disabled",
        ovn({"ipsecConfig": {"mode": "Disabled"}}),
        "ovn-kubernetes",
        NO,
        None,
        "cni.plain",
    ),
    ("ovn-kubernetes: not set", ovn({}), "ovn-kubernetes", NO, None, "cni.plain"),
    (
        "ovn-kubernetes: without a mode it is not guessed",
        ovn({"ipsecConfig": {}}),
        "ovn-kubernetes",
        UNKNOWN,
        None,
        "indeterminate.cni.ipsec-mode",
    ),
    (
        "another agent",
        [*NODES, *everywhere("kindnet-cni")],
        "kindnet",
        UNKNOWN,
        None,
        "indeterminate.cni.not-known",
    ),
    ("no agent", [*NODES], None, UNKNOWN, None, "indeterminate.cni.not-found"),
    (
        "an agent's name in an ordinary pod is no agent",
        [
            *NODES,
            manifest("v1", "Pod", "fake", {"containers": [{"name": "cilium-agent"}]}) | {"status": READY},
            cilium(enable_wireguard="true"),
        ],
        None,
        UNKNOWN,
        None,
        "indeterminate.cni.not-found",
    ),
]


@pytest.mark.parametrize(
    ("case", "objects", "cni", "cross", "mechanism", "code"), CASES, ids=[c[0] for c in CASES]
)
def test_encryption_between_nodes(
    case: str, objects: list[Manifest], cni: str | None, cross: Tri, mechanism: str | None, code: str
) -> None:
    found = node_encryption(cluster_of(objects))
    assert (found.cni, found.cross_node) == (cni, cross)
    if cross is YES:
        assert found.mechanism == mechanism
        assert found.same_node is NO
        assert found.except_nodes == frozenset()
    codes = [c.code for c in found.causes]
    assert code in codes
    assert set(codes) <= set(CNI_REASONS)
    if cross is UNKNOWN:
        assert any(c.startswith("indeterminate.") for c in codes)


def found(*objects: Manifest, claims: Any = None) -> NodeEncryption:
    return node_encryption(cluster_of(objects, claims))


def without(*kinds: str) -> list[Claim]:
    return [Claim(key, None, "", "kubectl get", "test") for key in KNOWN_KINDS if key.kind not in kinds]


MISSING = [
    ("cilium: the ConfigMap was not collected", CILIUM, "ConfigMap", "indeterminate.cni.config-missing"),
    (
        "flannel: the ConfigMap was not collected",
        [*NODES, *FLANNEL],
        "ConfigMap",
        "indeterminate.cni.config-missing",
    ),
    (
        "antrea: the ConfigMap was not collected",
        [*NODES, *everywhere("antrea-agent")],
        "ConfigMap",
        "indeterminate.cni.config-missing",
    ),
    (
        "calico: FelixConfiguration was not collected",
        [*KEYED, *CALICO],
        "FelixConfiguration",
        "indeterminate.cni.felix-missing",
    ),
    (
        "ovn-kubernetes: the Network was not collected",
        [*NODES, *everywhere("ovnkube-node")],
        "Network",
        "indeterminate.cni.network-missing",
    ),
    (
        "nodes may be missing",
        [*CILIUM, cilium(enable_wireguard="true")],
        "Node",
        "indeterminate.cni.nodes-unknown",
    ),
]


@pytest.mark.parametrize(("case", "objects", "kind", "code"), MISSING, ids=[c[0] for c in MISSING])
def test_what_was_not_collected_is_unknown(case: str, objects: list[Manifest], kind: str, code: str) -> None:
    verdict = found(*objects, claims=without(kind))
    assert verdict.cross_node is UNKNOWN
    assert code in [c.code for c in verdict.causes]


def test_a_daemonset_that_was_never_seen_running_is_no_proof() -> None:
    template = {"spec": {"hostNetwork": True, "containers": [{"name": "cilium-agent"}]}}
    daemon = manifest("apps/v1", "DaemonSet", "cilium", {"template": template}, "kube-system")
    verdict = found(*NODES, daemon, cilium(enable_wireguard="true"))
    assert verdict.cross_node is UNKNOWN
    assert "indeterminate.cni.agent-not-observed" in [c.code for c in verdict.causes]
    counted = daemon | {"status": {"desiredNumberScheduled": 2, "numberReady": 2}}
    assert found(*NODES, counted, cilium(enable_wireguard="true")).cross_node is YES


def test_nodes_without_a_ready_agent_are_not_covered() -> None:
    pods = [agent("cilium-agent", "n1"), agent("cilium-agent", "n2", status=NOT_READY)]
    assert found(*NODES, *pods, cilium(enable_wireguard="true")).except_nodes == {"n2"}
    assert found(*NODES, pods[0], cilium(enable_wireguard="true")).except_nodes == {"n2"}


def test_calico_nodes_without_a_key_are_not_covered() -> None:
    verdict = found(KEYED[0], NODES[1], *CALICO, felix(wireguardEnabled=True))
    assert (verdict.cross_node, verdict.except_nodes) == (YES, {"n2"})


def test_a_felix_configuration_of_one_node_may_switch_it_off_there() -> None:
    verdict = found(*KEYED, *CALICO, felix(wireguardEnabled=True), felix("node.n2", wireguardEnabled=False))
    assert verdict.except_nodes == {"n2"}


def test_flannel_nodes_with_another_backend_are_not_covered() -> None:
    verdict = found(WIREGUARD_NODES[0], NODES[1], *FLANNEL, flannel("wireguard"))
    assert (verdict.cross_node, verdict.except_nodes) == (YES, {"n2"})


HOSTS: list[tuple[str, Cluster, Tri]] = [
    ("cilium: pods only by default", cluster_of([*CILIUM, cilium(enable_wireguard="true")]), NO),
    (
        "cilium: encrypt-node",
        cluster_of([*CILIUM, cilium(enable_wireguard="true", encrypt_node="true")]),
        YES,
    ),
    (
        "cilium: control-plane nodes opt out of encrypt-node",
        cluster_of(
            [
                node("n1", {"node-role.kubernetes.io/control-plane": ""}),
                NODES[1],
                *everywhere("cilium-agent"),
                cilium(enable_wireguard="true", encrypt_node="true"),
            ]
        ),
        UNKNOWN,
    ),
    (
        "cilium: encrypt-node does nothing with ipsec",
        cluster_of([*CILIUM, cilium(enable_ipsec="true", encrypt_node="true")]),
        NO,
    ),
    ("calico: pods only by default", cluster_of([*KEYED, *CALICO, felix(wireguardEnabled=True)]), NO),
    (
        "calico: wireguardHostEncryptionEnabled",
        cluster_of([*KEYED, *CALICO, felix(wireguardEnabled=True, wireguardHostEncryptionEnabled=True)]),
        YES,
    ),
]


@pytest.mark.parametrize(("case", "cluster", "expected"), HOSTS, ids=[c[0] for c in HOSTS])
def test_traffic_of_the_nodes_themselves(case: str, cluster: Cluster, expected: Tri) -> None:
    assert node_encryption(cluster).host_network is expected


STRICT_EGRESS = {
    "enable_encryption_strict_mode_egress": "true",
    "encryption_strict_egress_cidr": "10.0.0.0/16",
}
STRICT: list[tuple[str, dict[str, str], list[str]]] = [
    ("nothing is strict", {"enable_wireguard": "true"}, ["cni.no-strict-mode"]),
    ("egress", {"enable_wireguard": "true", **STRICT_EGRESS}, ["cni.strict-egress"]),
    ("egress with IPsec", {"enable_ipsec": "true", **STRICT_EGRESS}, ["cni.strict-egress"]),
    (
        "egress by its old name",
        {
            "enable_wireguard": "true",
            "enable_encryption_strict_mode": "true",
            "encryption_strict_mode_cidr": "10.0.0.0/16",
        },
        ["cni.strict-egress"],
    ),
    (
        "the old name is from a time when strict mode was WireGuard's alone",
        {
            "enable_ipsec": "true",
            "enable_encryption_strict_mode": "true",
            "encryption_strict_mode_cidr": "10.0.0.0/16",
        },
        ["cni.no-strict-mode"],
    ),
    (
        "egress that lets packets to nodes through",
        {
            "enable_wireguard": "true",
            **STRICT_EGRESS,
            "encryption_strict_egress_allow_remote_node_identities": "true",
        },
        ["cni.strict-egress", "cni.strict-egress-not-to-nodes"],
    ),
    (
        "a range that holds not every pod",
        {"enable_wireguard": "true", **STRICT_EGRESS, "encryption_strict_egress_cidr": "10.9.0.0/16"},
        ["cni.strict-egress", "cni.strict-egress-partly"],
    ),
    (
        "a range of IPv6 is refused",
        {"enable_wireguard": "true", **STRICT_EGRESS, "encryption_strict_egress_cidr": "fd00::/8"},
        ["cni.no-strict-mode", "cni.strict-egress-without-range"],
    ),
    (
        "egress without a range",
        {"enable_wireguard": "true", "enable_encryption_strict_mode_egress": "true"},
        ["cni.no-strict-mode", "cni.strict-egress-without-range"],
    ),
    (
        "ingress alone: plaintext is dropped after it crossed the wire",
        {"enable_wireguard": "true", "enable_encryption_strict_mode_ingress": "true"},
        ["cni.no-strict-mode", "cni.strict-ingress"],
    ),
    (
        "both",
        {"enable_wireguard": "true", **STRICT_EGRESS, "enable_encryption_strict_mode_ingress": "true"},
        ["cni.strict-egress", "cni.strict-ingress"],
    ),
]


@pytest.mark.parametrize(("case", "settings", "codes"), STRICT, ids=[c[0] for c in STRICT])
def test_what_strict_mode_covers_is_told(case: str, settings: dict[str, str], codes: list[str]) -> None:
    verdict = found(*CILIUM, app("10.0.0.9"), cilium(**settings))
    assert verdict.cross_node is YES
    assert [c.code for c in verdict.causes if "strict" in c.code] == codes


def test_strict_mode_never_covers_ipv6() -> None:
    verdict = found(*CILIUM, app("fd00::9"), cilium(enable_wireguard="true", **STRICT_EGRESS))
    (partly,) = [c for c in verdict.causes if c.code == "cni.strict-egress-partly"]
    assert dict(partly.parameters)["count"] == "1"


def test_strict_mode_for_ingress_is_not_for_ipsec() -> None:
    verdict = found(*CILIUM, cilium(enable_ipsec="true", enable_encryption_strict_mode_ingress="true"))
    assert verdict.cross_node is UNKNOWN
    assert verdict.causes[0].code == "indeterminate.cni.strict-ingress-ipsec"


def test_ztunnel_covers_enrolled_namespaces_only() -> None:
    enrolled = manifest("v1", "Namespace", "pay", {}, None, labels={"io.cilium/mtls-enabled": "true"})
    other = manifest("v1", "Namespace", "web", {}, None)
    verdict = found(*CILIUM, enrolled, other, cilium(enable_ztunnel="true"))
    assert (verdict.cross_node, verdict.workload_mtls) == (NO, {"pay"})
    assert found(*CILIUM, enrolled, cilium()).workload_mtls == frozenset()


def test_settings_of_single_nodes_make_it_unknown() -> None:
    off = manifest("cilium.io/v2", "CiliumNodeConfig", "edge", {"defaults": {"enable-wireguard": "false"}})
    same = manifest("cilium.io/v2", "CiliumNodeConfig", "edge", {"defaults": {"enable-wireguard": "true"}})
    assert found(*CILIUM, cilium(enable_wireguard="true"), off).cross_node is UNKNOWN
    assert found(*CILIUM, cilium(enable_wireguard="true"), same).cross_node is YES
    assert found(*CILIUM, cilium(enable_wireguard="false"), same).cross_node is NO


def test_canal_is_plain_unless_one_of_both_encrypts() -> None:
    canal = [*everywhere("calico-node"), *everywhere("kube-flannel")]
    verdict = found(*VXLAN_NODES, *canal, felix())
    assert (verdict.cni, verdict.cross_node) == ("calico+flannel", NO)


def test_a_networkpolicy_changes_nothing() -> None:
    policy = manifest("networking.k8s.io/v1", "NetworkPolicy", "deny", {"podSelector": {}})
    assert found(*weave(), policy).cross_node is NO
    assert found(*VXLAN_NODES, *FLANNEL, flannel("vxlan"), policy).cross_node is NO


BROKEN: list[Any] = [None, [], "x", 7, {"default": 1}, [None]]


@pytest.mark.parametrize("value", BROKEN, ids=repr)
def test_broken_objects_never_raise(value: Any) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "cilium-config", "namespace": "kube-system"},
        "data": value,
    }
    container = {"name": "weave", "env": value, "args": value, "command": value, "image": value}
    pod = manifest(
        "v1", "Pod", "w", {"hostNetwork": True, "nodeName": value, "containers": [container, value]}
    )
    flannel_cfg = config_map("kube-flannel", "kube-flannel-cfg", {"net-conf.json": value})
    network = manifest("operator.openshift.io/v1", "Network", "cluster", {"defaultNetwork": value}, None)
    felix_broken = manifest("projectcalico.org/v3", "FelixConfiguration", "default", value, None)
    everything = [
        *CILIUM,
        config,
        pod,
        *FLANNEL,
        flannel_cfg,
        *everywhere("ovnkube-node"),
        network,
        *CALICO,
        felix_broken,
    ]
    assert found(*everything).cross_node in (NO, UNKNOWN)
