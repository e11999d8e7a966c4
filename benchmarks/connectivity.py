"""Measure the reachability engine on generated clusters: `python -m benchmarks.connectivity [--mixed] [pods ...]`.

Prints, for each size, processor time: of indexing; of all pairs with their port sets; of a point query; of the recheck after
one policy changed, until it is known which pairs fare differently, and until all pairs are there again. Then the peak memory
of the process, and how many times dearer than the smallest size indexing and all pairs are. A cluster has one policy for
every five pods, distinct labels for each application, named and numbered ports, egress limits, address blocks, and network
agents on every node. `--mixed` adds cluster-wide policies above and below.
"""

import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import endpoints_stay, list_endpoints
from auditor.inventory.services import Services
from auditor.model.evidence import Claim, Snapshot
from auditor.model.kinds import KNOWN_KINDS, NETWORK_POLICY, normalised_key
from auditor.model.objects import KubeObject, ObjectId
from auditor.network.changes import changed_pairs
from auditor.network.connectivity import Basis, Connectivity
from auditor.network.recheck import POLICY_KINDS, recheck

_PODS_PER_NAMESPACE = 50
_PODS_PER_NODE = 100
_PODS_PER_POLICY = 5
_RECHECKS = 8
PORTS = (80, 443, 5432, 6379, 8080, 8443, 9090, 9092)


