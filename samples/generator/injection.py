"""What the injection webhooks of Istio and Linkerd add to a pod. Only what bears on the data plane is imitated."""

import copy
import json

from generator.store import Obj

_ISTIO_VOLUMES = ("workload-socket", "credential-socket", "workload-certs", "istio-envoy", "istio-data")
_ISTIO_IMAGE = "registry.example.com/istio/proxyv2:1.30.3"
_LINKERD_VERSION = "edge-26.8.3"
_LINKERD_IMAGE = f"registry.example.com/linkerd/proxy:{_LINKERD_VERSION}"
_CONFIG_PREFIX = "config.linkerd.io/"


def inject_istio(pod: Obj, namespace: Obj) -> None:
    """Add Istio's sidecar where the namespace or the pod asks for it. Changes the pod.

    The label `samples/proxy` chooses how: `classic` among the containers, else a native sidecar; it is removed.
    """
    labels = pod["metadata"]["labels"]
    style = labels.pop("samples/proxy", "native")
    annotations = pod["metadata"].setdefault("annotations", {})
    if annotations.get("inject.istio.io/templates") == "gateway":
        _add_gateway(pod)
        return
    asked = namespace["metadata"]["labels"].get("istio-injection") == "enabled"
    if not asked or labels.get("sidecar.istio.io/inject") == "false" or pod["spec"].get("hostNetwork"):
        return
    spec = pod["spec"]
    _move_probes(spec)
    proxy = _istio_proxy(pod, "sidecar")
    setup = {
        "args": [
            *("istio-iptables", "-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT"),
            *("-i", "*", "-x", "", "-b", "*", "-d", "15090,15021,15020", "--log_output_level=default:info"),
        ],
        "image": _ISTIO_IMAGE,
        "name": "istio-init",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]},
            "runAsGroup": 0,
            "runAsNonRoot": False,
            "runAsUser": 0,
        },
    }
    initial = ["istio-init"] if style == "classic" else ["istio-init", "istio-proxy"]
    spec.setdefault("initContainers", []).insert(0, setup)
    if style == "classic":
        spec["containers"].insert(0, proxy)
    else:
        spec["initContainers"].insert(1, {**proxy, "restartPolicy": "Always"})
    _mark_istio(pod, initial, ["istio-proxy"] if style == "classic" else None)
    annotations |= {
        "kubectl.kubernetes.io/default-container": _first_application(spec),
        "kubectl.kubernetes.io/default-logs-container": _first_application(spec),
        "prometheus.io/path": "/stats/prometheus",
        "prometheus.io/port": "15020",
        "prometheus.io/scrape": "true",
    }


def _first_application(spec: Obj) -> str:
    return str(next(c["name"] for c in spec["containers"] if c["name"] != "istio-proxy"))


def _add_gateway(pod: Obj) -> None:
    proxy = _istio_proxy(pod, "router")
    pod["spec"]["containers"] = [proxy | {"securityContext": {"runAsNonRoot": True, "runAsUser": 1337}}]
    _mark_istio(pod, None, ["istio-proxy"])


def _mark_istio(pod: Obj, initial: list[str] | None, beside: list[str] | None) -> None:
    labels = pod["metadata"]["labels"]
    name = labels.get("app", "unnamed")
    labels |= {
        "security.istio.io/tlsMode": "istio",
        "service.istio.io/canonical-name": name,
        "service.istio.io/canonical-revision": labels.get("version", "latest"),
    }
    status = {
        "initContainers": initial,
        "containers": beside,
        "volumes": [*_ISTIO_VOLUMES, "istio-podinfo", "istio-token", "istiod-ca-cert"],
        "imagePullSecrets": None,
        "revision": "default",
    }
    pod["metadata"]["annotations"] |= {
        "istio.io/rev": "default",
        "sidecar.istio.io/status": json.dumps(status, separators=(",", ":")),
    }
    token = {
        "serviceAccountToken": {"audience": "istio-ca", "expirationSeconds": 43200, "path": "istio-token"}
    }
    pod["spec"].setdefault("volumes", []).extend(
        [
            *({"emptyDir": {}, "name": name} for name in _ISTIO_VOLUMES),
            {"downwardAPI": {"defaultMode": 420, "items": _PODINFO}, "name": "istio-podinfo"},
            {"name": "istio-token", "projected": {"defaultMode": 420, "sources": [token]}},
            {"configMap": {"defaultMode": 420, "name": "istio-ca-root-cert"}, "name": "istiod-ca-cert"},
        ]
    )


