"""Dropping what must never be stored: secrets, and what can hold them. Done on each object as soon as it is parsed."""

import re
from collections.abc import Iterator
from typing import Any

from auditor.collect.kept_fields import (
    APPLIED_ANNOTATIONS,
    CONFIG_MAPS_KEPT,
    ENV_ARGUMENTS,
    ENV_KEPT,
    ENV_PREFIXES,
    ENV_STATED,
    FLAG_PREFIXES,
    FLAGS_KEPT,
    MAX_ANNOTATION,
    SAFE_VALUE,
    SENSITIVE_NAME,
    SETUP_CONTAINERS,
    WORDS_KEPT,
)
from auditor.model.kinds import KNOWN_KINDS, POD, WORKLOAD_KINDS, KindKey
from auditor.model.objects import mapping_at

Dropped = tuple[str, str]
"""What was dropped: the field's path, and the reason."""

SECRET_VALUES = "values of a Secret"  # noqa: S105
BOOKKEEPING = "the API server's bookkeeping"
APPLIED_COPY = "a copy of the object as it was applied"
ENVIRONMENT = "environment variables that are not evidence"
ARGUMENTS = "arguments and commands that are not evidence"
PROBES = "commands and headers of probes and hooks"
VOLUMES = "options of volume drivers"
PRIVATE_KEY = "a private key"
TOKEN = "a token or password"  # noqa: S105
LONG_ANNOTATION = f"an annotation cut to {MAX_ANNOTATION} characters"
CONFIG_DATA = "data of a ConfigMap that is not evidence"
SCHEMA = "the schema of a CustomResourceDefinition"

SECRET = KindKey("", "Secret")
CONFIG_MAP = KindKey("", "ConfigMap")
_CRD = KindKey("apiextensions.k8s.io", "CustomResourceDefinition")
_ROUTE = KindKey("route.openshift.io", "Route")
_POD_SPECS = {
    POD: ("spec",),
    KindKey("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template", "spec"),
    **{key: ("spec", "template", "spec") for key in WORKLOAD_KINDS if key.kind != "CronJob"},
}
_WALKED_GROUPS = ("istio.io", "traefik.io", "gateway.networking.k8s.io", "projectcontour.io", "linkerd.io")
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def redact(key: KindKey, body: dict[str, Any]) -> list[Dropped]:
    """Drop from `body`, in place, what its kind must not keep. Returns what was dropped; patterns in text are left to
    `redact_patterns`."""
    dropped = list(_metadata(body.get("metadata")))
    if key == SECRET:
        dropped += _secret(body)
    elif (path := _POD_SPECS.get(key)) is not None:
        dropped += _pod_spec(mapping_at(body, *path), ".".join(path))
    elif key == _CRD:
        dropped += _crd(body)
    elif key == _ROUTE:
        tls = mapping_at(body, "spec", "tls")
        if isinstance(tls, dict) and tls.pop("key", None) is not None:
            dropped.append(("spec.tls.key", PRIVATE_KEY))
    elif key not in KNOWN_KINDS or key.group.endswith(_WALKED_GROUPS):
        metadata = body.pop("metadata", None)
        dropped += _walk(body, "")
        body["metadata"] = metadata
    return dropped


def _metadata(metadata: Any) -> Iterator[Dropped]:
    if not isinstance(metadata, dict):
        return
    if metadata.pop("managedFields", None) is not None:
        yield "metadata.managedFields", BOOKKEEPING
    annotations = metadata.get("annotations")
    if not isinstance(annotations, dict):
        return
    for name in APPLIED_ANNOTATIONS & annotations.keys():
        del annotations[name]
        yield f"metadata.annotations[{name}]", APPLIED_COPY
    for name, value in annotations.items():
        if isinstance(value, str) and len(value) > MAX_ANNOTATION:
            annotations[name] = value[:MAX_ANNOTATION]
            yield f"metadata.annotations[{name[:100]}]", LONG_ANNOTATION


def _secret(body: dict[str, Any]) -> Iterator[Dropped]:
    for name in sorted(body.keys() - {"apiVersion", "kind", "metadata", "type"}):
        del body[name]
        yield name, SECRET_VALUES


def _crd(body: dict[str, Any]) -> Iterator[Dropped]:
    spec = mapping_at(body, "spec")
    versions = spec.get("versions")
    for index, version in enumerate(versions if isinstance(versions, list) else ()):
        if isinstance(version, dict) and version.pop("schema", None) is not None:
            yield f"spec.versions[{index}].schema", SCHEMA


