"""The values of egress: what is sent on each hop, and the way out as a row."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from auditor.encryption import record as records
from auditor.encryption.verdicts import Reasons, Wire
from auditor.inventory.endpoints import Endpoint
from auditor.model.verdict import EncryptionRecord, Protection, Tri, all_of, any_of


class Sent(StrEnum):
    """What is on the wire of one hop, worst first.

    APPLICATION: what the application sends, as it is, and nothing tells whether that is encrypted. APPLICATION_TLS: the
    same, where a rule declares or demands that it is TLS; whether the server is verified is the application's affair.
    NOTHING: the connection is refused on the way.
    """

    PLAINTEXT = "plaintext"
    INDETERMINATE = "indeterminate"
    APPLICATION = "application"
    APPLICATION_TLS = "application-tls"
    TLS_UNVERIFIED = "tls-unverified"
    TLS = "tls"
    MUTUAL_TLS = "mutual-tls"
    MESH_MTLS = "mesh-mtls"
    NOTHING = "nothing"


class Location(StrEnum):
    """Where a destination is: outside the mesh, beside it (registered as internal), in another cluster, or anywhere."""

    EXTERNAL = "external"
    INTERNAL = "internal"
    REMOTE_CLUSTER = "remote-cluster"
    ANY = "any"


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Addresses = tuple[Network, ...]
RANK = list(Sent)
_UNVERIFIED = EncryptionRecord(Tri.NO, Tri.YES, Tri.YES, Tri.NO, Tri.NO)
_RECORDS = {
    Sent.PLAINTEXT: records.PLAINTEXT,
    Sent.TLS_UNVERIFIED: _UNVERIFIED,
    Sent.TLS: records.SERVER_ONLY,
    Sent.MUTUAL_TLS: records.MUTUAL,
    Sent.MESH_MTLS: records.MUTUAL,
    Sent.NOTHING: records.DENIED,
}
_OF_WIRE = {
    Wire.INDETERMINATE: Sent.INDETERMINATE,
    Wire.TLS_UNVERIFIED: Sent.TLS_UNVERIFIED,
    Wire.TLS: Sent.TLS,
    Wire.MUTUAL_TLS: Sent.MUTUAL_TLS,
    Wire.MESH_MTLS: Sent.MESH_MTLS,
}
HTTP = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTP_PROXY")
OWN_TLS = ("HTTPS", "TLS")


def sent_by(wire: Wire, protocol: str) -> Sent:
    """What a client's proxy puts on the wire for a port that is declared with a protocol."""
    return _OF_WIRE.get(wire) or as_it_is(protocol)


def as_it_is(protocol: str) -> Sent:
    """What an application sends to a port that is declared with a protocol, with nothing added on the way."""
    if protocol in HTTP:
        return Sent.PLAINTEXT
    return Sent.APPLICATION_TLS if protocol in OWN_TLS else Sent.APPLICATION


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop of a way out. `nodes` tells whether the cluster's nodes encrypt it: NO for what leaves the cluster. `port` is
    the one that it connects to in the end, None where that isn't known."""

    origin: str
    target: str
    sent: Sent
    reasons: Reasons
    nodes: Tri = Tri.NO
    port: int | None = None
    addresses: Addresses | None = None
    elsewhere: bool = False

    @property
    def record(self) -> EncryptionRecord:
        """The record of what is sent on the hop, together with what the nodes encrypt below."""
        return records.combine(_RECORDS.get(self.sent, records.INDETERMINATE), self.nodes, Tri.NO)


Way = tuple[Hop, ...]


def worst_of(way: Iterable[Hop]) -> Sent:
    """The worst that is sent on a way; NOTHING as soon as one hop is refused, since then nothing arrives."""
    found = [hop.sent for hop in way]
    refused = not found or (
        Sent.NOTHING in found and Sent.PLAINTEXT not in found[: found.index(Sent.NOTHING)]
    )
    return Sent.NOTHING if refused else min(found, key=RANK.index)


def worst_way(ways: Sequence[Way]) -> Way:
    """The worst of several ways, of which it is told whether others lead elsewhere."""
    worst = min(ways, key=lambda way: RANK.index(worst_of(way)))
    others = (way for way in ways if worst_of(way) is not Sent.NOTHING)
    if worst and any(way[-1].elsewhere or way[-1].addresses != worst[-1].addresses for way in others):
        return (*worst[:-1], replace(worst[-1], elsewhere=True))
    return worst


def as_networks(texts: Iterable[object]) -> Addresses | None:
    """Addresses and blocks as networks; None where there is none, or one is something else, such as a name."""
    try:
        found = {ipaddress.ip_network(text, strict=False) for text in map(str, texts)}
    except ValueError:
        return None
    return tuple(sorted(found, key=lambda n: (n.version, int(n.network_address), n.prefixlen))) or None


def record_of(way: Way) -> EncryptionRecord:
    """Field by field: encrypted and authenticated on all hops, plaintext on any."""
    if worst_of(way) is Sent.NOTHING:
        return records.DENIED
    found = [hop.record for hop in way if hop.sent is not Sent.NOTHING]
    return EncryptionRecord(
        plaintext_accepted=any_of(r.plaintext_accepted for r in found),
        cross_node_encrypted=all_of(r.cross_node_encrypted for r in found),
        same_node_encrypted=all_of(r.same_node_encrypted for r in found),
        server_authenticated=all_of(r.server_authenticated for r in found),
        client_authenticated=all_of(r.client_authenticated for r in found),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Egress:
    """A way out, for the clients that fare alike on it.

    `object` registers the destination (`""` where nothing does), `host` is `*` for whatever isn't registered, `port`
    None for any. `protocol` is the one declared. `hops` are in order, the last one leaves the cluster; empty where no
    client may use the destination. `sources` are the clients, sorted by id.
    """

    object: str
    namespace: str
    host: str
    port: int | None
    protocol: str
    location: Location
    sources: tuple[Endpoint, ...]
    hops: Way
    evidence: tuple[str, ...]

    @property
    def sent(self) -> Sent:
        """The worst that is on the wire on the way."""
        return worst_of(self.hops)

    @property
    def record(self) -> EncryptionRecord:
        """The record of all hops together."""
        return record_of(self.hops)

    @property
    def label(self) -> Protection:
        """The label of the record."""
        return records.label(self.record)

    @property
    def reasons(self) -> Reasons:
        """Why, hop by hop."""
        return sum((hop.reasons for hop in self.hops), Reasons())

    @property
    def addresses(self) -> Addresses | None:
        """Every address that it may end at, None where that isn't known."""
        return self.hops[-1].addresses if self.hops else None

    @property
    def elsewhere(self) -> bool:
        """Whether other routes for the same clients end at other addresses."""
        return bool(self.hops) and self.hops[-1].elsewhere

    @property
    def subject(self) -> str:
        """Its id as a subject: the object with host and port, or what has no object."""
        port = f":{self.port}/TCP" if self.port else ""
        return f"{self.object}:{self.host}{port}" if self.object else f"unregistered:{self.host}{port}"
