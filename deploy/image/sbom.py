"""Writes the image's bill of materials: CycloneDX 1.6 JSON of its Debian and Python packages.

The same packages give the same bytes: no time, and a serial number made from the content.
"""

import argparse
import uuid
from collections.abc import Iterator
from email.parser import Parser
from importlib.metadata import Distribution, distributions
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL


def main() -> None:
    options = _options()
    release = _release(options.os_release)
    components = [*_debian(options.dpkg_status, release), *_python(options.environment)]
    bom = _bill(components, options.version)
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)
    options.out.write_text(text + "\n", encoding="utf-8")
    print(f"{len(components)} components in {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dpkg-status", type=Path, required=True)
    parser.add_argument("--os-release", type=Path, required=True)
    parser.add_argument("--environment", type=Path, required=True, help="a Python virtual environment")
    parser.add_argument("--version", required=True)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def _release(path: Path) -> dict[str, str]:
    lines = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
    return {name: value.strip('"') for name, _, value in lines}


def _debian(status: Path, release: dict[str, str]) -> Iterator[Component]:
    """One component for each installed package of dpkg's status file (deb822 paragraphs)."""
    distro = f"{release['ID']}-{release['VERSION_ID']}"
    for paragraph in status.read_text(encoding="utf-8").split("\n\n"):
        fields = Parser().parsestr(paragraph)
        if not (fields["Status"] or "").endswith(" installed"):
            continue
        qualifiers = {"arch": fields["Architecture"], "distro": distro}
        url = PackageURL("deb", release["ID"], fields["Package"], fields["Version"], qualifiers)
        yield _component(url, ComponentType.LIBRARY, description=(fields["Description"] or "").split("\n")[0])


def _python(environment: Path) -> Iterator[Component]:
    for site in sorted(environment.glob("lib/python3*/site-packages")):
        for found in distributions(path=[str(site)]):
            url = PackageURL("pypi", None, found.metadata["Name"].lower().replace("_", "-"), found.version)
            licences = [made] if (made := _licence(found)) else []
            yield _component(url, ComponentType.LIBRARY, found.metadata["Summary"] or "", licences)


def _licence(found: Distribution) -> License | None:
    """As the package declares it: an SPDX expression, else its classifier or first line of text."""
    fields = found.metadata
    classifiers = [c for c in fields.get_all("Classifier") or [] if c.startswith("License ::")]
    text = fields.get("License-Expression") or (classifiers[0].rpartition(" :: ")[2] if classifiers else None)
    text = text or fields.get("License")
    return LicenseFactory().make_from_string(text.strip().split("\n")[0][:200]) if text else None


def _component(
    url: PackageURL, kind: ComponentType, description: str = "", licences: list[License] | None = None
) -> Component:
    return Component(
        name=url.name,
        version=url.version,
        type=kind,
        purl=url,
        bom_ref=url.to_string(),
        description=description or None,
        licenses=licences or [],
    )


def _bill(components: list[Component], version: str) -> Bom:
    image = Component(name="auditor", version=version, type=ComponentType.CONTAINER, bom_ref="image")
    bom = Bom(components=components)
    bom.metadata.component = image
    bom.metadata.timestamp = None  # type: ignore[assignment]
    refs = "\n".join(sorted(str(part.bom_ref) for part in components))
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, f"auditor {version}\n{refs}")
    bom.register_dependency(image, components)
    return bom


if __name__ == "__main__":
    main()
