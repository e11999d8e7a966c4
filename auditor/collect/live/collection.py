"""Collecting a Snapshot from a running cluster: discovery, lists of the kinds asked for, ConfigMaps by name."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from auditor.collect.bundle_format import (
    BundleRequest,
    claims_of_requests,
    gaps_of_requests,
    request_of_gap,
)
from auditor.collect.config_maps import plain_names
from auditor.collect.document import Document
from auditor.collect.live.connection import Connection
from auditor.collect.live.discovery import Served
from auditor.collect.live.keeping import ListKeeper
from auditor.collect.live.lists import Listed, OnPage, list_all
from auditor.collect.live.places import namespaces_of, places_of, what_is_served
from auditor.collect.live.requests import Requester, RequestFailed
from auditor.collect.live.store import MemoryStore, Store
from auditor.collect.objects import FileContent, take_document
from auditor.model.evidence import ClusterIdentity, Completeness, Gap, Redaction, Snapshot
from auditor.model.kinds import CONFIG_MAP, KNOWN_KINDS, NAMESPACE, OTHER_GROUPS, KindKey, KnownKind
from auditor.model.objects import ObjectId, text_at
from auditor.model.user_error import UserError


@dataclass(frozen=True, slots=True)
class CollectionRecord:
    """What was asked and what came of it, without the objects: `outline` is a snapshot of everything but them.

    `items` objects were given to the store, `sent` requests made; `notes` are worth telling.
    """

    outline: Snapshot
    requests: tuple[BundleRequest, ...]
    notes: tuple[str, ...]
    sent: int
    items: int


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
    """Read `kinds` (by default all that are known), in all namespaces or in some, into memory.

    Whatever of it can't be read becomes a gap with its cause: forbidden, not installed, partial. Raises UserError when
    the API server can't be reached or doesn't accept the credentials.
    """
    store = MemoryStore()
    record = collect_into(
        store, connection, now=now, sleep=sleep, kinds=kinds, namespaces=namespaces, on_page=on_page
    )
    objects = tuple(sorted(store.objects, key=lambda obj: obj.id))
    return LiveCollection(
        replace(record.outline, objects=objects), record.requests, record.notes, record.sent
    )


def collect_into(
    store: Store,
    connection: Connection,
    *,
    now: datetime,
    sleep: Callable[[float], None],
    kinds: Iterable[KindKey] | None = None,
    namespaces: Sequence[str] | None = None,
    on_page: OnPage | None = None,
) -> CollectionRecord:
    """The same into a store, which needs no more memory than a page and what is remembered of each object."""
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
        store,
    )
    for known in wanted:
        if not known.by_name:
            run.collect(known)
    if CONFIG_MAP in {known.key for known in wanted}:
        run.collect_config_maps()
    return run.result(connection, now)


_UNVERIFIED = "the API server's certificate was not verified"


@dataclass(slots=True)
class _Run:
    requester: Requester
    served: Served
    namespaces: tuple[str, ...] | None
    on_page: OnPage | None
    by: str
    store: Store
    items: int = 0
    uid: str | None = None
    redactions: list[Redaction] = field(default_factory=list)
    config_maps: set[tuple[str, str]] = field(default_factory=set)
    requests: list[BundleRequest] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def collect(self, known: KnownKind) -> None:
        """One kind, under each name of its group that counts."""
        places = places_of(known, self.served, self.namespaces)
        if not places:
            self._not_listed(known)
            return
        copies: dict[ObjectId, str] | None = {} if len({version for _, version in places}) > 1 else None
        mark = self.store.mark()
        listed = []
        try:
            for path, version in places:
                keeper = ListKeeper(self.store, copies)
                listed.append((path, self._list(known, path, version, keeper), keeper))
        except RequestFailed as error:
            self.store.roll_back(mark)
            self._gap(known.key, _state(error), str(error))
            return
        problems = [problem for _, _, keeper in listed for problem in keeper.problems]
        for path, entry, keeper in listed:
            self._keep(keeper)
            if not problems:
                self._record(known, path, entry)
            if known.key == NAMESPACE and not problems:
                missing = sorted(set(self.namespaces or ()) - keeper.namespaces)
                self.notes += [f"namespace {name}: the cluster has none of this name" for name in missing]
        if problems:
            self._gap(known.key, Completeness.PARTIAL, "; ".join(problems[:3]))

    def _keep(self, keeper: ListKeeper) -> None:
        self.items += keeper.items
        self.redactions += keeper.redactions
        self.config_maps |= keeper.config_maps
        self.uid = self.uid or keeper.uid

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

    def _list(self, known: KnownKind, path: str, api_version: str, keeper: ListKeeper) -> Listed:
        listed = list_all(self.requester, path, api_version, known.key.kind, keeper, self.on_page)
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
                items=listed.items,
                completeness=Completeness.COMPLETE,
            )
        )

    def _gap(self, key: KindKey, state: Completeness, cause: str) -> None:
        self.requests.append(request_of_gap(Gap(key, state, cause)))

    def collect_config_maps(self) -> None:
        """The named ConfigMaps; that one isn't there is an answer, that one is forbidden leaves it unclaimed."""
        refused = []
        read = False
        for namespace, name in plain_names(self.config_maps):
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
        keeper = ListKeeper(self.store)
        content = FileContent()
        take_document(Document(1, 0, self.requester.get_json(path)), path, content)
        keeper.take(content)
        self._keep(keeper)

    def result(self, connection: Connection, now: datetime) -> CollectionRecord:
        """The records, sorted."""
        identity = ClusterIdentity(connection.cluster_name, self.uid or self._asked_uid())
        by = connection.user
        if not connection.verified:
            self.notes.append(f"{_UNVERIFIED}: whoever is in between could have changed what was collected")
            by = f"{by or 'unknown'}; {_UNVERIFIED}"
        claims, gaps = claims_of_requests(self.requests), gaps_of_requests(self.requests)
        outline = Snapshot(
            objects=(),
            claims=tuple(sorted(claims, key=lambda c: (c.key, c.selector, sorted(c.namespaces or ()), c.by))),
            gaps={gap.key: gap for gap in sorted(gaps, key=lambda gap: gap.key)},
            cluster=identity,
            collected_at=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            collected_by=by,
            redactions=tuple(sorted(set(self.redactions), key=lambda r: (r.object, r.reason, r.fields))),
        )
        sent = self.requester.sent
        return CollectionRecord(outline, tuple(self.requests), tuple(self.notes), sent, self.items)

    def _asked_uid(self) -> str | None:
        """The uid of kube-system, asked for by name where Namespaces could not be listed."""
        try:
            return text_at(self.requester.get_json("/api/v1/namespaces/kube-system"), "metadata", "uid")
        except RequestFailed:
            return None


def _state(error: RequestFailed) -> Completeness:
    """403 is forbidden, 404 not installed (the kind went away after discovery), anything else partial."""
    states = {403: Completeness.FORBIDDEN, 404: Completeness.NOT_INSTALLED}
    return states.get(error.status, Completeness.PARTIAL)
