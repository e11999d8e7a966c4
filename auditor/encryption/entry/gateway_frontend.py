"""TLS and client certificates at a listener of the Gateway API (apis/v1/gateway_types.go)."""

from auditor.encryption.entry.entry_point import ClientAuthentication, EntryTls, TlsMode
from auditor.encryption.entry.gateway_conditions import of_listener
from auditor.encryption.entry.gateway_grants import Grants
from auditor.encryption.entry.gateway_routes import Listener
from auditor.encryption.entry_reasons import cause
from auditor.model.objects import JsonObject, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, Tri

_MODES = {
    None: ClientAuthentication.REQUIRED,
    "AllowValidOnly": ClientAuthentication.REQUIRED,
    "AllowInsecureFallback": ClientAuthentication.OPTIONAL,
}
_ISTIO_MODE = "gateway.istio.io/tls-terminate-mode"
_ISTIO_MODES = {
    "SIMPLE": ClientAuthentication.NONE,
    "MUTUAL": ClientAuthentication.REQUIRED,
    "ISTIO_MUTUAL": ClientAuthentication.REQUIRED,
    "OPTIONAL_MUTUAL": ClientAuthentication.OPTIONAL,
}
_UNKNOWN = ClientAuthentication.INDETERMINATE

Client = tuple[ClientAuthentication, tuple[Cause, ...]]


class Frontend:
    """Certificates and client validation of listeners, with the grants that references across namespaces need."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants

    def terminates(self, listener: Listener) -> tuple[EntryTls, tuple[Cause, ...]]:
        """TLS of a listener in mode Terminate: it needs certificates that resolve, as reported or else as granted."""
        references = mappings_at(listener.spec, "tls", "certificateRefs")
        certificate = _certificate(listener, references[0]) if references else None
        reported = of_listener(listener.parent, listener.name, "ResolvedRefs")
        if reported is Tri.NO:
            return EntryTls(TlsMode.INDETERMINATE), (cause("indeterminate.entry.gateway.references"),)
        if reported is Tri.YES:
            return _tls(certificate), (cause("entry.gateway.terminates"),)
        if not references and not mapping_at(listener.spec, "tls", "options"):
            return EntryTls(TlsMode.INDETERMINATE), (cause("indeterminate.entry.gateway.no-certificate"),)
        refused = self._refused(listener, references)
        if refused is not None:
            return EntryTls(TlsMode.INDETERMINATE), (refused,)
        observed = cause("entry.gateway.references-not-observed")
        return _tls(certificate), (cause("entry.gateway.terminates"), observed)

    def client(self, listener: Listener, tls: EntryTls | None, *, istio: bool) -> Client:
        """Whether clients need a certificate. For the Gateway's `frontend` an entry for the port replaces the default."""
        if tls is None:
            return ClientAuthentication.NONE, ()
        if tls.mode is not TlsMode.TERMINATE:
            return _UNKNOWN, ()
        own = mapping_at(listener.spec, "tls", "options").get(_ISTIO_MODE)
        if istio and own is not None:
            mode = str(own)
            return _ISTIO_MODES.get(mode, _UNKNOWN), (cause("entry.istio.mode", mode=mode[:80]),)
        validation = _validation(listener)
        return (
            self._validated(listener, validation)
            if validation is not None
            else (ClientAuthentication.NONE, ())
        )

    def _validated(self, listener: Listener, validation: JsonObject) -> Client:
        mode = validation.get("mode")
        found = _MODES.get(mode) if mode is None or isinstance(mode, str) else None
        references = mappings_at(validation, "caCertificateRefs")
        if listener.protocol != "HTTPS" or found is None or not references:
            return _UNKNOWN, (cause("indeterminate.entry.gateway.frontend"),)
        refused = self._refused(listener, references, owner_is_gateway=True)
        if refused is not None:
            return _UNKNOWN, (refused,)
        return found, (cause("entry.gateway.frontend", mode=mode or "AllowValidOnly"),)

    def _refused(
        self, listener: Listener, references: list[JsonObject], *, owner_is_gateway: bool = False
    ) -> Cause | None:
        """Why one of the references cannot be resolved for want of a grant; None where all may be."""
        owner = listener.gateway if owner_is_gateway else listener.parent
        kind = "ConfigMap" if owner_is_gateway else "Secret"
        for reference in references:
            named = text_at(reference, "kind") or kind
            space = text_at(reference, "namespace") or owner.namespace
            name = text_at(reference, "name") or ""
            granted = self._grants.allow(owner, text_at(reference, "group") or "", named, space, name)
            if granted is not Tri.YES:
                code = "not-granted" if granted is Tri.NO else "grant-unknown"
                target = f"{space}/{named}/{name}"[:200]
                return cause(f"indeterminate.entry.gateway.{code}", target=target)
        return None


def _validation(listener: Listener) -> JsonObject | None:
    """The validation that holds for the listener's port; None where there is none."""
    frontend = mapping_at(listener.gateway.spec, "tls", "frontend")
    own = [e for e in mappings_at(frontend, "perPort") if e.get("port") == listener.port]
    chosen = mapping_at(own[0], "tls") if own else mapping_at(frontend, "default")
    return mapping_at(chosen, "validation") or mapping_at(listener.spec, "tls", "frontendValidation") or None


def _tls(certificate: str | None) -> EntryTls:
    return EntryTls(TlsMode.TERMINATE, None, certificate)


def _certificate(listener: Listener, reference: JsonObject) -> str | None:
    name = text_at(reference, "name")
    if not name:
        return None
    space = text_at(reference, "namespace") or listener.parent.namespace
    return f"{space}/{text_at(reference, 'kind') or 'Secret'}/{name}"
