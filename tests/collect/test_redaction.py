"""What must never be stored is dropped while parsing, and every drop is recorded."""

import base64
from typing import Any

import orjson
import pytest

from auditor.collect.objects import FileContent
from auditor.collect.redaction import kept_words
from auditor.collect.sources import read_content

MARK = "s3cr3t-Value-9917"


def take(value: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[tuple[str, ...], str]]]:
    found: FileContent = read_content(orjson.dumps(value), "in.json")
    (obj,) = found.objects
    return dict(obj.body), [(entry.fields, entry.reason) for entry in found.redactions]


def pod(container: dict[str, Any]) -> dict[str, Any]:
    spec = {"containers": [{"name": "app", "image": "x:1", **container}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}


def template(kind: str, version: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "web"}, "spec": spec}


ENV = {"containers": [{"name": "app", "env": [{"name": "DB", "value": MARK}]}]}
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{MARK}\n-----END RSA PRIVATE KEY-----"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0aaaa." + MARK
META = {"name": "web"}

DROPPED: list[tuple[str, dict[str, Any], str]] = [
    (
        "a Secret's data",
        {"apiVersion": "v1", "kind": "Secret", "metadata": META, "data": {"k": MARK}},
        "values of a Secret",
    ),
    (
        "a Secret's stringData",
        {"apiVersion": "v1", "kind": "Secret", "metadata": META, "stringData": {"k": MARK}},
        "values of a Secret",
    ),
    (
        "any other field of a Secret",
        {"apiVersion": "v1", "kind": "Secret", "metadata": META, "extra": MARK},
        "values of a Secret",
    ),
    (
        "a Secret in a List",
        {"apiVersion": "v1", "kind": "SecretList", "items": [{"metadata": META, "data": {"k": MARK}}]},
        "values of a Secret",
    ),
    (
        "the applied copy",
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {**META, "annotations": {"kubectl.kubernetes.io/last-applied-configuration": MARK}},
        },
        "a copy of the object as it was applied",
    ),
    (
        "the applied copy on any kind",
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**META, "annotations": {"kubectl.kubernetes.io/last-applied-configuration": MARK}},
        },
        "a copy of the object as it was applied",
    ),
    (
        "Rancher's applied copy",
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**META, "annotations": {"objectset.rio.cattle.io/applied": MARK}},
        },
        "a copy of the object as it was applied",
    ),
    (
        "managed fields",
        {"apiVersion": "v1", "kind": "Service", "metadata": {**META, "managedFields": [{"manager": MARK}]}},
        "the API server's bookkeeping",
    ),
    (
        "an environment variable of a pod",
        pod({"env": [{"name": "DB", "value": MARK}]}),
        "environment variables that are not evidence",
    ),
    (
        "an environment variable of a Deployment",
        template("Deployment", "apps/v1", {"template": {"spec": ENV}}),
        "environment variables that are not evidence",
    ),
    (
        "an environment variable of a CronJob",
        template("CronJob", "batch/v1", {"jobTemplate": {"spec": {"template": {"spec": ENV}}}}),
        "environment variables that are not evidence",
    ),
    (
        "an environment variable of an unknown kind",
        template("Rollout", "argoproj.io/v1alpha1", {"template": {"spec": ENV}}),
        "environment variables that are not evidence",
    ),
    ("an argument", pod({"args": [f"--password={MARK}"]}), "arguments and commands that are not evidence"),
    (
        "an argument after its flag",
        pod({"args": ["--password", MARK]}),
        "arguments and commands that are not evidence",
    ),
    (
        "a command line",
        pod({"command": ["sh", "-c", f"mysql -p{MARK}"]}),
        "arguments and commands that are not evidence",
    ),
    (
        "the password of Weave",
        pod({"env": [{"name": "WEAVE_PASSWORD", "value": MARK}]}),
        "environment variables that are not evidence",
    ),
    (
        "a kept name that holds a password",
        pod({"env": [{"name": "FELIX_ETCDPASSWORD", "value": MARK}]}),
        "environment variables that are not evidence",
    ),
    (
        "a probe's command",
        pod({"livenessProbe": {"exec": {"command": ["redis-cli", "-a", MARK]}}}),
        "commands and headers of probes and hooks",
    ),
    (
        "a probe's headers",
        pod(
            {
                "readinessProbe": {
                    "httpGet": {"port": 1, "httpHeaders": [{"name": "Authorization", "value": MARK}]}
                }
            }
        ),
        "commands and headers of probes and hooks",
    ),
    (
        "a hook's command",
        pod({"lifecycle": {"preStop": {"exec": {"command": [MARK]}}}}),
        "commands and headers of probes and hooks",
    ),
    (
        "the options of a volume driver",
        template(
            "Pod", "v1", {"volumes": [{"name": "v", "csi": {"driver": "d", "volumeAttributes": {"k": MARK}}}]}
        ),
        "options of volume drivers",
    ),
    (
        "the key of a Route",
        template("Route", "route.openshift.io/v1", {"tls": {"key": MARK}}),
        "a private key",
    ),
    (
        "a ConfigMap that nothing names",
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": META, "data": {"k": MARK}},
        "data of a ConfigMap that is not evidence",
    ),
    (
        "a private key in a kept ConfigMap",
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio"}, "data": {"k": PEM}},
        "a private key",
    ),
    (
        "a private key that breaks off",
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio"}, "data": {"k": PEM[:60]}},
        "a private key",
    ),
    (
        "a private key in base64",
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "istio"},
            "data": {"k": base64.b64encode(PEM.encode()).decode()},
        },
        "a private key",
    ),
    (
        "a token in an annotation",
        {"apiVersion": "v1", "kind": "Service", "metadata": {**META, "annotations": {"x": f"t={JWT}"}}},
        "a token or password",
    ),
    (
        "a bearer token",
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**META, "annotations": {"x": f'proxy_set_header Authorization "Bearer {MARK}"'}},
        },
        "a token or password",
    ),
    (
        "a password in an URL",
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**META, "annotations": {"x": f"https://me:{MARK}@host/x"}},
        },
        "a token or password",
    ),
    (
        "a header that a route sets",
        template(
            "VirtualService",
            "networking.istio.io/v1",
            {"http": [{"headers": {"request": {"set": {"Authorization": MARK}}}}]},
        ),
        "a token or password",
    ),
    (
        "a header in Gateway API's form",
        template(
            "HTTPRoute",
            "gateway.networking.k8s.io/v1",
            {
                "rules": [
                    {
                        "filters": [
                            {"requestHeaderModifier": {"set": [{"name": "Authorization", "value": MARK}]}}
                        ]
                    }
                ]
            },
        ),
        "a token or password",
    ),
    (
        "a field of an unknown kind that is named like a secret",
        {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": META, "clientSecret": MARK},
        "a token or password",
    ),
]