_PODINFO = [
    {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}, "path": "labels"},
    {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.annotations"}, "path": "annotations"},
]


def _istio_proxy(pod: Obj, role: str) -> Obj:
    name = pod["metadata"]["labels"].get("app", "unnamed")
    return {
        "args": [
            *("proxy", role, "--domain", "$(POD_NAMESPACE).svc.cluster.local"),
            *(
                "--proxyLogLevel=warning",
                "--proxyComponentLogLevel=misc:error",
                "--log_output_level=default:info",
            ),
        ],
        "env": [
            {"name": "PILOT_CERT_PROVIDER", "value": "istiod"},
            {"name": "CA_ADDR", "value": "istiod.istio-system.svc:15012"},
            _field("POD_NAME", "metadata.name"),
            _field("POD_NAMESPACE", "metadata.namespace"),
            _field("INSTANCE_IP", "status.podIP"),
            {"name": "PROXY_CONFIG", "value": "{}\n"},
            {"name": "ISTIO_META_CLUSTER_ID", "value": "Kubernetes"},
            {"name": "ISTIO_META_INTERCEPTION_MODE", "value": "REDIRECT"},
            {"name": "ISTIO_META_WORKLOAD_NAME", "value": name},
            {"name": "ISTIO_META_MESH_ID", "value": "cluster.local"},
        ],
        "image": _ISTIO_IMAGE,
        "name": "istio-proxy",
        "ports": [{"containerPort": 15090, "name": "http-envoy-prom"}],
        "readinessProbe": {"httpGet": {"path": "/healthz/ready", "port": 15021}, "failureThreshold": 4},
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsGroup": 1337,
            "runAsNonRoot": True,
            "runAsUser": 1337,
        },
        "volumeMounts": [
            {"mountPath": "/var/run/secrets/istio", "name": "istiod-ca-cert"},
            {"mountPath": "/var/run/secrets/tokens", "name": "istio-token"},
            {"mountPath": "/etc/istio/proxy", "name": "istio-envoy"},
            {"mountPath": "/etc/istio/pod", "name": "istio-podinfo"},
        ],
    }


def _field(name: str, path: str) -> Obj:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def _move_probes(spec: Obj) -> None:
    """Istio answers HTTP probes at its agent's port 15020, which it does not capture."""
    for container in spec["containers"]:
        for kind, short in (("livenessProbe", "livez"), ("readinessProbe", "readyz")):
            if "httpGet" in container.get(kind, {}):
                path = f"/app-health/{container['name']}/{short}"
                container[kind] = {
                    **container[kind],
                    "httpGet": {"path": path, "port": 15020, "scheme": "HTTP"},
                }


def inject_linkerd(pod: Obj, namespace: Obj, owner_name: str) -> None:
    """Add Linkerd's proxy as a native sidecar where the pod or the namespace asks for it. Changes the pod."""
    annotations = pod["metadata"].setdefault("annotations", {})
    inherited = namespace["metadata"].get("annotations", {})
    asked = annotations.get("linkerd.io/inject", inherited.get("linkerd.io/inject"))
    if asked not in ("enabled", "ingress") or pod["spec"].get("hostNetwork"):
        return
    for name, value in inherited.items():
        if name.startswith(_CONFIG_PREFIX):
            annotations.setdefault(name, value)
    annotations |= {
        "linkerd.io/created-by": f"linkerd/proxy-injector {_LINKERD_VERSION}",
        "linkerd.io/inject": asked,
        "linkerd.io/proxy-version": _LINKERD_VERSION,
    }
    pod["metadata"]["labels"] |= {
        "linkerd.io/control-plane-ns": "linkerd",
        f"linkerd.io/proxy-{pod_owner_kind(pod)}": owner_name,
        "linkerd.io/workload-ns": pod["metadata"]["namespace"],
    }
    spec = pod["spec"]
    policy = annotations.get(f"{_CONFIG_PREFIX}default-inbound-policy", "all-authenticated")
    skipped = annotations.get(f"{_CONFIG_PREFIX}skip-inbound-ports")
    spec.setdefault("initContainers", [])[:0] = [
        _linkerd_init(skipped),
        _linkerd_proxy(policy, _ports(spec), asked == "ingress"),
    ]
    spec.setdefault("volumes", []).extend(copy.deepcopy(_LINKERD_VOLUMES))


