"""Make the generated part of the sample clusters: `python samples/make_clusters.py [--check]`.

What it reads are short descriptions under `samples/sources`; what it writes are the folders under `samples/clusters`,
apart from `scope.yaml`, `README.md` and the like, which people write. With `--check` nothing is written, and files
that are out of date are named (exit code 1).
"""

import copy
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from generator.controllers import Controllers  # noqa: E402
from generator.folder import differing, snapshot_files, write_files  # noqa: E402
from generator.manifests import expand_crd, expand_namespace, expand_workload, read_source  # noqa: E402
from generator.nodes import node_object  # noqa: E402
from generator.store import Obj, Store  # noqa: E402

SAMPLES = ("payments-istio", "clinic-linkerd", "legacy-flannel")


def build(name: str) -> dict[str, str]:
    """The generated files of a sample by name."""
    source = read_source(HERE / "sources" / f"{name}.yaml")
    about = source["cluster"]
    store = Store(about["name"], about["created"])
    for entry in source["namespaces"]:
        for obj in expand_namespace(entry):
            store.add(obj)
    nodes = source["nodes"]
    for node in nodes:
        obj = store.add(
            node_object(node, about["kubernetes"], about.get("node_annotations", {}), about["created"])
        )
        node["uid"] = obj["metadata"]["uid"]
    for line in source.get("crds", []):
        store.add(expand_crd(line))
    for obj in source.get("objects", []):
        add_applied(store, obj)
    for entry in source.get("workloads", []):
        for obj in expand_workload(entry):
            add_applied(store, obj)
    Controllers(store, nodes, about["mesh"]).run()
    return dict(snapshot_files(store, header(source)))


def add_applied(store: Store, obj: Obj) -> None:
    """Keep a manifest, with what the API server fills into Services."""
    obj = copy.deepcopy(obj)
    if obj["kind"] == "Service":
        complete_service(store, obj)
    if obj["kind"] == "Pod":
        obj["metadata"].setdefault("labels", {})
    store.add(obj)


def complete_service(store: Store, service: Obj) -> None:
    """Defaults and an address out of the Service network."""
    spec, key = service["spec"], f"{service['metadata']['namespace']}/{service['metadata']['name']}"
    spec.setdefault("type", "ClusterIP")
    number = store.number(f"{store.cluster}/{key}")
    spec.setdefault("clusterIP", f"10.96.{number % 200 + 1}.{number // 200 % 250 + 2}")
    spec["clusterIPs"] = [spec["clusterIP"]]
    for field, value in {
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "sessionAffinity": "None",
    }.items():
        spec.setdefault(field, value)
    for port in spec["ports"]:
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])
    service.setdefault("status", {"loadBalancer": {}})


def header(source: Obj) -> Obj:
    """What snapshot.yaml says before its claims."""
    about: dict[str, Any] = source["cluster"]
    uid = next(entry["uid"] for entry in source["namespaces"] if entry["name"] == "kube-system")
    return {
        "format_version": 1,
        "cluster": {"name": about["name"], "uid": uid},
        "collected_at": about["collected_at"],
        "collected_by": about["collected_by"],
    }


def main(arguments: list[str]) -> int:
    """Write or check every sample; the exit code."""
    check, stale = "--check" in arguments, 0
    for name in SAMPLES:
        files, folder = build(name), HERE / "clusters" / name
        changed = differing(folder, files) if check else write_files(folder, files)
        stale += len(changed)
        for file in changed:
            print(f"{'out of date' if check else 'written'}: samples/clusters/{name}/{file}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