@pytest.mark.parametrize(("value", "reason"), [row[1:] for row in DROPPED], ids=[row[0] for row in DROPPED])
def test_dropped_and_recorded(value: dict[str, Any], reason: str) -> None:
    from auditor.collect.config_maps import keep_named_config_maps

    found = read_content(orjson.dumps(value), "in.json")
    objects, more = keep_named_config_maps(found.objects)
    assert found.problems == []
    assert len(objects) == 1
    assert MARK.encode() not in orjson.dumps(objects[0].body)
    assert base64.b64encode(MARK.encode())[:12] not in orjson.dumps(objects[0].body)
    assert {MARK in str(value) for value in (objects[0].annotations, objects[0].labels)} == {False}
    assert reason in {entry.reason for entry in [*found.redactions, *more]}
    assert {entry.object for entry in [*found.redactions, *more]} == {objects[0].id}


def test_a_secret_keeps_its_metadata_and_type() -> None:
    metadata = {"name": "web", "labels": {"a": "b"}}
    body, _ = take(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": {"k": MARK}}
    )
    assert body == {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque"}


KEPT_ENV = [
    ("a policy agent's setting", {"name": "EXPECT_NPC", "value": "0"}),
    ("Felix's settings", {"name": "FELIX_WIREGUARDENABLED", "value": "true"}),
    ("ztunnel's TLS version", {"name": "TLS12_ENABLED", "value": "true"}),
    ("Linkerd's proxy", {"name": "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY", "value": "deny"}),
    (
        "a field of the pod",
        {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
    ),
]


@pytest.mark.parametrize("entry", [row[1] for row in KEPT_ENV], ids=[row[0] for row in KEPT_ENV])
def test_environment_that_is_evidence_is_kept(entry: dict[str, Any]) -> None:
    body, redactions = take(pod({"env": [entry]}))
    assert body["spec"]["containers"][0]["env"] == [entry]
    assert redactions == []


WEAVE = [
    ("a value", {"value": "x"}, "set"),
    ("a reference to a Secret", {"valueFrom": {"secretKeyRef": {"name": "weave", "key": "k"}}}, "set"),
    ("an empty value", {"value": ""}, "unset"),
    ("no value", {}, "unset"),
]


@pytest.mark.parametrize(("entry", "stated"), [row[1:] for row in WEAVE], ids=[row[0] for row in WEAVE])
def test_of_weaves_password_is_kept_whether_it_is_set(entry: dict[str, Any], stated: str) -> None:
    body, _ = take(pod({"env": [{"name": "WEAVE_PASSWORD", **entry}]}))
    assert body["spec"]["containers"][0]["env"] == [{"name": "WEAVE_PASSWORD", "value": stated}]


WORDS = [
    ("a flag with its value", ["--enable-network-policy=true", "--v=4"], ["--enable-network-policy=true"]),
    (
        "a value after its flag",
        ["--inbound-ports-to-ignore", "4190,4191", "-x"],
        ["--inbound-ports-to-ignore", "4190,4191"],
    ),
    ("a flag without a value before another", ["--run-firewall", "--password", "x"], ["--run-firewall"]),
    (
        "flags in any case",
        ["--entryPoints.web.http.redirections.entryPoint.to=websecure"],
        ["--entryPoints.web.http.redirections.entryPoint.to=websecure"],
    ),
    ("a word after a switch", ["--enable-network-policy", "hunter2"], ["--enable-network-policy"]),
    ("a flag in a shell's line", ["kube-router --run-firewall=true --password=x"], ["--run-firewall=true"]),
    ("a certificate by name", ["--default-ssl-certificate=ns/cert"], ["--default-ssl-certificate=ns/cert"]),
    ("a value of unusual characters", ["--ingress-class=a\0b"], []),
    ("words that are no text", [1, None, {"a": 1}], []),
    ("what is no list", "--run-firewall", []),
]


@pytest.mark.parametrize(("words", "expected"), [row[1:] for row in WORDS], ids=[row[0] for row in WORDS])
def test_arguments_that_are_evidence_are_kept(words: Any, expected: list[str]) -> None:
    assert kept_words(words, program=False, one_letter=False) == expected


def test_the_program_and_the_one_letter_flags_of_istios_init_container_are_kept() -> None:
    words = [
        "istio-iptables",
        "-p",
        "15001",
        "-b",
        "*",
        "-d",
        "15090,15021",
        "--log_output_level=default:info",
    ]
    container = {"name": "istio-init", "args": words}
    value = pod({})
    value["spec"]["initContainers"] = [container]
    body, _ = take(value)
    assert body["spec"]["initContainers"][0]["args"] == words[:-1]
    assert kept_words(["/bin/agent", "run"], program=True, one_letter=False) == ["/bin/agent"]


def test_a_container_without_secrets_is_left_as_it_is() -> None:
    value = pod({"ports": [{"containerPort": 80}], "envFrom": [{"secretRef": {"name": "x"}}]})
    body, redactions = take(value)
    assert body == value
    assert redactions == []


def test_a_config_map_that_a_controller_is_told_to_read_is_kept() -> None:
    from auditor.collect.config_maps import keep_named_config_maps

    controller = pod({"args": ["--configmap=$(POD_NAMESPACE)/my-settings"]})
    controller["metadata"]["namespace"] = "edge"
    data = {"ssl-redirect": "false"}
    maps = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "my-settings", "namespace": namespace},
            "data": data,
        }
        for namespace in ("edge", "other")
    ]
    found = read_content(
        orjson.dumps({"apiVersion": "v1", "kind": "List", "items": [controller, *maps]}), "in.json"
    )
    objects, _ = keep_named_config_maps(found.objects)
    assert [obj.body.get("data") for obj in objects] == [None, data, None]