def pod_owner_kind(pod: Obj) -> str:
    """The kind of workload in the label that Linkerd writes (`linkerd.io/proxy-deployment`)."""
    kind = str(pod["metadata"]["ownerReferences"][0]["kind"])
    return "deployment" if kind == "ReplicaSet" else kind.lower()


def _ports(spec: Obj) -> str:
    ports = {
        p["containerPort"] for c in spec["containers"] for p in c.get("ports", []) if p["protocol"] == "TCP"
    }
    return ",".join(map(str, sorted(ports)))


def _linkerd_init(skipped: str | None) -> Obj:
    inbound = "4190,4191,4567,4568" + (f",{skipped}" if skipped else "")
    return {
        "args": [
            *("--ipv6=false", "--incoming-proxy-port", "4143", "--outgoing-proxy-port", "4140"),
            *("--proxy-uid", "2102", "--inbound-ports-to-ignore", inbound),
            *("--outbound-ports-to-ignore", "443,6443,4567,4568"),
        ],
        "command": ["/usr/lib/linkerd/linkerd2-proxy-init"],
        "image": _LINKERD_IMAGE,
        "name": "linkerd-init",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"add": ["NET_ADMIN", "NET_RAW"]},
            "readOnlyRootFilesystem": True,
            "runAsGroup": 65534,
            "runAsNonRoot": True,
            "runAsUser": 65534,
        },
        "volumeMounts": [{"mountPath": "/run", "name": "linkerd-proxy-init-xtables-lock"}],
    }


def _linkerd_proxy(policy: str, ports: str, ingress: bool) -> Obj:
    trust = {"name": "linkerd-identity-trust-roots", "key": "ca-bundle.crt"}
    settings = {
        "LINKERD2_PROXY_LOG": "warn,linkerd=info",
        "LINKERD2_PROXY_DESTINATION_SVC_ADDR": "linkerd-dst-headless.linkerd.svc.cluster.local.:8086",
        "LINKERD2_PROXY_POLICY_SVC_ADDR": "linkerd-policy.linkerd.svc.cluster.local.:8090",
        "LINKERD2_PROXY_IDENTITY_SVC_ADDR": "linkerd-identity-headless.linkerd.svc.cluster.local.:8080",
        "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY": policy,
        "LINKERD2_PROXY_INBOUND_LISTEN_ADDR": "0.0.0.0:4143",
        "LINKERD2_PROXY_ADMIN_LISTEN_ADDR": "0.0.0.0:4191",
        "LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS": "127.0.0.1:4140",
        "LINKERD2_PROXY_INBOUND_PORTS": ports,
    } | ({"LINKERD2_PROXY_INGRESS_MODE": "true"} if ingress else {})
    return {
        "env": [
            _field("_pod_name", "metadata.name"),
            _field("_pod_ns", "metadata.namespace"),
            _field("_pod_sa", "spec.serviceAccountName"),
            *({"name": name, "value": value} for name, value in settings.items()),
            {"name": "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS", "valueFrom": {"configMapKeyRef": trust}},
        ],
        "image": _LINKERD_IMAGE,
        "livenessProbe": {"httpGet": {"path": "/live", "port": 4191}, "initialDelaySeconds": 10},
        "name": "linkerd-proxy",
        "ports": [
            {"containerPort": 4143, "name": "linkerd-proxy"},
            {"containerPort": 4191, "name": "linkerd-admin"},
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 4191}, "initialDelaySeconds": 2},
        "restartPolicy": "Always",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 2102,
        },
        "volumeMounts": [
            {"mountPath": "/var/run/linkerd/identity/end-entity", "name": "linkerd-identity-end-entity"},
            {"mountPath": "/var/run/secrets/tokens", "name": "linkerd-identity-token"},
        ],
    }


_LINKERD_TOKEN = {"audience": "identity.l5d.io", "expirationSeconds": 86400, "path": "linkerd-identity-token"}
_LINKERD_VOLUMES = [
    {"emptyDir": {}, "name": "linkerd-proxy-init-xtables-lock"},
    {"emptyDir": {"medium": "Memory"}, "name": "linkerd-identity-end-entity"},
    {
        "name": "linkerd-identity-token",
        "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": _LINKERD_TOKEN}]},
    },
]
