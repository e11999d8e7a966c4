"""Documents to objects: Lists, identities, what is no object, what can't be taken."""

import json
from typing import Any

import orjson
import pytest

from auditor.collect.objects import FileContent, canonical_bytes
from auditor.collect.sources import read_content
from auditor.model.kinds import KindKey
from auditor.model.objects import ObjectId


def content(value: Any) -> FileContent:
    return read_content(json.dumps(value).encode(), "in.json")


def pod(name: str = "web", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}}


IDENTITIES = [
    ("a namespaced kind without a namespace is in default", pod(), ObjectId("", "Pod", "default", "web")),
    ("a namespace is kept", pod(namespace="shop"), ObjectId("", "Pod", "shop", "web")),
    (
        "a cluster-scoped kind has none, whatever is written",
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "namespace": "x"}},
        ObjectId("", "Node", "", "n"),
    ),
    (
        "the version is no part of it",
        {"apiVersion": "networking.istio.io/v1beta1", "kind": "Gateway", "metadata": {"name": "g"}},
        ObjectId("networking.istio.io", "Gateway", "default", "g"),
    ),
    (
        "groups that moved are one",
        {"apiVersion": "extensions/v1beta1", "kind": "Ingress", "metadata": {"name": "i"}},
        ObjectId("networking.k8s.io", "Ingress", "default", "i"),
    ),
    (
        "Calico's stored form is Calico's API",
        {"apiVersion": "crd.projectcalico.org/v1", "kind": "GlobalNetworkPolicy", "metadata": {"name": "g"}},
        ObjectId("projectcalico.org", "GlobalNetworkPolicy", "", "g"),
    ),
    (
        "an unknown kind is an object",
        {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"}},
        ObjectId("example.org", "Widget", "", "w"),
    ),
    (
        "a hostile namespace is a name like others",
        pod(namespace="<script>alert(1)<"),
        ObjectId("", "Pod", "<script>alert(1)<", "web"),
    ),
]


@pytest.mark.parametrize(
    ("value", "expected"), [row[1:] for row in IDENTITIES], ids=[row[0] for row in IDENTITIES]
)
def test_identity(value: dict[str, Any], expected: ObjectId) -> None:
    found = content(value)
    assert [obj.id for obj in found.objects] == [expected]
    assert found.problems == []


def sources(value: Any) -> list[tuple[str, str]]:
    return [(obj.name, obj.source) for obj in content(value).objects]