def drop_config_data(body: dict[str, Any]) -> list[Dropped]:
    """Drop the data of a ConfigMap; its metadata stays."""
    names = sorted(body.keys() & {"data", "binaryData"})
    for name in names:
        del body[name]
    return [(name, CONFIG_DATA) for name in names]


def is_kept_config_map(name: str) -> bool:
    """Whether a ConfigMap of that name is evidence whatever refers to it."""
    return CONFIG_MAPS_KEPT.fullmatch(name) is not None


def _pod_spec(spec: Any, path: str) -> Iterator[Dropped]:
    for name in _CONTAINERS:
        containers = spec.get(name)
        for index, container in enumerate(containers if isinstance(containers, list) else ()):
            if isinstance(container, dict):
                yield from _container(container, f"{path}.{name}[{index}]")
    volumes = spec.get("volumes")
    for index, volume in enumerate(volumes if isinstance(volumes, list) else ()):
        for driver, options in (("csi", "volumeAttributes"), ("flexVolume", "options")):
            settings = mapping_at(volume, driver)
            if isinstance(settings, dict) and settings.pop(options, None) is not None:
                yield f"{path}.volumes[{index}].{driver}.{options}", VOLUMES


def _container(container: dict[str, Any], path: str) -> Iterator[Dropped]:
    if "env" in container and _keep(container, "env", _kept_env(container["env"])):
        yield f"{path}.env", ENVIRONMENT
    one_letter = str(container.get("name")) in SETUP_CONTAINERS
    for name in ("command", "args"):
        if name in container:
            words = container[name]
            kept = kept_words(words, program=name == "command", one_letter=one_letter)
            if _keep(container, name, kept):
                yield f"{path}.{name}", ARGUMENTS
    yield from _probes(container, path)


def _keep(container: dict[str, Any], name: str, kept: list[Any]) -> bool:
    """Put `kept` in the place of the list; whether anything was dropped."""
    if kept == container[name]:
        return False
    if kept:
        container[name] = kept
    else:
        del container[name]
    return True


def _kept_env(entries: Any) -> list[Any]:
    kept = []
    for entry in entries if isinstance(entries, list) else ():
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            continue
        if name in ENV_STATED:
            stated = entry.get("value", "") not in ("", None, "unset") or entry.get("valueFrom") is not None
            kept.append({"name": name, "value": "set" if stated else "unset"})
        elif name in ENV_ARGUMENTS and isinstance(entry.get("value"), str):
            words = kept_words(entry["value"].split(), program=False, one_letter=False)
            kept.append({"name": name, "value": " ".join(words)})
        elif name in ENV_KEPT or name in ENV_ARGUMENTS or name.startswith(ENV_PREFIXES):
            kept.append({"name": name, "value": "set"} if SENSITIVE_NAME.search(name) else entry)
    return kept


def kept_words(words: Any, *, program: bool, one_letter: bool) -> list[Any]:
    """The arguments that are evidence: allowed flags with their values, and the program's path if `program`."""
    kept: list[Any] = []
    value_follows = False
    for index, word in enumerate(words if isinstance(words, list) else ()):
        if not isinstance(word, str):
            value_follows = False
        elif value_follows and not word.startswith("-") and SAFE_VALUE.fullmatch(word):
            kept.append(word)
            value_follows = False
        elif (program and index == 0 and " " not in word) or word in WORDS_KEPT:
            kept.append(word)
        elif _is_kept_flag(word, one_letter):
            kept.append(word)
            value_follows = "=" not in word and not word.lstrip("-").startswith(("enable-", "disable-"))
        else:
            value_follows = False
            kept += [part for part in word.split() if word != part and _is_kept_flag(part, False)]
    return kept


def _is_kept_flag(word: str, one_letter: bool) -> bool:
    if not word.startswith("-"):
        return False
    name, _, value = word.lstrip("-").partition("=")
    if one_letter and len(name) == 1:
        return True
    lower = name.lower()
    return (lower in FLAGS_KEPT or lower.startswith(FLAG_PREFIXES)) and bool(SAFE_VALUE.fullmatch(value))


def _probes(container: dict[str, Any], path: str) -> Iterator[Dropped]:
    hooks = mapping_at(container, "lifecycle")
    places = [(container.get(name), f"{path}.{name}") for name in _PROBES if name in container]
    places += [(hook, f"{path}.lifecycle.{name}") for name, hook in hooks.items()]
    for place, where in places:
        command, get = mapping_at(place, "exec"), mapping_at(place, "httpGet")
        if isinstance(command, dict) and command.pop("command", None) is not None:
            yield f"{where}.exec.command", PROBES
        if isinstance(get, dict) and get.pop("httpHeaders", None) is not None:
            yield f"{where}.httpGet.httpHeaders", PROBES


