"""Measure the mesh engine on generated clusters: `python -m benchmarks.encryption [pods ...]`.

Prints, for each size, the processor time of loading, of every port's verdict, of the DestinationRules, of clients'
wires and of the ways out, the cost per pod, and the peak memory. A cluster runs Istio's sidecar in all pods, with 500
PeerAuthentications and 500 DestinationRules (half of either in the namespace of each pod's kind, half elsewhere), as many
AuthorizationPolicies, and as many ServiceEntries with a DestinationRule each. `--one-namespace` puts everything into one
namespace; `--linkerd` runs Linkerd with 500 Servers.
"""

import itertools
import random
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

from auditor.encryption.protection import Encryption
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import list_endpoints
from auditor.inventory.services import Services
from auditor.model.evidence import Claim, Snapshot
from auditor.model.kinds import KNOWN_KINDS, normalised_key
from auditor.model.objects import KubeObject, ObjectId

_PODS_PER_NAMESPACE = 100
_POLICIES = 500
_WIRES = 20_000


def generate(pods: int, *, one_namespace: bool, linkerd: bool, seed: int = 7) -> Iterator[dict[str, Any]]:
    """Raw objects of a meshed cluster."""
    chance = random.Random(seed)
    spaces = 1 if one_namespace else max(1, pods // _PODS_PER_NAMESPACE)
    for number in range(spaces):
        yield _object("v1", "Namespace", f"ns-{number}", "", labels={"istio-injection": "enabled"})
    for number in range(pods):
        yield _pod(number, f"ns-{number % spaces}", linkerd)
        yield _service(number, f"ns-{number % spaces}")
    for number in range(_POLICIES):
        space, app = f"ns-{number % spaces}", number * max(1, pods // _POLICIES)
        yield from _linkerd(number, space, app) if linkerd else _istio(number, space, app, chance)


def _object(
    version: str, kind: str, name: str, space: str, labels: Any = None, **fields: Any
) -> dict[str, Any]:
    metadata = {"name": name, "labels": labels or {}, "creationTimestamp": "2026-01-01T00:00:00Z"}
    if space:
        metadata["namespace"] = space
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def _pod(number: int, space: str, linkerd: bool) -> dict[str, Any]:
    labels = {"app": f"app-{number}", "version": f"v{number % 3}"}
    labels |= (
        {"linkerd.io/control-plane-ns": "linkerd"} if linkerd else {"security.istio.io/tlsMode": "istio"}
    )
    ports = [{"containerPort": 8080, "name": "http"}, {"containerPort": 9090}]
    proxy = {"name": "linkerd-proxy" if linkerd else "istio-proxy", "ports": [{"containerPort": 15090}]}
    spec = {"containers": [{"name": "app", "ports": ports}, proxy], "nodeName": f"n{number % 100}"}
    status = {"phase": "Running", "podIP": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"}
    return _object("v1", "Pod", f"app-{number}", space, labels, spec=spec, status=status)


def _service(number: int, space: str) -> dict[str, Any]:
    spec = {"selector": {"app": f"app-{number}"}, "ports": [{"port": 80, "targetPort": "http"}]}
    return _object("v1", "Service", f"app-{number}", space, spec=spec)


def _istio(number: int, space: str, app: int, chance: random.Random) -> Iterator[dict[str, Any]]:
    mode = {"mode": chance.choice(["STRICT", "PERMISSIVE", "DISABLE", "UNSET"])}
    one = {"selector": {"matchLabels": {"app": f"app-{app}", "version": f"v{app % 3}"}}}
    spec = {**one, "mtls": mode, "portLevelMtls": {"8080": {"mode": "STRICT"}}}
    yield _object("security.istio.io/v1", "PeerAuthentication", f"peer-{number}", space, spec=spec)
    rules = [{"from": [{"source": {"principals": ["cluster.local/ns/a/sa/b"]}}]}]
    allow = {**one, "action": "ALLOW", "rules": rules}
    yield _object("security.istio.io/v1", "AuthorizationPolicy", f"allow-{number}", space, spec=allow)
    policy = {"tls": {"mode": chance.choice(["ISTIO_MUTUAL", "DISABLE", "SIMPLE"])}}
    rule = {"host": f"app-{app}", "trafficPolicy": policy}
    yield _object("networking.istio.io/v1", "DestinationRule", f"rule-{number}", space, spec=rule)
    host = f"api-{number}.partner.example"
    ports = [
        {"number": 80, "protocol": "HTTP", "name": "http"},
        {"number": 443, "protocol": "TLS", "name": "tls"},
    ]
    entry = {"hosts": [host], "ports": ports, "location": "MESH_EXTERNAL", "resolution": "DNS"}
    yield _object("networking.istio.io/v1", "ServiceEntry", f"entry-{number}", space, spec=entry)
    origination = {"host": host, "trafficPolicy": {"tls": {"mode": "SIMPLE"}}}
    yield _object("networking.istio.io/v1", "DestinationRule", f"out-{number}", space, spec=origination)


def _linkerd(number: int, space: str, app: int) -> Iterator[dict[str, Any]]:
    selector = {"matchLabels": {"app": f"app-{app}"}}
    spec = {"podSelector": selector, "port": "http"}
    yield _object("policy.linkerd.io/v1beta3", "Server", f"server-{number}", space, spec=spec)
    target = {"group": "policy.linkerd.io", "kind": "Server", "name": f"server-{number}"}
    references = [{"kind": "ServiceAccount", "name": "client"}]
    grant = {"targetRef": target, "requiredAuthenticationRefs": references}
    yield _object("policy.linkerd.io/v1alpha1", "AuthorizationPolicy", f"grant-{number}", space, spec=grant)


def load(raw: Iterator[dict[str, Any]]) -> Cluster:
    """A cluster of these objects, complete."""
    objects = []
    for number, body in enumerate(raw):
        key, version = normalised_key(body["apiVersion"], body["kind"])
        metadata = body["metadata"]
        identity = ObjectId(key.group, key.kind, metadata.get("namespace", ""), metadata["name"])
        objects.append(KubeObject(identity, version, body, f"{number:064x}", "bench", metadata["labels"], {}))
    claims = tuple(Claim(key, None, "", "bench", "bench") for key in KNOWN_KINDS)
    return Cluster(Snapshot(tuple(objects), claims))


def measure(pods: int, *, one_namespace: bool, linkerd: bool) -> None:
    """Print one line of figures."""
    cluster = load(generate(pods, one_namespace=one_namespace, linkerd=linkerd))
    marks = [time.process_time()]
    endpoints = list_endpoints(cluster)
    services = Services(cluster, endpoints)
    encryption = Encryption(cluster, endpoints, services)
    _ = services.backends
    marks.append(time.process_time())
    rows = encryption.rows()
    marks.append(time.process_time())
    rules = encryption.client_rules()
    marks.append(time.process_time())
    chance = random.Random(3)
    for _number in range(_WIRES):
        encryption.client_tls(chance.choice(endpoints), chance.choice(endpoints), 8080)
    marks.append(time.process_time())
    ways = encryption.egress
    marks.append(time.process_time())
    inventory, verdicts, listed, wires, out = (b - a for a, b in itertools.pairwise(marks))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{pods:6} pods  inventory {inventory:5.2f} s  {len(rows)} verdicts {verdicts:5.2f} s "
        f"({verdicts / pods * 1e6:.0f} us a pod)  {len(rules)} rules {listed:5.2f} s  "
        f"{_WIRES} wires {wires:5.2f} s  {len(ways)} ways out {out:5.2f} s  peak {peak:.0f} MB"
    )


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()] or [1_000, 10_000, 20_000]
    for size in numbers:
        measure(size, one_namespace="--one-namespace" in sys.argv, linkerd="--linkerd" in sys.argv)
