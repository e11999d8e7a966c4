"""The chart, rendered by the real helm."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import certifi
import jsonschema
import pytest
import yaml

import auditor
from tests.deploy.chart import (
    CHART,
    DIGEST,
    ROOT,
    SMALLEST,
    VALUES,
    Object,
    Refused,
    helm,
    laid_over,
    one,
    render,
    values,
)


def _egress(objects: list[Object]) -> list[tuple[list[str], list[tuple[str, int]]]]:
    """Each rule: networks, or "peer" for what isn't one, and ports."""
    rules = one(objects, "NetworkPolicy", "auditor")["spec"]["egress"]
    return [
        (
            [peer["ipBlock"]["cidr"] if "ipBlock" in peer else "peer" for peer in rule["to"]],
            [(port["protocol"], port["port"]) for port in rule["ports"]],
        )
        for rule in rules
    ]


def _pods(objects: list[Object]) -> list[Object]:
    return [o["spec"]["jobTemplate"]["spec"]["template"] for o in objects if o["kind"] == "CronJob"]


AUDITOR = [sys.executable, "-m", "auditor"]
DNS = (["peer"], [("UDP", 53), ("TCP", 53)])
API = (["192.0.2.10/32"], [("TCP", 443), ("TCP", 6443)])


@pytest.mark.parametrize("name", VALUES)
def test_helm_lints_it(programs: Path, tmp_path: Path, name: str) -> None:
    assert "0 chart(s) failed" in helm(programs, tmp_path, "lint", "--strict", str(CHART), given=values(name))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"apiServer": {"cidrs": []}}, "apiServer.cidrs: name the networks"),
        ({"storage": {"bucket": {"url": "s3://evidence"}}}, "bucket.cidrs: name the networks"),
        (
            {"notifications": {"webhook": {"enabled": True, "secretName": "hook"}}},
            "notifications.webhook.cidrs: name the networks",
        ),
        (
            {"notifications": {"slack": {"enabled": True, "secretName": "hook"}}},
            "notifications.slack.cidrs: name the networks",
        ),
        (
            {
                "notifications": {
                    "smtp": {
                        "enabled": True,
                        "host": "m.example",
                        "from": "a@m.example",
                        "to": ["b@m.example"],
                    }
                }
            },
            "notifications.smtp.cidrs: name the networks",
        ),
        (
            {"metrics": {"pushgateway": {"enabled": True, "url": "http://push:9091"}}},
            "metrics.pushgateway.cidrs: name the networks",
        ),
        (
            {"daily": {"enabled": False}, "quarterly": {"enabled": False}},
            "daily.enabled, quarterly.enabled: with neither nothing would ever run",
        ),
        (
            {
                "notifications": {
                    "smtp": {
                        "enabled": True,
                        "host": "m.example",
                        "security": "none",
                        "from": "a@m.example",
                        "to": ["b@m.example"],
                        "username": "a",
                        "secretName": "mail",
                        "cidrs": ["192.0.2.0/24"],
                    }
                }
            },
            "notifications.smtp.security: a password is only sent over starttls or tls",
        ),
        ({"image": {"repository": ""}}, "image.repository: name the image"),
        ({"image": {"digest": ""}}, "image.digest: give the image's digest"),
        (
            {"notifications": {"slack": {"enabled": True, "cidrs": ["192.0.2.0/24"]}}},
            "slack.secretName: name the Secret",
        ),
        ({"serviceAccount": {"create": False}}, "serviceAccount.name: name the existing ServiceAccount"),
        (
            {"scope": {"format_version": 1}, "existingScopeConfigMap": "scope"},
            "scope: expected scope or existingScopeConfigMap",
        ),
        (
            {
                "metrics": {"textFile": True},
                "storage": {"bucket": {"url": "s3://evidence"}},
                "bucket": {"cidrs": ["192.0.2.0/24"]},
            },
            "metrics.textFile: the file is written to the volume",
        ),
    ],
)
def test_it_refuses_what_cannot_work(programs: Path, tmp_path: Path, change: Object, message: str) -> None:
    with pytest.raises(Refused, match=re.escape(message)):
        render(programs, tmp_path, laid_over(SMALLEST, change))


