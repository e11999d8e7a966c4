"""Measure the reachability engine beside network-config-analyzer: `python -m benchmarks.side_by_side [pods ...]`.

Each cluster has 50 policies, and every pod has a label of its own, so that no two are alike. Both read the same file and
answer with the connections of all pods, as processes of their own: the CPU seconds include starting and reading. The
answers are compared pair by pair and port by port. The other analyzer is installed into a virtual environment that goes
when the run ends.
"""

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint, list_endpoints
from auditor.model.evidence import Claim, Snapshot
from auditor.model.kinds import KNOWN_KINDS
from auditor.network.bits import members
from auditor.network.connectivity import Basis, Connectivity
from benchmarks.connectivity import read

POLICIES, SPACES = 50, 10
PACKAGE = "network-config-analyzer"
PROTOCOLS = ("TCP", "UDP", "SCTP")
LIMIT_SECONDS = 1800
"""CPU seconds after which a process is ended."""

Answer = dict[tuple[str, str], frozenset[tuple[str, int, int]]]
"""By source and destination pod: protocol, first and last port."""


class CannotRun(Exception):
    """Why the other analyzer gives no figures."""


def generate(pods: int, seed: int = 11) -> Iterator[dict[str, Any]]:
    """Namespaces, pods each with a label of its own, and policies that name some of them."""
    chance = Random(seed)
    for number in range(SPACES):
        yield _object(
            "v1", "Namespace", f"ns-{number}", None, {"name": f"ns-{number}", "tier": f"t{number % 3}"}
        )
    for number in range(pods):
        labels = {"app": f"app-{number}", "role": f"role-{number % 7}"}
        pod = _object("v1", "Pod", f"pod-{number}", f"ns-{number % SPACES}", labels)
        pod["spec"] = {"nodeName": "node-1", "containers": [{"name": "main", "image": "x"}]}
        pod["status"] = {
            "phase": "Running",
            "hostIP": "192.168.1.1",
            "podIP": f"10.1.{number >> 8}.{number & 255}",
            "podIPs": [{"ip": f"10.1.{number >> 8}.{number & 255}"}],
        }
        yield pod
    for number in range(POLICIES):
        yield _policy(number, pods, chance)


def _object(version: str, kind: str, name: str, space: str | None, labels: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "labels": labels, **({"namespace": space} if space else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _policy(number: int, pods: int, chance: Random) -> dict[str, Any]:
    policy = _object("networking.k8s.io/v1", "NetworkPolicy", f"policy-{number}", f"ns-{number % SPACES}", {})
    rules = [{"from": [_peer(pods, chance) for _ in range(2)], "ports": _ports(chance)} for _ in range(2)]
    policy["spec"] = {
        "podSelector": {"matchLabels": {"role": f"role-{chance.randrange(7)}"}},
        "policyTypes": ["Ingress", "Egress"] if number % 3 == 0 else ["Ingress"],
        "ingress": rules,
    }
    if number % 3 == 0:
        policy["spec"]["egress"] = [{"to": [_peer(pods, chance)], "ports": _ports(chance)}]
    return policy


def _peer(pods: int, chance: Random) -> dict[str, Any]:
    if chance.random() < 0.5:
        apps = [f"app-{chance.randrange(pods)}" for _ in range(8)]
        selector = {"matchExpressions": [{"key": "app", "operator": "In", "values": sorted(set(apps))}]}
        return {"podSelector": selector, "namespaceSelector": {}}
    return {"namespaceSelector": {"matchLabels": {"tier": f"t{chance.randrange(3)}"}}}


def _ports(chance: Random) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port} for port in chance.sample((80, 443, 5432, 8080, 9090), 2)]


# -- the answers ----------------------------------------------------------------------------------------------------------

_LINE = re.compile(r"^(\S+?)/(\S+?)\[Pod\] => (\S+?)/(\S+?)\[Pod\] : (.+)$")
_RANGES = re.compile(r"^\{protocols:(\w+),dst_ports:([\d,-]+)\}$")
_ALL = frozenset((protocol, 1, 65535) for protocol in PROTOCOLS)


def print_own(path: Path) -> None:
    """Every pair of pods with what may pass between them, as the policies say, a line each."""
    objects = json.loads(path.read_text())["items"]
    claims = tuple(Claim(key, None, "", "generated", "generated") for key in KNOWN_KINDS)
    cluster = Cluster(Snapshot(tuple(read(raw) for raw in objects), claims))
    connectivity = Connectivity(cluster, list_endpoints(cluster))
    universe = connectivity.universe
    for destinations, column in connectivity.matrix(Basis.DECLARED):
        reached: dict[int, int] = {}
        for mask, sources in column[0].parts:
            for position in members(sources & universe.endpoint_bits):
                reached[position] = reached.get(position, 0) | mask
        rows = [
            (universe.peers[position].id, _text(connectivity, mask)) for position, mask in reached.items()
        ]
        for destination in destinations:
            if isinstance(destination, Endpoint):
                own = destination.id
                print("".join(f"{name}\t{own}\t{text}\n" for name, text in rows if name != own), end="")


