"""A real Kubernetes control plane on 127.0.0.1: etcd, the API server and, where asked for, the rest of it.

    with Cluster(programs, folder) as cluster:
        cluster.kubectl("get", "namespaces")

kwok plays the kubelets: Nodes are Ready and Pods Running without a container anywhere. Without the controllers nothing
changes what a test creates: no ReplicaSet makes Pods, and a deleted namespace stays Terminating.
"""

import base64
import ctypes
import json
import os
import random
import secrets
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

from tests.live.certificates import Authority, key_pair

_READY_WITHIN = 120.0
_STOP_WITHIN = 5.0
_PASSED_ON = ("PATH", "TMPDIR", "LANG")


class Cluster:
    """A control plane that runs from `start` to `stop`, and no longer than the test run.

    `folder` takes certificates, kubeconfigs, logs and etcd's data. `url`, `authority`, `kubeconfig` (of a member of
    system:masters) and its bearer `token` are there from the beginning. `flags` are given to the API server.
    """

    def __init__(
        self,
        programs: Path,
        folder: Path,
        *,
        controllers: bool = False,
        scheduler: bool = False,
        kwok: bool = False,
        flags: Sequence[str] = (),
    ) -> None:
        self.programs, self.folder = programs, folder
        self.controllers, self.scheduler, self.kwok = controllers, scheduler, kwok
        self.flags = list(flags)
        self.token = secrets.token_hex(16)
        self.authority = Authority(folder)
        names = ("etcd", "peer", "api", "manager", "scheduler", "kwok")
        self._ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.port = self._ports["api"]
        self.url = f"https://127.0.0.1:{self.port}"
        self.etcd_url = f"http://127.0.0.1:{self._ports['etcd']}"
        self.kubeconfig = self.write_kubeconfig("admin", {"token": self.token})
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._starter = ThreadPoolExecutor(
            1
        )  # a process ends with the thread that started it: one that stays
        self._connections = threading.local()
        self._context = ssl.create_default_context(cafile=str(self.authority.certificate))
        self._prepare()

    def __enter__(self) -> "Cluster":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- running it ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything and wait until it is ready. Raises RuntimeError with the end of the log."""
        self._spawn("etcd", self._etcd_flags())
        self._until_ready("etcd", lambda: _answers(f"{self.etcd_url}/health"))
        self.start_api_server()
        if self.controllers:
            self._spawn("kube-controller-manager", self._manager_flags())
            account = "/api/v1/namespaces/default/serviceaccounts/default"
            self._until_ready("kube-controller-manager", lambda: self.request("GET", account)[0] == 200)
        if self.scheduler:
            self._spawn("kube-scheduler", self._leaderless("scheduler"))
        if self.kwok:
            self._spawn("kwok", self._kwok_flags())
            self._until_ready("kwok", lambda: _answers(f"http://127.0.0.1:{self._ports['kwok']}/healthz"))

    def stop(self) -> None:
        """End what was started, last first."""
        for name in reversed(list(self._running)):
            self._end(name, signal.SIGTERM)
        self._starter.shutdown()

    def start_api_server(self) -> None:
        """Start the API server, with `flags` as they are now, and wait until it is ready."""
        self._spawn("kube-apiserver", [*self._api_server_flags(), *self.flags])
        self._until_ready("kube-apiserver", lambda: self.request("GET", "/readyz")[0] == 200)

    def stop_api_server(self, *, kill: bool = False) -> None:
        """End the API server alone, cutting what it is answering when `kill`."""
        self._end("kube-apiserver", signal.SIGKILL if kill else signal.SIGTERM)

    def pid(self, program: str) -> int:
        """The process id of one of the programs."""
        return self._running[program].pid

    def log(self, program: str, lines: int = 20) -> str:
        """The end of what a program has written."""
        path = self.folder / f"{program}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def _spawn(self, program: str, flags: Sequence[str]) -> None:
        passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        with (self.folder / f"{program}.log").open("ab") as log:
            process = self._starter.submit(
                subprocess.Popen,
                [str(self.programs / program), *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**passed, "HOME": str(self.folder)},
                preexec_fn=_end_with_parent,
            )
            self._running[program] = process.result()

    def _end(self, program: str, how: signal.Signals) -> None:
        process = self._running.pop(program)
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _until_ready(self, program: str, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + _READY_WITHIN
        while time.monotonic() < end:
            if self._running[program].poll() is not None:
                raise RuntimeError(f"{program} ended:\n{self.log(program)}")
            try:
                if ready():
                    return
            except (OSError, HTTPException):
                self._forget_connection()
            time.sleep(0.05)
        raise RuntimeError(f"{program} isn't ready after {_READY_WITHIN:.0f} s:\n{self.log(program)}")

    # -- flags -----------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        folder = self.folder
        hosts = ("127.0.0.1", "localhost", "kubernetes.default.svc", "10.96.0.1")
        self._server_certificate = self.authority.server("kube-apiserver", hosts)
        self._account_keys = key_pair(folder, "service-accounts")
        tokens = folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f'{self.token},admin,admin,"system:masters"\n')

    def _etcd_flags(self) -> list[str]:
        peer = f"http://127.0.0.1:{self._ports['peer']}"
        return [
            "--name=one",
            f"--data-dir={self.folder}/etcd",
            "--unsafe-no-fsync",  # nothing here has to survive the machine
            "--log-level=warn",
            f"--listen-client-urls={self.etcd_url}",
            f"--advertise-client-urls={self.etcd_url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=one={peer}",
        ]

    def _api_server_flags(self) -> list[str]:
        certificate, key = self._server_certificate
        private, public = self._account_keys
        flags = [
            f"--etcd-servers={self.etcd_url}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",  # it would publish a loopback address, which validation refuses
            f"--cert-dir={self.folder}/api",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={self.authority.certificate}",
            f"--token-auth-file={self.folder}/tokens.csv",
            "--authorization-mode=Node,RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={public}",
            f"--service-account-signing-key-file={private}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--allow-privileged=true",
        ]
        # Without controllers nothing makes the default ServiceAccount, and Pods would be refused for want of it.
        return flags if self.controllers else [*flags, "--disable-admission-plugins=ServiceAccount"]

    def _leaderless(self, name: str) -> list[str]:
        return [
            f"--kubeconfig={self.kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._ports[name]}",
            f"--cert-dir={self.folder}/{name}",
            "--leader-elect=false",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        ]

    def _manager_flags(self) -> list[str]:
        ca, key = self.authority.certificate, self.authority.key
        return [
            *self._leaderless("manager"),
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self._account_keys[0]}",
            f"--root-ca-file={ca}",
            f"--cluster-signing-cert-file={ca}",
            f"--cluster-signing-key-file={key}",
        ]

    def _kwok_flags(self) -> list[str]:
        stages = self.folder / "stages.yaml"
        stages.write_bytes(subprocess.check_output([self.programs / "controlplane", "kwok-stages"]))
        return [
            f"--kubeconfig={self.kubeconfig}",
            f"--config={stages}",
            "--manage-all-nodes=true",
            f"--server-address=127.0.0.1:{self._ports['kwok']}",
            "--cidr=10.244.0.0/16",
            "--node-ip=10.0.0.1",
        ]

    # -- credentials -----------------------------------------------------------------------------------------------

    def write_kubeconfig(
        self, name: str, user: Mapping[str, Any], *, server: str | None = None, **cluster: Any
    ) -> Path:
        """A kubeconfig with one context, `name`, for a user entry; `cluster` adds to the cluster entry, None removes."""
        entry = {
            "server": server or self.url,
            "certificate-authority": str(self.authority.certificate),
            **{key.replace("_", "-"): value for key, value in cluster.items()},
        }
        value = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": "test", "cluster": {k: v for k, v in entry.items() if v is not None}}],
            "users": [{"name": name, "user": dict(user)}],
            "contexts": [{"name": name, "context": {"cluster": "test", "user": name}}],
        }
        path = self.folder / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(value))  # JSON is YAML
        return path

    def service_account_token(self, namespace: str, name: str, seconds: int = 3600) -> str:
        """A token from the TokenRequest API, bound to nothing; the API server allows no less than 600 s."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        spec = {"spec": {"expirationSeconds": seconds}}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", **spec}
        return str(self.ok("POST", path, body)["status"]["token"])

    def embedded(self, path: Path) -> str:
        """A file's bytes as kubeconfig's `...-data` fields have them."""
        return base64.b64encode(path.read_bytes()).decode()

    # -- using it --------------------------------------------------------------------------------------------------

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Standard output of kubectl as the administrator. Raises CalledProcessError with its stderr noted."""
        return self._client("kubectl", arguments, given)

    def helm(self, *arguments: str, given: str | None = None) -> str:
        """Standard output of helm as the administrator. Raises CalledProcessError with its stderr noted."""
        return self._client("helm", arguments, given)

    def _client(self, program: str, arguments: Sequence[str], given: str | None) -> str:
        passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment = {**passed, "HOME": str(self.folder), "KUBECONFIG": str(self.kubeconfig)}
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(
            command, input=given, check=False, capture_output=True, text=True, env=environment
        )
        if done.returncode:
            error = subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
            error.add_note(done.stderr[-2000:])
            raise error
        return done.stdout

    def request(
        self, method: str, path: str, body: object = None, *, token: str | None = None
    ) -> tuple[int, Any]:
        """Status and JSON of one request, by the administrator or by the bearer of `token`; one connection a thread."""
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        text = json.dumps(body) if body is not None else None
        if getattr(self._connections, "open", None) is not None:
            try:
                return self._answer(method, path, text, headers)
            except (OSError, HTTPException):  # it was idle for too long, or the API server was restarted
                self._forget_connection()
        self._connections.open = HTTPSConnection("127.0.0.1", self.port, context=self._context, timeout=60)
        return self._answer(method, path, text, headers)

    def _answer(
        self, method: str, path: str, body: str | None, headers: Mapping[str, str]
    ) -> tuple[int, Any]:
        connection = self._connections.open
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        json_type = answer.headers.get("Content-Type", "").startswith("application/json")
        return answer.status, json.loads(text) if json_type else text.decode()

    def ok(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of a request that succeeds. Raises RuntimeError with the answer when it doesn't."""
        status, value = self.request(method, path, body)
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status}: {value}")
        return value

    def create_all(self, path: str, bodies: Iterable[Mapping[str, Any]], threads: int = 8) -> None:
        """Create many objects of one resource. Raises RuntimeError with the first answer that isn't a success."""
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(lambda body: self.ok("POST", path, body), bodies):
                pass

    def _forget_connection(self) -> None:
        connection = getattr(self._connections, "open", None)
        if connection is not None:
            connection.close()
            self._connections.open = None


def _end_with_parent() -> None:
    """PR_SET_PDEATHSIG: an interrupted test run leaves no process behind (Linux; elsewhere `stop` alone does)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(1, signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on, below those that the system gives to clients."""
    found: list[int] = []
    for port in random.sample(range(20000, 32000), 200):
        with socket.socket() as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no free ports")


def _answers(url: str) -> bool:
    with build_opener(ProxyHandler({})).open(url, timeout=5) as answer:
        return bool(answer.status == 200)