@pytest.mark.parametrize(
    "change",
    [
        {"apiserver": {"cidrs": ["192.0.2.1/32"]}},
        {"image": {"digest": "sha256:short"}},
        {"image": {"tag": 'x"\nhostNetwork: true'}},
        {"apiServer": {"cidrs": ["0.0.0.0/0, 10.0.0.0/8"]}},
        {"apiServer": {"cidrs": ["192.0.2.10"]}},
        {"apiServer": {"cidrs": ["192.0.2.256/32"]}},
        {"apiServer": {"cidrs": ["abc/64"]}},
        {"apiServer": {"cidrs": ["2001:db8::1/129"]}},
        {"daily": {"schedule": "* * * * *\nsuspend: true"}},
        {"daily": {"timeZone": "Europe/Berlin'"}},
        {"collect": {"namespaces": ["kube-system\n"]}},
        {"collect": {"frameworks": []}},
        {"collect": {"frameworks": ["soc2"]}},
        {"daily": {"formats": ["html"]}},
        {"storage": {"bucket": {"url": "s3://key:secret@evidence"}}},
        {"notifications": {"slack": {"url": "https://hooks.example/secret"}}},
        {"notifications": {"smtp": {"password": "secret"}}},
        {"podLabels": {"a": "b\nc: d"}},
        {"title": "two\nlines"},
        {"signing": {"key": "x"}},
        {"job": {"activeDeadlineSeconds": 0}},
    ],
)
def test_the_schema_refuses_unknown_secret_and_hostile_values(
    programs: Path, tmp_path: Path, change: Object
) -> None:
    with pytest.raises(Refused, match="don't meet the specifications of the schema"):
        render(programs, tmp_path, laid_over(SMALLEST, change))


def test_free_text_reaches_the_configuration_as_it_is(programs: Path, tmp_path: Path) -> None:
    title = """{{ .Release.Name }} "quoted" 'single' # not: a comment, {a: b} & *anchor \\n \N{SNOWMAN} """
    reason = "line one\n---\nkind: Secret\n{{ fail `here` }}"
    scope = {"format_version": 1, "namespaces": [{"glob": "*", "class": "out-of-scope", "reason": reason}]}
    change = {"title": title, "scope": scope, "podAnnotations": {"a/b": reason}}
    objects = render(programs, tmp_path, laid_over(SMALLEST, change))
    files = one(objects, "ConfigMap", "auditor")["data"]
    assert yaml.safe_load(files["daily.yaml"])["title"] == title
    assert yaml.safe_load(files["scope.yaml"]) == scope
    assert {pod["metadata"]["annotations"]["a/b"] for pod in _pods(objects)} == {reason}
    assert [o["kind"] for o in objects].count("ConfigMap") == 1
    assert all(o["kind"] != "Secret" for o in objects)