LISTS = [
    ("one object", pod("a"), [("a", "in.json#1")]),
    (
        "a List",
        {"apiVersion": "v1", "kind": "List", "items": [pod("a"), pod("b")]},
        [("a", "in.json#1[0]"), ("b", "in.json#1[1]")],
    ),
    (
        "a typed list whose items don't name their kind, as the API server gives it",
        {"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "a"}}]},
        [("a", "in.json#1[0]")],
    ),
    (
        "a List of Lists",
        {
            "apiVersion": "v1",
            "kind": "List",
            "items": [{"kind": "List", "apiVersion": "v1", "items": [pod("a")]}],
        },
        [("a", "in.json#1[0][0]")],
    ),
    ("an empty List", {"apiVersion": "v1", "kind": "List", "items": []}, []),
    ("a List whose items are null", {"apiVersion": "v1", "kind": "PodList", "items": None}, []),
    ("a bare list of objects", [pod("a"), pod("b")], [("a", "in.json#1[0]"), ("b", "in.json#1[1]")]),
]


@pytest.mark.parametrize(("value", "expected"), [row[1:] for row in LISTS], ids=[row[0] for row in LISTS])
def test_lists_are_flattened(value: Any, expected: list[tuple[str, str]]) -> None:
    assert sources(value) == expected
    assert content(value).problems == []


NOT_OBJECTS = [
    ("Helm values", {"replicas": 2}),
    ("a compose file", {"services": {"web": {"image": "x"}}}),
    ("a kustomization", {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}),
    ("a kubeconfig", {"apiVersion": "v1", "kind": "Config", "users": [{"user": {"token": "t"}}]}),
    ("a list of words", ["a", "b"]),
    ("text", "hello"),
    ("a kind that is no text", {"apiVersion": "v1", "kind": 7, "metadata": {"name": "x"}}),
]


@pytest.mark.parametrize("value", [row[1] for row in NOT_OBJECTS], ids=[row[0] for row in NOT_OBJECTS])
def test_what_is_no_object_is_left_out_without_a_gap(value: Any) -> None:
    found = content(value)
    assert found.objects == []
    assert found.problems == []
    assert len(found.ignored) == 1


POD = KindKey("", "Pod")
PROBLEMS = [
    (
        "no metadata",
        {"apiVersion": "v1", "kind": "Pod"},
        POD,
        "Pod: metadata: expected a mapping with a name",
    ),
    ("no name", pod(name=""), POD, "Pod: metadata.name: expected a name (got nothing)"),
    ("a name that is a number", {**pod(), "metadata": {"name": 7}}, POD, "expected a name (got 7)"),
    (
        "a generated name",
        {**pod(), "metadata": {"generateName": "x-"}},
        POD,
        "metadata.name: expected a name, generateName is not one yet",
    ),
    ("a name with a line break", pod("a\nb"), POD, "metadata.name: expected a name without"),
    ("a name with a slash", pod("a/b"), POD, "metadata.name: expected a name without"),
    ("a name of a thousand characters", pod("a" * 1000), POD, "at most 253 long"),
    ("a namespace that is a list", pod(namespace=["x"]), POD, "metadata.namespace: expected a name"),
    (
        "a List whose items are no list",
        {"apiVersion": "v1", "kind": "PodList", "items": {}},
        POD,
        "items: expected a list",
    ),
    (
        "an item that is no object",
        {"apiVersion": "v1", "kind": "List", "items": [3]},
        None,
        "items[0]: expected a Kubernetes object with apiVersion and kind",
    ),
    (
        "one page of a longer list",
        {"apiVersion": "v1", "kind": "PodList", "metadata": {"continue": "abc"}, "items": [pod()]},
        POD,
        "the rest of the list is missing",
    ),
    (
        "a label that is a number",
        pod(labels={"a": "b", "version": 1}),
        POD,
        "Pod: metadata.labels.version: expected text (got 1)",
    ),
    ("annotations that are a list", pod(annotations=["a"]), POD, "metadata.annotations: expected a mapping"),
    (
        "a value that is too deep",
        {**pod(), "spec": orjson.loads("[" * 400 + "]" * 400)},
        POD,
        "nested deeper",
    ),
]


@pytest.mark.parametrize(
    ("value", "key", "message"), [row[1:] for row in PROBLEMS], ids=[row[0] for row in PROBLEMS]
)
def test_problem_names_the_place_and_what_it_makes_incomplete(
    value: Any, key: KindKey | None, message: str
) -> None:
    (problem,) = content(value).problems
    assert message in problem.message
    assert problem.key == key


def test_an_object_with_an_odd_label_is_kept_without_it() -> None:
    (obj,) = content(pod(labels={"a": "b", "version": 1})).objects
    assert obj.labels == {"a": "b"}


def test_the_rest_of_a_file_with_a_broken_object_is_used() -> None:
    found = content({"apiVersion": "v1", "kind": "List", "items": [pod("a"), pod(""), pod("c")]})
    assert [obj.name for obj in found.objects] == ["a", "c"]


def test_a_document_without_kind_among_objects_is_a_problem() -> None:
    found = read_content(b"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\nspec: {}\n", "in.yaml")
    assert [problem.message for problem in found.problems] == ["document 2 has no apiVersion and kind"]
    assert found.problems[0].key is None


def test_a_file_that_breaks_off_gives_nothing() -> None:
    found = read_content(b"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\nspec: [\n", "in.yaml")
    assert found.objects == []
    assert [problem.line for problem in found.problems] == [6]


def test_a_template_is_told_to_be_rendered() -> None:
    found = read_content(b"apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Values.name }}\n", "in.yaml")
    assert "render it first" in found.problems[0].message


def test_the_evidence_id_is_the_hash_of_sorted_json() -> None:
    """sha256 of the bytes written out here, worked out with sha256sum."""
    (obj,) = content({"metadata": {"name": "web"}, "kind": "Pod", "apiVersion": "v1"}).objects
    assert canonical_bytes(obj.body) == b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"}}'
    assert obj.evidence_id == "d91e9747d82a40b15d6aaf0fd4c8d42a5fc4a09b2476fd59d803b7f577dedc94"