def test_a_long_annotation_is_cut_and_the_object_kept() -> None:
    value = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s", "annotations": {"x": "y" * 300_000}},
    }
    body, redactions = take(value)
    assert body["metadata"]["annotations"] == {"x": "y" * 32_768}
    assert redactions == [(("metadata.annotations[x]",), "an annotation cut to 32768 characters")]


def test_certificates_and_ordinary_words_stay() -> None:
    certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
    annotations = {
        "a": certificate,
        "b": "Basic authentication required",
        "c": "https://host/path",
        "d": "bearer of news",
    }
    value = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "annotations": annotations}}
    body, redactions = take(value)
    assert body == value
    assert redactions == []


def test_references_to_secrets_are_kept() -> None:
    value = template(
        "Gateway",
        "networking.istio.io/v1",
        {"servers": [{"tls": {"credentialName": "cert", "mode": "SIMPLE"}}]},
    )
    body, redactions = take(value)
    assert body == value
    assert redactions == []


def test_the_schema_of_a_definition_is_dropped() -> None:
    spec = {"group": "g", "versions": [{"name": "v1", "served": True, "schema": {"openAPIV3Schema": {}}}]}
    body, redactions = take(template("CustomResourceDefinition", "apiextensions.k8s.io/v1", spec))
    assert body["spec"]["versions"] == [{"name": "v1", "served": True}]
    assert redactions == [(("spec.versions[0].schema",), "the schema of a CustomResourceDefinition")]


