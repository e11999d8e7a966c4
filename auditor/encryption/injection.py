"""Would an admission webhook add a proxy to a template's pods? Read from the real MutatingWebhookConfigurations."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from auditor.encryption.verdicts import Reasons
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.selectors import Selector, SelectorError, parse_selector
from auditor.model.evidence import Completeness
from auditor.model.kinds import kind_key
from auditor.model.objects import JsonObject, KubeObject, list_at, mappings_at, text_at
from auditor.model.verdict import Cause, RuleRef, Tri

WEBHOOKS = kind_key("admissionregistration.k8s.io", "MutatingWebhookConfiguration")
KNOWN = (Completeness.COMPLETE, Completeness.NOT_INSTALLED)


@dataclass(frozen=True, slots=True)
class Webhook:
    """One injecting webhook: which namespaces and pods it is called for. Selectors None are unreadable."""

    rule: RuleRef
    namespaces: Selector | None
    pods: Selector | None


class Injector:
    """The webhooks of one mesh's injector."""

    def __init__(self, cluster: Cluster, is_injector: Callable[[JsonObject], bool]) -> None:
        self._cluster = cluster
        found = [
            (obj, index, hook)
            for obj in cluster.all(WEBHOOKS)
            for index, hook in enumerate(mappings_at(obj.body, "webhooks"))
            if is_injector(hook)
        ]
        self.webhooks: Sequence[Webhook] = tuple(_webhook(*entry) for entry in found)
        self._complete = cluster.completeness(WEBHOOKS).state in KNOWN

    def calls(self, endpoint: Endpoint) -> tuple[Tri, Reasons]:
        """Whether a webhook is called when a pod of the endpoint is created, and which."""
        if not self.webhooks:
            return self._without_webhooks()
        if not self._cluster.knows_namespace(endpoint.namespace):
            cause = Cause("indeterminate.injection.namespace-unknown", (("namespace", endpoint.namespace),))
            return Tri.UNKNOWN, Reasons((cause,))
        answers = [(self._matches(hook, endpoint), hook) for hook in self.webhooks]
        for answer, hook in answers:
            if answer is Tri.YES:
                cause = Cause("injection.webhook-called", (("webhook", hook.rule.object),))
                return Tri.YES, Reasons((cause,), (hook.rule,), (hook.rule.evidence_id,))
        if any(answer is Tri.UNKNOWN for answer, _ in answers) or not self._complete:
            return Tri.UNKNOWN, Reasons((Cause("indeterminate.injection.webhooks-incomplete"),))
        rules = tuple(hook.rule for hook in self.webhooks)
        evidence = tuple(dict.fromkeys(rule.evidence_id for rule in rules))
        return Tri.NO, Reasons((Cause("injection.no-webhook-called"),), rules, evidence)

    def _without_webhooks(self) -> tuple[Tri, Reasons]:
        if self._complete:
            return Tri.NO, Reasons((Cause("injection.no-webhook"),))
        return Tri.UNKNOWN, Reasons((Cause("indeterminate.injection.webhooks-incomplete"),))

    def _matches(self, hook: Webhook, endpoint: Endpoint) -> Tri:
        if hook.namespaces is None or hook.pods is None:
            return Tri.UNKNOWN
        labels = self._cluster.namespace_labels(endpoint.namespace)
        both = hook.namespaces.matches(labels) and hook.pods.matches(endpoint.labels)
        return Tri.YES if both else Tri.NO


def _webhook(obj: KubeObject, index: int, hook: JsonObject) -> Webhook:
    rule = RuleRef(str(obj.id), f"webhooks[{index}]", obj.evidence_id)
    if not any(_is_about_pods(entry) for entry in mappings_at(hook, "rules")):
        return Webhook(rule, None, None)
    return Webhook(rule, _selector(hook.get("namespaceSelector")), _selector(hook.get("objectSelector")))


def _selector(raw: object) -> Selector | None:
    try:
        return parse_selector(raw)
    except SelectorError:
        return None


def _is_about_pods(rule: JsonObject) -> bool:
    def has(name: str, *wanted: str) -> bool:
        return any(value in wanted for value in list_at(rule, name))

    return (
        has("operations", "CREATE", "*")
        and has("resources", "pods", "*", "*/*")
        and has("apiGroups", "", "*")
    )


def service_paths(hook: JsonObject) -> Iterator[str]:
    """The path or URL that a webhook calls."""
    for path in (text_at(hook, "clientConfig", "service", "path"), text_at(hook, "clientConfig", "url")):
        if path:
            yield path