def test_the_smallest_values_open_dns_and_the_api_server_alone(programs: Path, tmp_path: Path) -> None:
    objects = render(programs, tmp_path, SMALLEST)
    assert _egress(objects) == [DNS, API]
    deny = one(objects, "NetworkPolicy", "auditor-default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    own = one(objects, "NetworkPolicy", "auditor")["spec"]
    assert own["ingress"] == []
    assert own["policyTypes"] == ["Ingress", "Egress"]
    wanted = own["podSelector"]["matchLabels"].items()
    assert all(wanted <= pod["metadata"]["labels"].items() for pod in _pods(objects))


def test_the_dns_server_that_is_named_replaces_the_usual_one(programs: Path, tmp_path: Path) -> None:
    """OpenShift's DNS pods don't carry `k8s-app: kube-dns`: both labels together would select nothing."""
    dns = {
        "namespaceLabels": {"kubernetes.io/metadata.name": "openshift-dns"},
        "podLabels": {"dns.operator.openshift.io/daemonset-dns": "default"},
        "ports": [5353],
    }
    objects = render(programs, tmp_path, laid_over(SMALLEST, {"networkPolicy": {"dns": dns}}))
    (peer,) = one(objects, "NetworkPolicy", "auditor")["spec"]["egress"][0]["to"]
    assert peer == {
        "namespaceSelector": {"matchLabels": dns["namespaceLabels"]},
        "podSelector": {"matchLabels": dns["podLabels"]},
    }


def test_labels_of_ones_own_never_take_pods_from_under_the_policy(programs: Path, tmp_path: Path) -> None:
    change = {"podLabels": {"app.kubernetes.io/name": "other", "team": "a"}}
    objects = render(programs, tmp_path, laid_over(SMALLEST, change))
    wanted = one(objects, "NetworkPolicy", "auditor")["spec"]["podSelector"]["matchLabels"].items()
    for pod in _pods(objects):
        assert wanted <= pod["metadata"]["labels"].items()
        assert pod["metadata"]["labels"]["team"] == "a"


def test_each_notifier_and_the_bucket_open_their_networks_alone(programs: Path, tmp_path: Path) -> None:
    assert _egress(render(programs, tmp_path, values("everyone is told"))) == [
        DNS,
        API,
        (["198.51.100.0/28"], [("TCP", 443)]),
        (["198.51.100.16/28", "2001:db8::/64"], [("TCP", 443)]),
        (["198.51.100.32/32"], [("TCP", 587)]),
    ]
    assert _egress(render(programs, tmp_path, values("bucket elsewhere")))[2:] == [
        (["203.0.113.7/32"], [("TCP", 9000)])
    ]
    assert _egress(render(programs, tmp_path, values("published")))[2:] == [(["peer"], [("TCP", 9091)])]


def test_the_jobs_can_be_left_alone(programs: Path, tmp_path: Path) -> None:
    objects = render(programs, tmp_path, SMALLEST)
    for name, file, memory in (
        ("auditor-daily", "daily", "512Mi"),
        ("auditor-quarterly", "quarterly", "1Gi"),
    ):
        spec = one(objects, "CronJob", name)["spec"]
        job = spec["jobTemplate"]["spec"]
        assert (spec["concurrencyPolicy"], spec["timeZone"], spec["startingDeadlineSeconds"]) == (
            "Forbid",
            "Etc/UTC",
            3600,
        )
        assert (job["activeDeadlineSeconds"], job["backoffLimit"]) == (1800, 2)
        (container,) = job["template"]["spec"]["containers"]
        assert container["command"] == ["/opt/auditor/bin/auditor"]
        assert container["args"] == ["run", "--config", f"/etc/auditor/{file}.yaml"]
        assert container["resources"]["limits"] == {"memory": memory}
        failing = [r for r in job["podFailurePolicy"]["rules"] if r["action"] == "FailJob"]
        assert [r["onExitCodes"]["values"] for r in failing] == [[1, 2]]


def test_evidence_outlives_the_release_and_a_bucket_needs_no_volume(programs: Path, tmp_path: Path) -> None:
    claim = one(render(programs, tmp_path, SMALLEST), "PersistentVolumeClaim", "auditor")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    objects = render(programs, tmp_path, values("bucket"))
    assert all(o["kind"] != "PersistentVolumeClaim" for o in objects)
    for pod in _pods(objects):
        assert [v["name"] for v in pod["spec"]["volumes"]] == ["config", "tmp"]


def test_credentials_are_files_of_named_secrets(programs: Path, tmp_path: Path) -> None:
    objects = render(programs, tmp_path, values("everyone is told"))
    (sources,) = {json.dumps(pod["spec"]["volumes"][0]["projected"]["sources"][2:]) for pod in _pods(objects)}
    assert [
        (s["secret"]["name"], [i["path"] for i in s["secret"]["items"]]) for s in json.loads(sources)
    ] == [
        ("hook", ["credentials/webhook/url", "credentials/webhook/headers"]),
        ("slack", ["credentials/slack/url"]),
        ("mail", ["credentials/smtp/password"]),
    ]
    assert all("env" not in pod["spec"]["containers"][0] for pod in _pods(objects))


@pytest.mark.parametrize("name", VALUES)
def test_the_configuration_is_one_that_runs_take(programs: Path, tmp_path: Path, name: str) -> None:
    """The schema takes it, and so does `auditor run --check` with the files where the pod has them."""
    objects = render(programs, tmp_path, values(name))
    schema = json.loads(subprocess.check_output([*AUDITOR, "schema", "run"], text=True, cwd=ROOT))
    for key, text in one(objects, "ConfigMap", "auditor")["data"].items():
        if key == "scope.yaml":
            continue
        jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(text))
        folder = _as_mounted(objects, f"auditor-{key.removesuffix('.yaml')}", tmp_path / key)
        check = [*AUDITOR, "run", "--config", str(folder / key), "--check"]
        done = subprocess.run(check, check=False, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr


def _as_mounted(objects: list[Object], cronjob: str, folder: Path) -> Path:
    """The projected volume of a CronJob's pods: ConfigMaps as rendered, and something usable for what is named only."""
    kept = {o["metadata"]["name"]: o["data"] for o in objects if o["kind"] == "ConfigMap"}
    usable = {
        "url": "https://receiver.example.com/hook",
        "headers": "Authorization: Bearer x",
        "password": "x",
        "scope.yaml": "format_version: 1",
        "ca.crt": certifi.contents(),
        "credentials": "",
    }
    pod = one(objects, "CronJob", cronjob)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    for source in pod["volumes"][0]["projected"]["sources"]:
        (named,) = source.values()
        for item in named["items"]:
            file = folder / item["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(kept.get(named["name"], usable)[item["key"]])
    return folder


def test_the_rules_are_those_that_the_command_prints() -> None:
    generate = _script("generate_rules")
    for name, text in generate.rule_files().items():
        assert (CHART / "files" / name).read_text() == text, f"{name} is old: run make manifests"


def test_rules_never_change_anything_but_reports(programs: Path, tmp_path: Path) -> None:
    for name in ("smallest", "namespaces", "published"):
        for role in render(programs, tmp_path, values(name)):
            if role["kind"] not in ("Role", "ClusterRole"):
                continue
            for rule in role["rules"]:
                assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
                assert "secrets" not in rule["resources"]
                if rule["apiGroups"] != ["openreports.io"]:
                    assert set(rule["verbs"]) <= {"get", "list"}


def test_chosen_namespaces_get_roles_of_their_own(programs: Path, tmp_path: Path) -> None:
    objects = render(programs, tmp_path, values("namespaces"))
    for namespace in ("card-vault", "shop"):
        (reads, reports) = [
            o["rules"] for o in objects if o["kind"] == "Role" and o["metadata"]["namespace"] == namespace
        ]
        assert reads[-1]["resourceNames"] == ["ingress-settings"]
        assert [(r["apiGroups"], r["resources"]) for r in reports] == [(["openreports.io"], ["reports"])]
    cluster = [o["rules"] for o in objects if o["kind"] == "ClusterRole"]
    listed = {resource for rules in cluster for rule in rules for resource in rule["resources"]}
    assert {"nodes", "clusterreports"} <= listed
    assert not {"pods", "services", "configmaps", "reports"} & listed
    bound = [o for o in objects if o["kind"] in ("RoleBinding", "ClusterRoleBinding")]
    assert len(bound) == 6
    account = {"kind": "ServiceAccount", "name": "auditor", "namespace": "auditor"}
    assert all(b["subjects"] == [account] for b in bound)


def test_names_of_two_releases_do_not_meet(programs: Path, tmp_path: Path) -> None:
    seen: set[tuple[str, str, str]] = set()
    for release, namespace in (
        ("auditor", "auditor"),
        ("auditor", "audit-b"),
        ("eu", "auditor"),
        ("eu", "audit-b"),
    ):
        for o in render(programs, tmp_path, SMALLEST, release=release, namespace=namespace):
            key = (o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"])
            assert key not in seen
            seen.add(key)


def test_the_page_on_installing_shows_values_that_work(programs: Path, tmp_path: Path) -> None:
    (block,) = re.findall(
        r"```yaml\n(# values-production\.yaml.*?)```", (ROOT / "docs/cronjob.md").read_text(), re.S
    )
    given = yaml.safe_load(block.replace("sha256:…", DIGEST))
    objects = render(programs, tmp_path, given)
    folder = _as_mounted(objects, "auditor-daily", tmp_path / "mounted")
    check = [*AUDITOR, "run", "--config", str(folder / "daily.yaml"), "--check"]
    done = subprocess.run(check, check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (auditor.__version__, auditor.__version__)


def test_the_readme_tells_every_value() -> None:
    told = set(re.findall(r"^\| `([^`]+)`", (CHART / "README.md").read_text(), re.M))
    assert told == _leaves(yaml.safe_load((CHART / "values.yaml").read_text()))


def test_the_schema_knows_every_value_and_requires_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(yaml.safe_load((CHART / "values.yaml").read_text()))


_WHOLE = (
    "podLabels",
    "podAnnotations",
    "daily.resources",
    "quarterly.resources",
    "networkPolicy.dns.namespaceLabels",
    "networkPolicy.dns.podLabels",
)


def _leaves(value: Any, path: str = "") -> set[str]:
    if not isinstance(value, dict) or not value or path in _WHOLE:
        return {path}
    return {leaf for key, item in value.items() for leaf in _leaves(item, f"{path}.{key}".lstrip("."))}


def _script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "deploy" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
