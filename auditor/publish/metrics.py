"""Metrics where Prometheus gets them: a file for node-exporter's textfile collector, and a Pushgateway."""

from pathlib import Path
from urllib.parse import quote

from auditor.model.user_error import UserError
from auditor.publish.delivery import Address, DeliveryFailed, Sleep, deliver
from auditor.report.files import prepare_folder, write_files
from auditor.report.metrics import CONTENT_TYPE


def write_text_file(path: Path, metrics: bytes) -> None:
    """Written under a name that the collector doesn't read, then renamed: never half read. Raises DeliveryFailed."""
    try:
        prepare_folder(path.parent)
        write_files(path.parent, {path.name: metrics})
    except UserError as error:
        raise DeliveryFailed(str(error)) from None


def push(address: Address, job: str, run: str, metrics: bytes, sleep: Sleep) -> None:
    """Replace the group of this job and run with PUT, so that no series of an earlier run stays. Raises DeliveryFailed.

    The path is that of the Pushgateway's API: `/metrics/job/JOB/run/RUN`.
    """
    url = f"{address.url.rstrip('/')}/metrics/job/{quote(job, safe='')}/run/{quote(run, safe='')}"
    target = Address(url, address.ca_file, address.headers)
    deliver(target, metrics, CONTENT_TYPE, sleep, method="PUT")
