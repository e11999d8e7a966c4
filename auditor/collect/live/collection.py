"""Collecting a Snapshot from a running cluster: discovery, lists of the kinds asked for, ConfigMaps by name."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from auditor.collect.bundle_format import (
    BundleRequest,
    claims_of_requests,
    gaps_of_requests,
    request_of_gap,
)
from auditor.collect.config_maps import names_to_collect
from auditor.collect.document import Document
from auditor.collect.live.connection import Connection
from auditor.collect.live.discovery import Served
from auditor.collect.live.lists import Listed, OnPage, list_all
from auditor.collect.live.places import namespaces_of, places_of, what_is_served
from auditor.collect.live.requests import Requester, RequestFailed
from auditor.collect.objects import FileContent, same_but_for_version, take_document
from auditor.model.evidence import ClusterIdentity, Completeness, Gap, Redaction, Snapshot
from auditor.model.kinds import CONFIG_MAP, KNOWN_KINDS, NAMESPACE, OTHER_GROUPS, KindKey, KnownKind
from auditor.model.objects import KubeObject, ObjectId, text_at
from auditor.model.user_error import UserError


@dataclass(frozen=True, slots=True)
class LiveCollection:
    """The snapshot, the record of what was asked, what is worth telling, and how many requests it took."""

    snapshot: Snapshot
    requests: tuple[BundleRequest, ...]
    notes: tuple[str, ...]
    sent: int


def collect_live(
    connection: Connection,
    *,
    now: datetime,
    sleep: Callable[[float], None],
    kinds: Iterable[KindKey] | None = None,
    namespaces: Sequence[str] | None = None,
    on_page: OnPage | None = None,
) -> LiveCollection:
    """Read `kinds` (by default all that are known), in all namespaces or in some.

    Whatever of it can't be read becomes a gap with its cause: forbidden, not installed, partial. Raises UserError when
    the API server can't be reached or doesn't accept the credentials.
    """
    if namespaces is not None and not namespaces:
        raise UserError("expected at least one namespace")
    requester = Requester(connection, sleep)
    wanted = [KNOWN_KINDS[key] for key in sorted(KNOWN_KINDS if kinds is None else kinds)]
    served = what_is_served(requester, wanted)
    run = _Run(
        requester,
        served,
        tuple(namespaces) if namespaces is not None else None,
        on_page,
        connection.user or "",
    )
    for known in wanted:
        if not known.by_name:
            run.collect(known)
    if CONFIG_MAP in {known.key for known in wanted}:
        run.collect_config_maps()
    return run.result(connection, now, _uid(run.objects, requester))


def _uid(objects: Mapping[ObjectId, KubeObject], requester: Requester) -> str | None:
    """The uid of kube-system, asked for by name only where Namespaces could not be listed."""
    listed = objects.get(ObjectId(*NAMESPACE, "", "kube-system"))
    if listed is not None:
        return text_at(listed.body, "metadata", "uid")
    try:
        return text_at(requester.get_json("/api/v1/namespaces/kube-system"), "metadata", "uid")
    except RequestFailed:
        return None


@dataclass(slots=True)
class _Run:
    requester: Requester
    served: Served
    namespaces: tuple[str, ...] | None
    on_page: OnPage | None
    by: str
    objects: dict[ObjectId, KubeObject] = field(default_factory=dict)
    redactions: list[Redaction] = field(default_factory=list)
    requests: list[BundleRequest] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def collect(self, known: KnownKind) -> None:
        """One kind, under each name of its group that counts."""
        places = places_of(known, self.served, self.namespaces)
        if not places:
            self._not_listed(known)
            return
        try:
            listed = [(path, self._list(known, path, version)) for path, version in places]
        except RequestFailed as error:
            self._gap(known.key, _state(error), str(error))
            return
        problems = [problem.message for _, entry in listed for problem in entry.content.problems]
        problems += self._add(entry.content for _, entry in listed)
        if problems:
            self._gap(known.key, Completeness.PARTIAL, "; ".join(problems[:3]))
            return
        for path, entry in listed:
            self._record(known, path, entry)

    def _not_listed(self, known: KnownKind) -> None:
        group = known.key.group
        cause = self.served.unanswered.get(group) or self.served.unanswered.get(
            OTHER_GROUPS.get(group, group)
        )
        if cause:
            self._gap(known.key, Completeness.PARTIAL, cause)
        elif self.served.serves(group, known.plural):
            told = f"served in other versions than {', '.join(known.versions)}, which are not understood"
            self._gap(known.key, Completeness.PARTIAL, told)
        else:
            self._gap(known.key, Completeness.NOT_INSTALLED, "the API server doesn't serve this kind")

    def _list(self, known: KnownKind, path: str, api_version: str) -> Listed:
        listed = list_all(self.requester, path, api_version, known.key.kind, self.on_page)
        self.notes += [f"{known.resource}: {note}" for note in listed.notes]
        return listed

    def _record(self, known: KnownKind, path: str, listed: Listed) -> None:
        self.requests.append(
            BundleRequest(
                group=known.key.group,
                kind=known.key.kind,
                resource=known.plural,
                namespaces=namespaces_of(path),
                command=f"GET {path}",
                by=self.by,
                resource_version=listed.resource_version,
                items=len(listed.content.objects),
                completeness=Completeness.COMPLETE,
            )
        )

    def _add(self, contents: Iterable[FileContent]) -> list[str]:
        """Take over objects and redactions; what of it contradicts what is there."""
        problems = []
        for content in contents:
            self.redactions += content.redactions
            for obj in content.objects:
                other = self.objects.setdefault(obj.id, obj)
                if not same_but_for_version(obj, other):
                    problems.append(f"two different objects are {obj.id}: {other.source} and {obj.source}")
        return problems

    def _gap(self, key: KindKey, state: Completeness, cause: str) -> None:
        self.requests.append(request_of_gap(Gap(key, state, cause)))

    def collect_config_maps(self) -> None:
        """The named ConfigMaps; that one isn't there is an answer, that one is forbidden leaves it unclaimed."""
        refused = []
        read = False
        for namespace, name in names_to_collect(self.objects.values()):
            if self.namespaces is not None and namespace not in self.namespaces:
                continue
            path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
            try:
                self._take_one(path)
            except RequestFailed as error:
                if error.status != 404:
                    refused.append((error, path))
                    continue
            self.requests.append(
                BundleRequest(
                    group=CONFIG_MAP.group,
                    kind=CONFIG_MAP.kind,
                    resource="configmaps",
                    namespaces=[namespace],
                    selector=f"metadata.name={name}",
                    command=f"GET {path}",
                    by=self.by,
                    completeness=Completeness.COMPLETE,
                )
            )
            read = True
        self.notes += [f"{path}: {error}" for error, path in refused]
        if refused and not read:
            self._gap(CONFIG_MAP, _state(refused[0][0]), str(refused[0][0]))

    def _take_one(self, path: str) -> None:
        content = FileContent()
        take_document(Document(1, 0, self.requester.get_json(path)), path, content)
        self._add([content])

    def result(self, connection: Connection, now: datetime, uid: str | None) -> LiveCollection:
        """The snapshot and its records, sorted."""
        identity = ClusterIdentity(connection.cluster_name, uid)
        claims, gaps = claims_of_requests(self.requests), gaps_of_requests(self.requests)
        snapshot = Snapshot(
            objects=tuple(self.objects[key] for key in sorted(self.objects)),
            claims=tuple(sorted(claims, key=lambda c: (c.key, c.selector, sorted(c.namespaces or ()), c.by))),
            gaps={gap.key: gap for gap in sorted(gaps, key=lambda gap: gap.key)},
            cluster=identity,
            collected_at=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            collected_by=connection.user,
            redactions=tuple(sorted(set(self.redactions), key=lambda r: (r.object, r.reason, r.fields))),
        )
        return LiveCollection(snapshot, tuple(self.requests), tuple(self.notes), self.requester.sent)


def _state(error: RequestFailed) -> Completeness:
    """403 is forbidden, 404 not installed (the kind went away after discovery), anything else partial."""
    states = {403: Completeness.FORBIDDEN, 404: Completeness.NOT_INSTALLED}
    return states.get(error.status, Completeness.PARTIAL)