def generate(pods: int, mixed: bool = False, seed: int = 7) -> Iterator[dict[str, Any]]:
    """Raw objects of a cluster: two pods to an application, applications in namespaces of several tiers."""
    chance = random.Random(seed)
    spaces = max(1, pods // _PODS_PER_NAMESPACE)
    nodes = max(1, pods // _PODS_PER_NODE)
    for number in range(spaces):
        labels = {"tier": f"t{number % 5}", "team": f"team-{number % 20}"}
        yield _object("v1", "Namespace", f"ns-{number}", "", labels)
    for number in range(nodes):
        yield _object("v1", "Node", f"node-{number}", "", {"zone": f"z{number % 3}"})
        yield _agent(f"node-{number}")
    for number in range(pods):
        yield _pod(number, number % spaces, number % nodes, chance)
    for number in range(pods // _PODS_PER_POLICY):
        yield _policy(number, number % spaces, spaces, pods, chance)
    for number in range(20 if mixed else 0):
        yield _cluster_wide(number, chance)


def _object(version: str, kind: str, name: str, space: str, labels: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "labels": labels, **({"namespace": space} if space else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _agent(node: str) -> dict[str, Any]:
    pod = _object("v1", "Pod", f"kube-router-{node}", "kube-system", {"k8s-app": "kube-router"})
    pod["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "kube-router", "controller": True}
    ]
    containers = [{"name": "kube-router", "image": "kube-router:v2.5.0"}]
    pod["spec"] = {"hostNetwork": True, "nodeName": node, "containers": containers}
    pod["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return pod


def _pod(number: int, space: int, node: int, chance: random.Random) -> dict[str, Any]:
    application = number // 2
    labels = {"app": f"app-{application}", "role": f"role-{application % 7}", "version": f"v{number % 2}"}
    pod = _object("v1", "Pod", f"pod-{number}", f"ns-{space}", labels)
    port = chance.choice(PORTS)
    pod["spec"] = {
        "nodeName": f"node-{node}",
        "containers": [{"name": "main", "image": "x", "ports": [{"name": "http", "containerPort": port}]}],
    }
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    pod["status"] = {"phase": "Running", "podIPs": [{"ip": address}]}
    return pod


def _policy(number: int, space: int, spaces: int, pods: int, chance: random.Random) -> dict[str, Any]:
    policy = _object("networking.k8s.io/v1", "NetworkPolicy", f"policy-{number}", f"ns-{space}", {})
    every = number < spaces
    chosen = {} if every else {"matchLabels": {"role": f"role-{chance.randrange(7)}"}}
    rules = [{"from": [_peer(pods, chance) for _ in range(2)], "ports": _ports(chance)} for _ in range(2)]
    spec: dict[str, Any] = {"podSelector": chosen, "policyTypes": ["Ingress"]}
    spec["ingress"] = [] if every else rules
    if number % 3 == 0:
        spec["policyTypes"] = ["Ingress", "Egress"]
        spec["egress"] = [
            {"to": [_peer(pods, chance), {"ipBlock": {"cidr": f"203.0.{number % 256}.0/24"}}]},
            {"ports": [{"protocol": "UDP", "port": 53}]},
        ]
    policy["spec"] = spec
    return policy


def _cluster_wide(number: int, chance: random.Random) -> dict[str, Any]:
    policy = _object("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", f"wide-{number}", "", {})
    teams = [{"namespaces": {"matchLabels": {"team": f"team-{chance.randrange(20)}"}}} for _ in range(2)]
    port = {"tcp": {"destinationPort": {"number": chance.choice(PORTS)}}}
    action = chance.choice(("Accept", "Deny", "Pass"))
    policy["spec"] = {
        "tier": "Admin" if number % 4 else "Baseline",
        "priority": number,
        "subject": {"namespaces": {"matchLabels": {"tier": f"t{number % 5}"}}},
        "ingress": [{"action": action, "from": teams, "protocols": [port]}],
        "egress": [{"action": "Deny", "to": [{"networks": [f"198.51.{number}.0/24"]}]}],
    }
    return policy


def _peer(pods: int, chance: random.Random) -> dict[str, Any]:
    kind = chance.randrange(4)
    if kind == 0:
        return {"podSelector": {"matchLabels": {"app": f"app-{chance.randrange(max(1, pods // 2))}"}}}
    if kind == 1:
        return {"namespaceSelector": {"matchLabels": {"team": f"team-{chance.randrange(20)}"}}}
    expressions = [{"key": "role", "operator": "In", "values": [f"role-{chance.randrange(7)}", "role-0"]}]
    tier = {"matchLabels": {"tier": f"t{chance.randrange(5)}"}}
    return {"namespaceSelector": tier, "podSelector": {"matchExpressions": expressions}}


def _ports(chance: random.Random) -> list[dict[str, Any]]:
    if chance.random() < 0.2:
        return [{"port": "http"}]
    return [{"protocol": "TCP", "port": port} for port in chance.sample(PORTS, 2)]


def read(raw: dict[str, Any]) -> KubeObject:
    """A raw object as a collector gives it."""
    key, version = normalised_key(raw["apiVersion"], raw["kind"])
    metadata = raw["metadata"]
    identity = ObjectId(key.group, key.kind, metadata.get("namespace", ""), metadata["name"])
    return KubeObject(identity, version, raw, str(identity), "generated", metadata["labels"])


def snapshot_of(objects: Iterable[dict[str, Any]]) -> Snapshot:
    """A snapshot that claims to hold everything."""
    claims = tuple(Claim(key, None, "", "generated", "generated") for key in KNOWN_KINDS)
    return Snapshot(tuple(read(raw) for raw in objects), claims)


def measure_all(
    sizes: Sequence[int], label: str, generated: Callable[[int], Iterable[dict[str, Any]]]
) -> None:
    """Print one line of figures for each size, each measured in a process of its own."""
    first = 0.0
    for pods in sizes:
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            spent = _measure(f"{pods:6d} pods{label}", snapshot_of(generated(pods)))
            os.write(writing, repr(spent).encode())
            os._exit(0)
        os.waitpid(child, 0)
        spent = float(os.read(reading, 100) or "nan")
        first = first or spent
        print(f" | {spent / first:6.1f} times the first, {pods / sizes[0]:.0f} times the pods", flush=True)


def _measure(label: str, snapshot: Snapshot) -> float:
    """Print the figures; the seconds of indexing and all pairs."""
    start = time.process_time()
    cluster = Cluster(snapshot)
    endpoints = list_endpoints(cluster)
    indexed = time.process_time()
    connectivity = Connectivity(cluster, endpoints, Services(cluster, endpoints))
    rows, pairs = _all_pairs(connectivity)
    joined = time.process_time()
    queries = _query(connectivity)
    told, again, changed = _recheck(connectivity)
    kinds = Counter(obj.key for obj in snapshot.objects)
    policies = sum(kinds[kind] for kind in POLICY_KINDS)
    print(
        f"{label}, {policies:4d} policies | index {indexed - start:5.2f} s"
        f" | all pairs {joined - indexed:5.2f} s, {rows} rows, {pairs} reachable"
        f" | point query {queries * 1000:4.2f} ms"
        f" | recheck {told:4.2f} s ({changed} pairs changed), all pairs again {again:4.2f} s"
        f" | peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:4.0f} MB",
        end="",
        flush=True,
    )
    return joined - start


def _all_pairs(connectivity: Connectivity) -> tuple[int, int]:
    rows = pairs = 0
    for destinations, column in connectivity.matrix():
        for part in column:
            for mask, sources in part.parts:
                connectivity.ports(mask)
                rows += 1
                pairs += len(destinations) * sources.bit_count()
    return rows, pairs


def _recheck(before: Connectivity) -> tuple[float, float, int]:
    """Seconds until it is known which pairs fare differently, and until all pairs are there again; the median of several
    policies that let in one more port, of which every second hasn't been named before."""
    policies = before.cluster.all(NETWORK_POLICY)
    found = []
    for number, old in enumerate(policies[:: max(1, len(policies) // _RECHECKS)][:_RECHECKS]):
        rule = {"ports": [{"port": PORTS[0] if number % 2 else 10_000 + number}]}
        body = {**old.body, "spec": {**old.spec, "ingress": [*old.spec["ingress"], rule]}}
        new = replace(old, body=body)
        start = time.process_time()
        objects = tuple(new if obj is old else obj for obj in before.cluster.snapshot.objects)
        cluster = Cluster(replace(before.cluster.snapshot, objects=objects))
        stays = endpoints_stay(before.universe.endpoints, cluster, [old], [new])
        rechecked = recheck(before, cluster, [old, new], None if stays else list_endpoints(cluster))
        changes = list(changed_pairs(before, rechecked, Basis.ENFORCED))
        told = time.process_time()
        _all_pairs(rechecked.after)
        pairs = sum(entry.sources.bit_count() * entry.destinations.bit_count() for entry in changes)
        found.append((told - start, time.process_time() - told, pairs))
    middle = len(found) // 2
    told_in, again = (sorted(entry[i] for entry in found)[middle] for i in (0, 1))
    return told_in, again, sum(entry[2] for entry in found)


def _query(connectivity: Connectivity) -> float:
    chance = random.Random(3)
    peers = connectivity.universe.endpoints
    count = 200
    start = time.process_time()
    for _ in range(count):
        connectivity.allows(chance.choice(peers), chance.choice(peers), 8080, "TCP")
    return (time.process_time() - start) / count


SIZES = (1000, 2000, 5000, 10000, 20000)


def asked_sizes() -> list[int]:
    """The sizes on the command line, else all of them."""
    return [int(text) for text in sys.argv[1:] if text.isdigit()] or list(SIZES)


if __name__ == "__main__":
    measure_all(asked_sizes(), "", partial(generate, mixed="--mixed" in sys.argv))
