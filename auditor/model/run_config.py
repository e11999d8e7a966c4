"""The file of `auditor run`: what an unattended run collects, where it stores and publishes, whom it tells."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator

from auditor.model.outcome import Outcome
from auditor.model.scope import FRAMEWORK_IDS, FrameworkId, Line, Strict

Format = Literal["csv", "html", "json", "open-reports", "pdf"]
Event = Literal["new-failures", "incomplete"]
RunName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?$")]
"""A run's name: part of a folder's name and of labels in Kubernetes."""

Namespace = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
"""A file's path, relative to the folder of the configuration."""

_ADDRESS = re.compile(r"[^@\s<>,;\"\x00-\x1f]{1,64}@[^@\s<>,;\"\x00-\x1f]{1,255}")


def is_web_address(text: str) -> bool:
    """Whether it is http or https with a host, in printable ASCII without spaces."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and text.isascii() and text.isprintable() and " " not in text


def _web_address(value: str | None) -> str | None:
    if value is not None and not is_web_address(value):
        raise ValueError("expected an address as https://host/path")
    return value


class CollectConfig(Strict):
    """What is audited: the cluster of a kubeconfig, the one that this runs in, or sources, for trying it out."""

    in_cluster: bool = False
    kubeconfig: FilePath | None = None
    context: Line | None = None
    sources: list[FilePath] = []
    assume_complete: Line | None = None
    namespaces: list[Namespace] = []
    frameworks: Annotated[list[FrameworkId], Field(min_length=1)] = list(FRAMEWORK_IDS)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        by_config = self.kubeconfig is not None or self.context is not None
        if sum((self.in_cluster, by_config, bool(self.sources))) != 1:
            raise ValueError("expected exactly one of in_cluster: true, kubeconfig or context, sources")
        if self.sources and self.namespaces:
            raise ValueError("namespaces are chosen for a live cluster, not of sources")
        if self.assume_complete is not None and not self.sources:
            raise ValueError("assume_complete: of a live cluster it is known what was collected completely")
        return self


class StoreConfig(Strict):
    """Where the evidence goes: a folder or a bucket. Credentials of a bucket come from the environment, never from here."""

    url: Line
    endpoint_url: Line | None = None
    region: Line | None = None
    ca_file: FilePath | None = None
    keep: Annotated[int, Field(ge=1)] | None = None
    """How many runs of this name are kept; all when left out."""

    @field_validator("url")
    @classmethod
    def _known_place(cls, value: str) -> str:
        parts = urlsplit(value)
        folder = parts.scheme == "file" and not parts.netloc and len(parts.path) > 1
        bucket = parts.scheme == "s3" and re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", parts.netloc)
        if not (folder or bucket) or parts.query or parts.fragment or "/../" in f"{parts.path}/":
            raise ValueError("expected file:///folder or s3://bucket/prefix")
        return value

    @field_validator("endpoint_url")
    @classmethod
    def _endpoint(cls, value: str | None) -> str | None:
        return _web_address(value)

    @model_validator(mode="after")
    def _only_of_a_bucket(self) -> Self:
        given = [name for name in ("endpoint_url", "region", "ca_file") if getattr(self, name) is not None]
        if given and not self.url.startswith("s3:"):
            raise ValueError(f"{', '.join(given)}: only for s3://")
        return self


class HiddenAddress(Strict):
    """An address of the web, given here or, when it is a secret, in a file."""

    url: Line | None = None
    url_file: FilePath | None = None
    ca_file: FilePath | None = None

    @field_validator("url")
    @classmethod
    def _usable(cls, value: str | None) -> str | None:
        return _web_address(value)

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.url is None) == (self.url_file is None):
            raise ValueError("expected exactly one of url, url_file")
        return self


class WebhookConfig(HiddenAddress):
    """A receiver of the JSON that `auditor schema notification` describes. `headers_file`: lines as `Name: value`."""

    headers_file: FilePath | None = None


class SlackConfig(HiddenAddress):
    """An incoming webhook of Slack, or of anything that takes its JSON."""


class SmtpConfig(Strict):
    """A mail server. `security`: STARTTLS or TLS with the server's certificate verified, or none."""

    host: Line
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: Annotated[Line, Field(alias="from")]
    to: Annotated[list[Line], Field(min_length=1, max_length=50)]
    username: Line | None = None
    password_file: FilePath | None = None
    ca_file: FilePath | None = None

    @field_validator("sender", "to")
    @classmethod
    def _addresses(cls, value: str | list[str]) -> str | list[str]:
        for address in [value] if isinstance(value, str) else value:
            if not _ADDRESS.fullmatch(address):
                raise ValueError(f"expected an address as name@example.org (got {address[:60]!r})")
        return value

    @model_validator(mode="after")
    def _credentials_are_whole(self) -> Self:
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file go together")
        if self.username is not None and self.security == "none":
            raise ValueError("a password is only sent over starttls or tls")
        return self

    @property
    def connect_port(self) -> int:
        """The port, by default that of the protocol: 587, 465 or 25."""
        return self.port or {"starttls": 587, "tls": 465, "none": 25}[self.security]


class NotifyConfig(Strict):
    """Who is told, and when."""

    on: list[Event] = ["new-failures", "incomplete"]
    webhook: WebhookConfig | None = None
    slack: SlackConfig | None = None
    smtp: SmtpConfig | None = None


class OpenReportsConfig(Strict):
    """OpenReports objects in the cluster that was audited; `outcomes` are those whose results are listed."""

    enabled: bool = False
    outcomes: list[Outcome] = list(Outcome)


class PushgatewayConfig(HiddenAddress):
    """A Prometheus Pushgateway."""

    job: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,63}$")] = "auditor"


class MetricsConfig(Strict):
    """Prometheus metrics: a file for node-exporter's textfile collector, a Pushgateway, or both."""

    text_file: FilePath | None = None
    pushgateway: PushgatewayConfig | None = None

    @field_validator("text_file")
    @classmethod
    def _read_by_the_collector(cls, value: str | None) -> str | None:
        if value is not None and not value.endswith(".prom"):
            raise ValueError("expected a name that ends with .prom: node-exporter reads no other")
        return value


class PublishConfig(Strict):
    """Where results are shown beside the stored report."""

    open_reports: OpenReportsConfig = OpenReportsConfig()
    metrics: MetricsConfig = MetricsConfig()


class RunConfig(Strict):
    """`run.yaml`. Paths are relative to its folder."""

    format_version: Literal[1] = 1
    name: RunName
    collect: CollectConfig
    preflight: bool = True
    """Whether to ask first what the credentials allow, where a live cluster is read."""
    scope: FilePath | None = None
    controls: list[FilePath] = []
    store: StoreConfig
    formats: Annotated[list[Format], Field(min_length=1)] = ["html", "json", "pdf"]
    publish: PublishConfig = PublishConfig()
    notify: NotifyConfig = NotifyConfig()
    fail_on: list[Outcome] = []
    period: Line | None = None
    title: Line | None = None
    organisation: Line | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.publish.open_reports.enabled and self.collect.sources:
            raise ValueError("publish.open_reports: expected a live cluster, not sources")
        if "json" not in self.formats:
            raise ValueError("formats: json is needed: the next run is compared with it")
        return self
