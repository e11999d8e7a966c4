"""What a report prints of an object: the policy, never what may be a credential in it."""

from typing import Any

import pytest

from auditor.evaluate.excerpts import excerpt
from tests.objects import kube

SECRET = "hunter2"  # noqa: S105 -- stands for a credential that must not be printed


def policy(spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "p", "namespace": "shop", "uid": "u", "annotations": {"note": SECRET}}
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": metadata,
        "spec": spec,
    }


@pytest.mark.parametrize(
    "spec",
    [
        {"rules": [{"when": [{"key": "request.headers[x-api-key]", "values": [SECRET]}]}]},
        {"rules": [{"when": [{"key": "request.headers[x-api-key]", "notValues": [SECRET]}]}]},
        {
            "ingress": [
                {"toPorts": [{"rules": {"http": [{"method": "GET", "headers": [f"X-Token: {SECRET}"]}]}}]}
            ]
        },
        {"rules": [{"http": [{"headerMatches": [{"name": "X-Token", "value": SECRET}]}]}]},
    ],
)
def test_what_a_header_is_compared_with_is_left_out(spec: dict[str, Any]) -> None:
    assert SECRET not in str(excerpt(kube(policy(spec))))


def test_the_rest_of_a_policy_is_printed_without_bookkeeping() -> None:
    spec = {"rules": [{"from": [{"source": {"principals": ["a"]}}]}]}
    printed = excerpt(kube(policy(spec)))
    assert printed is not None
    assert printed["spec"] == spec
    assert printed["metadata"] == {"name": "p", "namespace": "shop"}


@pytest.mark.parametrize("kind", ["Pod", "ConfigMap", "Secret"])
def test_kinds_that_carry_more_than_policy_are_not_printed(kind: str) -> None:
    assert (
        excerpt(kube({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}, "data": {"a": SECRET}}))
        is None
    )


def test_a_huge_object_is_not_printed() -> None:
    assert excerpt(kube(policy({"rules": [{"to": [str(i)]} for i in range(1000)]}))) is None
