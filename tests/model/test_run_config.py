"""The configuration of an unattended run: what is refused, on which line, and what the defaults are."""

import pytest

from auditor.model.run_config import RunConfig
from auditor.model.strict_yaml import parse_strict
from auditor.model.user_error import UserError

LEAST = "name: nightly\ncollect: {in_cluster: true}\nstore: {url: 'file:///var/lib/auditor'}\n"

REFUSED = {
    "a cluster and sources at once": (
        "name: n\ncollect: {in_cluster: true, sources: [a]}\nstore: {url: 'file:///s'}\n",
        "run.yaml:2: collect: expected exactly one of in_cluster: true, kubeconfig or context, sources",
    ),
    "nothing to collect": (
        "name: n\ncollect: {}\nstore: {url: 'file:///s'}\n",
        "run.yaml:2: collect: expected exactly one of",
    ),
    "a claim about a live cluster": (
        "name: n\ncollect: {in_cluster: true, assume_complete: Jo}\nstore: {url: 'file:///s'}\n",
        "run.yaml:2: collect: assume_complete",
    ),
    "a name that is no label": (
        LEAST.replace("nightly", "Nightly Run"),
        "run.yaml:1: name: string should match pattern",
    ),
    "a store on another system": (
        LEAST.replace("file:///var/lib/auditor", "gs://bucket"),
        "run.yaml:3: store.url: expected file:///folder or s3://bucket/prefix",
    ),
    "a store that climbs": (
        LEAST.replace("file:///var/lib/auditor", "s3://bucket/a/../b"),
        "run.yaml:3: store.url: expected file:///folder or s3://bucket/prefix",
    ),
    "a credential in the store's address": (
        LEAST.replace("file:///var/lib/auditor", "s3://key:secret@bucket/a"),
        "run.yaml:3: store.url: expected file:///folder or s3://bucket/prefix",
    ),
    "an endpoint of a folder": (
        "name: n\ncollect: {in_cluster: true}\nstore:\n  url: file:///s\n  endpoint_url: http://minio:9000\n",
        "run.yaml:3: store: endpoint_url: only for s3://",
    ),
    "keeping nothing": (
        LEAST.replace("'}", "', keep: 0}"),
        "run.yaml:3: store.keep: input should be greater than or equal to 1",
    ),
    "a webhook with two addresses": (
        LEAST + "notify:\n  webhook: {url: 'https://hooks.example.org/x', url_file: hook}\n",
        "run.yaml:5: notify.webhook: expected exactly one of url, url_file",
    ),
    "a webhook that is no address of the web": (
        LEAST + "notify:\n  webhook: {url: 'file:///etc/passwd'}\n",
        "run.yaml:5: notify.webhook.url: expected an address as https://host/path",
    ),
    "an unknown event": (
        LEAST + "notify:\n  on: [success]\n",
        "run.yaml:5: notify.on[0]: input should be 'new-failures' or 'incomplete'",
    ),
    "a header in a mail address": (
        LEAST + 'notify:\n  smtp: {host: mail, from: "a@b.org\\nBcc: c@d.org", to: [a@b.org]}\n',
        "run.yaml:5: notify.smtp.from: expected an address as name@example.org",
    ),
    "a password without encryption": (
        LEAST
        + "notify:\n  smtp: {host: m, from: a@b.org, to: [a@b.org], security: none, username: a, password_file: p}\n",
        "run.yaml:5: notify.smtp: a password is only sent over starttls or tls",
    ),
    "objects in a cluster that isn't read": (
        "name: n\ncollect: {sources: [a]}\nstore: {url: 'file:///s'}\npublish: {open_reports: {enabled: true}}\n",
        "run.yaml:1: publish.open_reports: expected a live cluster, not sources",
    ),
    "a file that the collector doesn't read": (
        LEAST + "publish: {metrics: {text_file: auditor.txt}}\n",
        "run.yaml:4: publish.metrics.text_file: expected a name that ends with .prom",
    ),
    "no JSON to compare with": (LEAST + "formats: [pdf]\n", "run.yaml:1: formats: json is needed"),
    "a misspelt field": (
        LEAST + "fail-on: [FAIL]\n",
        "run.yaml:4: fail-on: unknown field; did you mean fail_on?",
    ),
}


@pytest.mark.parametrize(("text", "told"), REFUSED.values(), ids=REFUSED)
def test_a_mistake_is_one_line_with_its_place(text: str, told: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_strict(text, "run.yaml", RunConfig)
    assert str(raised.value).startswith(told)
    assert len(str(raised.value).splitlines()) == 1


def test_little_is_needed() -> None:
    config = parse_strict(LEAST, "run.yaml", RunConfig).value
    assert config.collect.frameworks == ["pci-dss-4.0.1", "hipaa", "gdpr"]
    assert config.store.keep is None
    assert not config.publish.open_reports.enabled


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_of_mail_follows_from_its_security(security: str, port: int) -> None:
    """Ports of RFC 6409 (submission), RFC 8314 (implicit TLS) and RFC 5321."""
    text = LEAST + f"notify: {{smtp: {{host: m, from: a@b.org, to: [c@d.org], security: {security}}}}}\n"
    smtp = parse_strict(text, "run.yaml", RunConfig).value.notify.smtp
    assert smtp is not None
    assert smtp.connect_port == port
