"""The published JSON Schemas: one for each file that is read or written."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from auditor.collect.snapshot_file import SnapshotFile
from auditor.model.certificates_result import CertificatesResult
from auditor.model.comparison import Comparison
from auditor.model.connectivity_result import ChangesResult, ConnectivityResult, ExposureResult, QueryResult
from auditor.model.control import Control, Framework
from auditor.model.egress_result import EgressResult
from auditor.model.encryption_result import EncryptionResult
from auditor.model.entrypoints_result import EntryPointsResult
from auditor.model.notification import Notification
from auditor.model.preflight_result import PreflightResult
from auditor.model.result import AuditResult
from auditor.model.run_config import RunConfig
from auditor.model.run_record import RunRecord
from auditor.model.scope import Scope

SCHEMAS: dict[str, type[BaseModel]] = {
    "certificates": CertificatesResult,
    "changes": ChangesResult,
    "comparison": Comparison,
    "connectivity": ConnectivityResult,
    "control": Control,
    "egress": EgressResult,
    "encryption": EncryptionResult,
    "entrypoints": EntryPointsResult,
    "exposure": ExposureResult,
    "framework": Framework,
    "notification": Notification,
    "preflight": PreflightResult,
    "query": QueryResult,
    "results": AuditResult,
    "run": RunConfig,
    "run-record": RunRecord,
    "scope": Scope,
    "snapshot": SnapshotFile,
}
"""By name; the models are the source."""


def json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a file. Raises KeyError for names that SCHEMAS doesn't have."""
    mode: JsonSchemaMode = "serialization" if name == "results" else "validation"
    found = SCHEMAS[name].model_json_schema(by_alias=True, mode=mode)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name, **found}