_SECRET_KEY = re.compile(
    r"passw|secret|token|api[-_]?key|private[-_]?key|credential|authorization|cookie", re.IGNORECASE
)
_REFERENCE = re.compile(r"(names?|refs?|file|path|namespace|url|uri|locations?)$", re.IGNORECASE)


def _walk(value: Any, path: str) -> Iterator[Dropped]:
    """Kinds whose fields aren't known one by one: pod templates and fields that are named like a secret."""
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _walk(inner, f"{path}[{index}]")
        return
    if not isinstance(value, dict):
        return
    if any(name in value for name in _CONTAINERS):
        yield from _pod_spec(value, path)
    if isinstance(value.get("env"), list) and _keep(value, "env", _kept_env(value["env"])):
        yield f"{path}.env".lstrip("."), ENVIRONMENT
    if isinstance(name := value.get("name"), str) and _is_secret_field(name, value.get("value")):
        del value["value"]
        yield f"{path}.value", TOKEN
    for key, inner in list(value.items()):
        if _is_secret_field(key, inner):
            del value[key]
            yield f"{path}.{key[:100]}".lstrip("."), TOKEN
        else:
            yield from _walk(inner, f"{path}.{key[:100]}".lstrip("."))


def _is_secret_field(name: str, value: Any) -> bool:
    return isinstance(value, str) and bool(_SECRET_KEY.search(name)) and not _REFERENCE.search(name)


_PATTERNS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        "[private key dropped]",
        PRIVATE_KEY,
    ),
    (
        re.compile(r"LS0tLS1CRUdJTi(BSU0EgUFJJVk|BQUklWQVR|BFQyBQUklW|BFTkNSWVBURUQg|BPUEVOU1NI)[\w+/=\s]*"),
        "[private key dropped]",
        PRIVATE_KEY,
    ),
    (re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*"), "[token dropped]", TOKEN),
    (
        re.compile(r"\b([Bb]earer|[Bb]asic) +(?=[\w.~+/-]*[A-Z0-9=])[\w.~+/=-]{8,}"),
        r"\1 [token dropped]",
        TOKEN,
    ),
    (re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"), "[token dropped]", TOKEN),
    (
        re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://[^/\s:@\"']{1,200}:)[^@/\s\"']{1,200}@"),
        r"\1[dropped]@",
        TOKEN,
    ),
)
_SUSPECT: tuple[tuple[bytes, re.Pattern[bytes]], ...] = (
    (b"PRIVATE KEY-----", re.compile(rb"PRIVATE KEY-----")),
    (b"LS0tLS1CRUdJTi", re.compile(rb"LS0tLS1CRUdJTi(?:BSU0EgUF|BQUklWQ|BFQyBQ|BFTkNS|BPUEVO)")),
    (b"eyJ", re.compile(rb"eyJ[\w-]{10,}\.eyJ")),
    (b"earer ", re.compile(rb"earer +[\w.~+/=-]{8}")),
    (b"asic ", re.compile(rb"asic +[\w.~+/=-]{8}")),
    (b"AKIA", re.compile(rb"AKIA[0-9A-Z]{16}")),
    (b"ASIA", re.compile(rb"ASIA[0-9A-Z]{16}")),
    (b"@", re.compile(rb"://[^/\s:@\"']{1,200}:[^@/\s\"']{1,200}@")),
)
"""What must be in the bytes before the patterns are tried on each text: a plain search first, as it is far faster."""


def has_suspect_text(canonical: bytes) -> bool:
    """Whether the canonical bytes of an object hold anything that looks like a key, a token or a password in an URL."""
    return any(marker in canonical and pattern.search(canonical) for marker, pattern in _SUSPECT)


def redact_patterns(body: dict[str, Any]) -> list[Dropped]:
    """Replace, in place, private keys, tokens and passwords in URLs within all text of an object."""
    dropped: list[Dropped] = []
    _replace_in(body, "", dropped)
    return dropped


def _replace_in(value: Any, path: str, dropped: list[Dropped]) -> None:
    pairs = enumerate(value) if isinstance(value, list) else list(value.items())
    for key, inner in pairs:
        where = f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key[:100]}".lstrip(".")
        if isinstance(inner, str):
            value[key] = _replaced(inner, where, dropped)
        elif isinstance(inner, dict | list):
            _replace_in(inner, where, dropped)


def _replaced(text: str, path: str, dropped: list[Dropped]) -> str:
    for pattern, replacement, reason in _PATTERNS:
        text, count = pattern.subn(replacement, text)
        if count:
            dropped.append((path, reason))
    return text
