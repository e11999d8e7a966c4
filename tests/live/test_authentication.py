"""Every way to the API server that a kubeconfig can name, against the real one."""

import json
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from auditor.collect.live.connection import KubernetesConnection
from auditor.model.evidence import Completeness
from auditor.model.kinds import NAMESPACE, SERVICE
from auditor.model.user_error import UserError
from tests.live.cluster import Cluster
from tests.live.collecting import collect, run_auditor, state
from tests.live.issuer import CLIENT, REFRESH_TOKEN, Issuer
from tests.live.proxies import ConnectProxy, forwarding

WHOLE = Completeness.COMPLETE


class TestUsers:
    def test_a_token(self, cluster: Cluster) -> None:
        assert state(collect(cluster.write_kubeconfig("by-token", {"token": cluster.token}))) is WHOLE

    def test_a_file_with_a_token_beside_the_kubeconfig(self, cluster: Cluster) -> None:
        (cluster.folder / "token").write_text(cluster.token)
        assert state(collect(cluster.write_kubeconfig("by-file", {"tokenFile": "token"}))) is WHOLE

    def test_a_client_certificate_in_files(self, cluster: Cluster) -> None:
        certificate, key = cluster.authority.client("jo", ["system:masters"])
        user = {"client-certificate": str(certificate), "client-key": str(key)}
        assert state(collect(cluster.write_kubeconfig("by-certificate", user))) is WHOLE

    def test_a_client_certificate_in_the_kubeconfig(self, cluster: Cluster) -> None:
        certificate, key = map(cluster.embedded, cluster.authority.client("jo", ["system:masters"]))
        user = {"client-certificate-data": certificate, "client-key-data": key}
        found = collect(cluster.write_kubeconfig("by-data", user))
        assert (state(found), found.snapshot.collected_by) == (WHOLE, "by-data")

    def test_a_user_who_may_nothing_is_forbidden_everything(self, cluster: Cluster) -> None:
        certificate, key = cluster.authority.client("mo")
        user = {"client-certificate": str(certificate), "client-key": str(key)}
        gap = collect(cluster.write_kubeconfig("mo", user)).snapshot.completeness(NAMESPACE)
        assert gap.state is Completeness.FORBIDDEN
        assert 'User "mo" cannot list resource "namespaces"' in gap.cause

    def test_a_token_that_is_not_known_is_one_clear_line(self, cluster: Cluster) -> None:
        with pytest.raises(UserError, match=r"doesn't accept the credentials \(401\)"):
            collect(cluster.write_kubeconfig("unknown", {"token": "x"}))

    def test_a_context_that_is_not_the_current_one(self, cluster: Cluster) -> None:
        value = json.loads(cluster.kubeconfig.read_text())
        value["clusters"].append({"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}})
        value["contexts"].append({"name": "gone", "context": {"cluster": "gone", "user": "admin"}})
        value["current-context"] = "gone"
        path = cluster.folder / "two.kubeconfig"
        path.write_text(json.dumps(value))
        assert state(collect(path, context="admin")) is WHOLE


def plugin(folder: Path, answer: str) -> dict[str, Any]:
    """A credential plugin, Python whose `answer` fills `status`; it notes each call in the file `calls` beside it."""
    script = folder / "plugin.py"
    lines = [
        "import json, os, sys, time",
        f"calls = open({str(folder / 'calls')!r}, 'a+'); calls.write('x'); calls.seek(0); n = len(calls.read())",
        answer,
        "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])",
        "print(json.dumps({'apiVersion': info['apiVersion'], 'kind': 'ExecCredential', 'status': status}))",
    ]
    script.write_text("\n".join(lines))
    version = "client.authentication.k8s.io/v1"
    entry = {"apiVersion": version, "command": sys.executable, "args": [str(script)]}
    return {"exec": {**entry, "interactiveMode": "Never", "env": [{"name": "SET_HERE", "value": "yes"}]}}


class TestPlugins:
    def test_a_token(self, cluster: Cluster, tmp_path: Path) -> None:
        user = plugin(
            tmp_path, f"status = {{'token': {cluster.token!r} * (os.environ['SET_HERE'] == 'yes')}}"
        )
        assert state(collect(cluster.write_kubeconfig("plugin", user))) is WHOLE
        assert (tmp_path / "calls").read_text() == "x"

    def test_a_token_near_its_end_is_asked_for_anew(self, cluster: Cluster, tmp_path: Path) -> None:
        soon = "time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + (1 if n == 1 else 3600)))"
        user = plugin(tmp_path, f"status = {{'token': {cluster.token!r}, 'expirationTimestamp': {soon}}}")
        assert state(collect(cluster.write_kubeconfig("expiring", user))) is WHOLE
        assert (tmp_path / "calls").read_text() == "xx"

    def test_a_certificate(self, cluster: Cluster, tmp_path: Path) -> None:
        certificate, key = cluster.authority.client("plugged", ["system:masters"])
        fields = {"clientCertificateData": certificate.read_text(), "clientKeyData": key.read_text()}
        user = plugin(tmp_path, f"status = {fields!r}")
        assert state(collect(cluster.write_kubeconfig("certified", user))) is WHOLE

    @pytest.mark.parametrize(
        ("answer", "cause"),
        [
            ("sys.exit('the session has ended, sign in')", "the session has ended, sign in"),
            ("print('no json'); sys.exit()", "failed to decode process output"),
            ("status = {}", "missing token or clientCertificateData"),
        ],
    )
    def test_one_that_fails_is_one_clear_line_and_not_anonymous(
        self, cluster: Cluster, tmp_path: Path, answer: str, cause: str
    ) -> None:
        path = cluster.write_kubeconfig("failing", plugin(tmp_path, answer))
        with pytest.raises(UserError, match="no credentials for user 'failing'") as caught:
            collect(path)
        assert cause in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1

    def test_the_command_says_no_more_than_that(self, cluster: Cluster, tmp_path: Path) -> None:
        path = cluster.write_kubeconfig("ended", plugin(tmp_path, "sys.exit('sign in')"))
        done = run_auditor("collect", "--kubeconfig", str(path), "--out", str(tmp_path / "b.zip"))
        (line,) = done.stderr.splitlines()
        assert (done.returncode, "sign in" in line) == (2, True)
        assert not (tmp_path / "b.zip").exists()

    def test_one_that_is_not_there_is_named(self, cluster: Cluster, tmp_path: Path) -> None:
        user = plugin(tmp_path, "")
        user["exec"]["command"] = "no-such-plugin"
        with pytest.raises(UserError, match="no-such-plugin"):
            collect(cluster.write_kubeconfig("absent", user))


@pytest.fixture(scope="module")
def issuer(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Issuer, Cluster]]:
    """An issuer, and a cluster of its own that trusts it and lets jo list Namespaces."""
    cluster = Cluster(programs, tmp_path_factory.mktemp("oidc"))
    certificate = cluster.authority.server("issuer", ["127.0.0.1"])
    with Issuer().serving(certificate) as started:
        cluster.flags = [
            f"--oidc-issuer-url={started.url}",
            f"--oidc-client-id={CLIENT}",
            f"--oidc-ca-file={cluster.authority.certificate}",
            "--oidc-username-claim=sub",
            "--oidc-username-prefix=oidc:",
        ]
        with cluster:
            role = ("create", "clusterrole", "reads", "--verb=list", "--resource=namespaces,services")
            cluster.kubectl(*role)
            cluster.kubectl("create", "clusterrolebinding", "jo", "--clusterrole=reads", "--user=oidc:jo")
            until_accepted(cluster, started)
            yield started, cluster


def until_accepted(cluster: Cluster, issuer: Issuer) -> None:
    """The API server asks the issuer for its keys in the background."""
    end = time.monotonic() + 30
    while cluster.request("GET", "/api/v1/namespaces", token=issuer.token("jo", 60))[0] != 200:
        assert time.monotonic() < end, cluster.log("kube-apiserver")
        time.sleep(0.2)


def provider(cluster: Cluster, issuer: Issuer, token: str, **changed: str) -> dict[str, Any]:
    """The `oidc` auth provider of a kubeconfig."""
    settings = {
        "idp-issuer-url": issuer.url,
        "idp-certificate-authority": str(cluster.authority.certificate),
        "client-id": CLIENT,
        "client-secret": "s",
        "id-token": token,
        "refresh-token": REFRESH_TOKEN,
    }
    return {"auth-provider": {"name": "oidc", "config": {**settings, **changed}}}


class TestOpenIdConnect:
    def test_a_good_token(self, issuer: tuple[Issuer, Cluster]) -> None:
        signs, cluster = issuer
        user = provider(cluster, signs, signs.token("jo", 3600))
        before = signs.refreshed
        assert state(collect(cluster.write_kubeconfig("oidc", user))) is WHOLE
        assert signs.refreshed == before

    def test_an_expired_token_is_refreshed(self, issuer: tuple[Issuer, Cluster]) -> None:
        signs, cluster = issuer
        user = provider(cluster, signs, signs.token("jo", -60))
        before = signs.refreshed
        assert state(collect(cluster.write_kubeconfig("oidc-expired", user))) is WHOLE
        assert signs.refreshed == before + 1

    def test_a_refresh_that_is_refused_is_one_clear_line(self, issuer: tuple[Issuer, Cluster]) -> None:
        signs, cluster = issuer
        user = provider(cluster, signs, signs.token("jo", -60), **{"refresh-token": "used up"})
        with pytest.raises(UserError, match="invalid_grant"):
            collect(cluster.write_kubeconfig("oidc-refused", user))


def until_it_expires(path: str, items: int, pages: int) -> None:
    """Waits between the lists of Namespaces and of Services."""
    time.sleep(4 if path == "/api/v1/namespaces" else 0)


SOON = timedelta(seconds=3)
"""How long certificates last here. The API server believes a token for 10 s once it has seen it, a certificate never."""


class TestCredentialsThatExpireInMidRun:
    def test_a_plugin_is_asked_again(self, cluster: Cluster, tmp_path: Path) -> None:
        certificate, key = cluster.authority.client("brief", ["system:masters"], SOON)
        first = {"clientCertificateData": certificate.read_text(), "clientKeyData": key.read_text()}
        user = plugin(tmp_path, f"status = {first!r} if n == 1 else {{'token': {cluster.token!r}}}")
        path = cluster.write_kubeconfig("renewed", user)
        found = collect(path, [NAMESPACE, SERVICE], on_page=until_it_expires)
        assert (state(found), state(found, SERVICE)) == (WHOLE, WHOLE)
        assert (tmp_path / "calls").read_text() == "xx"

    def test_what_was_collected_before_is_kept_when_nothing_renews_them(self, cluster: Cluster) -> None:
        certificate, key = cluster.authority.client("over", ["system:masters"], SOON)
        user = {"client-certificate": str(certificate), "client-key": str(key)}
        path = cluster.write_kubeconfig("over", user)
        found = collect(path, [NAMESPACE, SERVICE], on_page=until_it_expires)
        assert (state(found), state(found, SERVICE)) == (WHOLE, Completeness.PARTIAL)
        assert "doesn't accept the credentials (401)" in found.snapshot.completeness(SERVICE).cause


class TestTheWay:
    def collect_through(self, cluster: Cluster, tmp_path: Path, **environment: str) -> Any:
        out = ("--kubeconfig", str(cluster.kubeconfig), "--out", str(tmp_path / "b.zip"))
        return run_auditor("collect", "--framework", "hipaa", *out, environment=environment)

    def test_the_proxy_of_the_environment(self, cluster: Cluster, tmp_path: Path) -> None:
        proxy = ConnectProxy()
        with proxy.serving() as url:
            done = self.collect_through(cluster, tmp_path, HTTPS_PROXY=url)
        assert (done.returncode, set(proxy.asked)) == (0, {f"127.0.0.1:{cluster.port}"})

    def test_what_needs_no_proxy(self, cluster: Cluster, tmp_path: Path) -> None:
        proxy = ConnectProxy()
        with proxy.serving() as url:
            done = self.collect_through(cluster, tmp_path, HTTPS_PROXY=url, NO_PROXY="127.0.0.0/8")
        assert (done.returncode, proxy.asked) == (0, [])

    def test_the_proxy_of_the_kubeconfig(self, cluster: Cluster) -> None:
        proxy = ConnectProxy()
        with proxy.serving() as url:
            path = cluster.write_kubeconfig("proxied", {"token": cluster.token}, proxy_url=url)
            assert state(collect(path)) is WHOLE
        assert set(proxy.asked) == {f"127.0.0.1:{cluster.port}"}

    def test_a_proxy_that_refuses_is_told(self, cluster: Cluster) -> None:
        with ConnectProxy(allows=False).serving() as url:
            path = cluster.write_kubeconfig("refused", {"token": cluster.token}, proxy_url=url)
            with pytest.raises(UserError, match="407 Proxy Authentication Required"):
                collect(path)

    def test_a_ca_that_is_not_known_stops_the_run_at_once(self, cluster: Cluster) -> None:
        user = {"token": cluster.token}
        path = cluster.write_kubeconfig("no-ca", user, certificate_authority=None)
        slept: list[float] = []
        with pytest.raises(UserError, match="CERTIFICATE_VERIFY_FAILED"):
            collect(path, sleep=slept.append)
        assert slept == []

    def test_the_name_on_the_certificate_may_be_another(self, cluster: Cluster) -> None:
        user = {"token": cluster.token}
        with forwarding(("127.0.0.1", cluster.port), "127.0.0.2") as (host, port):
            there = {"server": f"https://{host}:{port}"}
            plain = cluster.write_kubeconfig("plain", user, **there)
            with pytest.raises(UserError, match="IP address mismatch"):
                collect(plain)
            named = cluster.write_kubeconfig("named", user, **there, tls_server_name="kubernetes.default.svc")
            assert state(collect(named)) is WHOLE

    def test_a_certificate_that_is_not_verified_is_told_and_recorded(self, cluster: Cluster) -> None:
        options = {"certificate_authority": None, "insecure_skip_tls_verify": True}
        path = cluster.write_kubeconfig("blind", {"token": cluster.token}, **options)
        found = collect(path)
        assert state(found) is WHOLE
        assert any("certificate was not verified" in note for note in found.notes)
        assert found.snapshot.collected_by == "blind; the API server's certificate was not verified"

    def test_a_server_that_is_known_is_not_remarked_upon(self, cluster: Cluster) -> None:
        assert KubernetesConnection(kubeconfig=str(cluster.kubeconfig)).verified
        assert collect(cluster.kubeconfig).notes == ()