def _text(connectivity: Connectivity, mask: int) -> str:
    ranges = connectivity.ports(mask).ranges
    return ";".join(f"{protocol} {low} {high}" for protocol, pairs in ranges for low, high in pairs)


def read_own(lines: Iterable[str]) -> Answer:
    """What `print_own` printed."""
    answer: Answer = {}
    for line in lines:
        if line.strip():
            source, destination, text = line.rstrip("\n").split("\t")
            parts = (part.split() for part in text.split(";"))
            pair = source.replace("/Pod/", "/"), destination.replace("/Pod/", "/")
            answer[pair] = frozenset((p, int(low), int(high)) for p, low, high in parts)
    return answer


def read_other(lines: Iterable[str]) -> Answer:
    """The other analyzer's lines about pods. Raises CannotRun for one that can't be understood."""
    answer: Answer = {}
    for line in lines:
        if "[Pod] => " not in line or "/" not in line.partition(" => ")[2].partition("[")[0]:
            continue
        found = _LINE.match(line.strip())
        if found is None:
            raise CannotRun(f"its answer can't be read: {line.strip()[:120]}")
        space, name, to_space, to_name, text = found.groups()
        if (space, name) != (to_space, to_name):
            answer[f"{space}/{name}", f"{to_space}/{to_name}"] = _ports_of(text)
    return answer


def _ports_of(text: str) -> frozenset[tuple[str, int, int]]:
    if text == "All connections":
        return _ALL
    found = _RANGES.match(text)
    if found is None:
        raise CannotRun(f"its ports can't be read: {text[:120]}")
    ends = (part.partition("-") for part in found.group(2).split(","))
    return frozenset((found.group(1), int(low), int(high or low)) for low, _, high in ends)


# -- the processes --------------------------------------------------------------------------------------------------------


def run(command: list[str], output: Path) -> float:
    """CPU seconds of a process whose output goes to a file. Raises CannotRun where it fails or takes too long."""
    errors = output.with_suffix(".errors")
    with output.open("w") as out, errors.open("w") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, preexec_fn=_limit)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = (errors.read_text().strip().splitlines() or ["no message"])[-1]
        raise CannotRun(f"{Path(command[0]).name} ended with {process.returncode}: {last[:200]}")
    return usage.ru_utime + usage.ru_stime


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_SECONDS, LIMIT_SECONDS))


def install(folder: Path) -> Path:
    """The other analyzer's command, in a new virtual environment. Raises CannotRun where it can't be installed."""
    venv.create(folder, with_pip=True)
    run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", PACKAGE], folder / "pip.txt")
    run([str(folder / "bin" / "python"), "-m", "pip", "show", PACKAGE], folder / "version.txt")
    version = (folder / "version.txt").read_text().splitlines()[1]
    print(f"{PACKAGE} {version.removeprefix('Version: ')}", flush=True)
    return folder / "bin" / "nca"


def measure(pods: int, other: Path, folder: Path) -> None:
    """Print one line: CPU seconds of both, their ratio, and whether they say the same."""
    place = folder / f"cluster-{pods}"
    place.mkdir()
    path = place / "cluster.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(generate(pods))}))
    own_text, other_text = folder / f"own-{pods}.txt", folder / f"other-{pods}.txt"
    own_seconds = run([sys.executable, "-m", "benchmarks.side_by_side", "--own", str(path)], own_text)
    command = [str(other), "--connectivity", "-r", str(place), "-o", "txt_no_fw_rules"]
    other_seconds = run(command, other_text)
    with own_text.open() as own_lines, other_text.open() as other_lines:
        own_answer, other_answer = read_own(own_lines), read_other(other_lines)
    pairs = own_answer.keys() | other_answer.keys()
    apart = sorted(pair for pair in pairs if own_answer.get(pair) != other_answer.get(pair))
    print(
        f"{pods:5d} pods {POLICIES} policies | own {own_seconds:7.2f} s | other {other_seconds:8.2f} s"
        f" | {other_seconds / own_seconds:6.1f} times | {len(pairs)} connected pairs, {len(apart)} differ",
        flush=True,
    )
    for pair in apart[:5]:
        print(f"  {pair[0]} -> {pair[1]}: own {own_answer.get(pair)}, other {other_answer.get(pair)}")


def main(sizes: list[int]) -> None:
    """Install, measure every size, and say why where that isn't possible."""
    with tempfile.TemporaryDirectory(prefix="side-by-side-") as name:
        try:
            other = install(Path(name) / "venv")
            for size in sizes:
                measure(size, other, Path(name))
        except (CannotRun, OSError, subprocess.SubprocessError) as problem:
            print(f"{PACKAGE} gives no figures here: {problem}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--own"]:
        print_own(Path(sys.argv[2]))
    else:
        main([int(text) for text in sys.argv[1:]] or [200, 500])