def test_redaction_of_an_aliased_container_is_the_same_everywhere() -> None:
    text = f"""
apiVersion: v1
kind: Pod
metadata: {{name: web}}
spec:
  containers:
  - &c {{name: a, env: [{{name: DB, value: {MARK}}}]}}
  initContainers: [*c]
"""
    found = read_content(text.encode(), "in.yaml")
    assert MARK not in str(found.objects[0].body)
    assert [entry.fields for entry in found.redactions] == [
        ("spec.containers[0].env", "spec.initContainers[0].env")
    ]


def test_of_a_command_line_in_a_variable_the_flags_that_are_evidence_are_kept() -> None:
    value = f"--trusted-subnets=10.0.0.0/8 --password={MARK} --log-level=debug"
    body, _ = take(pod({"env": [{"name": "EXTRA_ARGS", "value": value}]}))
    assert body["spec"]["containers"][0]["env"] == [
        {"name": "EXTRA_ARGS", "value": "--trusted-subnets=10.0.0.0/8"}
    ]


def test_every_setting_of_a_policy_agent_that_is_read_is_kept() -> None:
    """An agent whose setting were dropped would be judged by the setting's default."""
    from auditor.network.support import AGENTS

    names = {s.name for agent in AGENTS for row in agent.layers.values() for s in row.settings}
    assert names
    for name in names:
        flag = kept_words([f"--{name}=true"], program=False, one_letter=False)
        body, _ = take(pod({"env": [{"name": name, "value": "true"}]}))
        assert flag or body["spec"]["containers"][0].get("env"), name


def test_redacting_twice_is_redacting_once() -> None:
    env = [{"name": "WEAVE_PASSWORD", "value": ""}, {"name": "FELIX_ETCDPASSWORD", "value": MARK}]
    value = pod({"env": env, "args": ["--run-firewall", "x"], "command": ["/bin/x", "y"]})
    value["metadata"]["annotations"] = {
        "a": f"https://me:{MARK}@host/ Bearer {MARK} {PEM}",
        "b": "y" * 40_000,
    }
    once, _ = take(value)
    first = orjson.dumps(once)
    twice, _ = take(orjson.loads(first))
    assert orjson.dumps(twice) == first
