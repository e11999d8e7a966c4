"""Running a CronJob's container from the image's root filesystem as a kubelet would, without a container engine."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.chart import Object, one
from tests.live.cluster import Cluster

_ENVIRONMENT = {"PATH": "/opt/auditor/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
USER = 65532


@dataclass(frozen=True)
class Ended:
    """`peak` is the largest resident size of any of its processes, in bytes; `seconds` are of the CPU."""

    code: int
    output: str
    peak: int
    seconds: float


def run_daily(
    root: Path,
    cluster: Cluster,
    objects: list[Object],
    folder: Path,
    secrets: Mapping[str, str] | None = None,
) -> Ended:
    """The daily CronJob of rendered objects on a cluster. Evidence is left in `folder`/evidence.

    `secrets`: contents by their path below /etc/auditor.
    """
    pod = one(objects, "CronJob", "auditor-daily")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    configuration = one(objects, "ConfigMap", "auditor")["data"]["daily.yaml"]
    account = {
        "token": cluster.service_account_token("auditor", "auditor"),
        "ca.crt": cluster.authority.certificate.read_text(),
        "namespace": "auditor",
    }
    evidence = folder / "evidence"
    evidence.mkdir()
    os.chown(evidence, USER, USER)
    given = {entry["name"]: entry["value"] for entry in container.get("env", ())}
    return run_pod(
        root,
        [*container["command"], *container["args"]],
        read_only={
            "/etc/auditor": _files(folder / "config", {"daily.yaml": configuration, **(secrets or {})}),
            "/run/secrets/kubernetes.io/serviceaccount": _files(folder / "account", account),
        },
        writable={"/var/lib/auditor": evidence},
        environment={
            **given,
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(cluster.port),
        },
        log=folder / "log",
    )


def _files(folder: Path, contents: Mapping[str, str]) -> Path:
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def run_pod(
    root: Path,
    command: Sequence[str],
    *,
    read_only: Mapping[str, Path],
    writable: Mapping[str, Path],
    environment: Mapping[str, str],
    log: Path,
) -> Ended:
    """As user 65532 without capabilities, on a read-only root with /tmp in memory, in this machine's network.

    Folders are mounted at the given paths, which may go through no symbolic link (so /run, not /var/run). Needs root;
    everything that is mounted goes with the process.
    """
    mounts = []
    for flags, folders in (("-o ro", read_only), ("", writable)):
        for path, folder in folders.items():
            inside = shlex.quote(f"{root}{path}")
            mounts.append(f"mkdir -p {inside}; mount --bind {flags} {shlex.quote(str(folder))} {inside}")
    given = " ".join(shlex.quote(f"{key}={value}") for key, value in {**_ENVIRONMENT, **environment}.items())
    at = shlex.quote(str(root))
    script = f"""
        mount --make-rprivate /
        mount --bind {at} {at}
        {chr(10).join(mounts)}
        mount -t tmpfs -o mode=1777 tmpfs {at}/tmp
        mount -t proc proc {at}/proc
        mount -o remount,ro,bind {at}
        exec setpriv --no-new-privs chroot --userspec={USER}:{USER} --groups= {at} \
            /usr/bin/env -i {given} {shlex.join(command)}
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "sh", "-eu", "-c", script], stdout=output, stderr=output
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Ended(
        process.returncode,
        log.read_text(errors="replace"),
        used.ru_maxrss * 1024,
        used.ru_utime + used.ru_stime,
    )
