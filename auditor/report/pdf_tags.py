"""Repairs that let one WeasyPrint file claim and pass both PDF/A-3a and PDF/UA-1.

WeasyPrint 70 tags documents, but leaves out the scope of header cells, the language of elements, the words of internal
links, and the claim of PDF/UA beside that of PDF/A; and it leaves the content of margin boxes in structure elements that
belong to no tree. What the finished PDF still shows is mended there (`repair`); what only the boxes know is added while
the tree is built (`completed_tags`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pydyf
from weasyprint import Document
from weasyprint.layout.absolute import AbsolutePlaceholder
from weasyprint.pdf import tags

_SCOPES = {"row": "/Row", "rowgroup": "/Row"}
_RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
_CLAIM = f"""<rdf:Description rdf:about="" {_RDF} xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" pdfuaid:part="1"/>
<rdf:Description rdf:about="" {_RDF} xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name>
<pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of ISO 14289 that the file conforms to</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property>
</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>
""".encode()


@contextmanager
def completed_tags() -> Iterator[None]:
    """While active, structure elements get the language and the scope that their HTML elements state."""
    original = tags._build_box_tree

    def build(box: Any, *arguments: Any) -> Iterator[Any]:
        inner = box._box if isinstance(box, AbsolutePlaceholder) else box
        for element in original(box, *arguments):
            _complete(element, inner)
            yield element

    tags._build_box_tree = build
    try:
        yield
    finally:
        tags._build_box_tree = original


def _complete(element: Any, box: Any) -> None:
    html = box.element
    if html is None or box.element_tag in ("html", "body"):
        return
    if language := html.get("lang"):
        element["Lang"] = pydyf.String(language)
    if element["S"] == "/Link" and box.element_tag != "a":
        element["S"] = "/Span"
    if element["S"] == "/TH":
        element["A"]["Scope"] = _SCOPES.get(html.get("scope"), "/Column")


def keep_one_annotation(document: Document) -> None:
    """Pseudo-elements inside a link inherit it and would each get an annotation of their own; only the link keeps one."""
    for page in document.pages:
        page.links[:] = [link for link in page.links if link[3].element_tag == "a"]


def repair(document: Document, pdf: pydyf.PDF) -> None:
    """WeasyPrint's finisher: mend what stands in the PDF, just before it is written."""
    _claim_accessibility(pdf)
    _drop_empty_headers(pdf)
    _give_list_items_bodies(pdf)
    _name_links(document)
    _mark_margins(pdf)


def _claim_accessibility(pdf: pydyf.PDF) -> None:
    """PDF/UA's claim, and the schema that PDF/A wants for it, inside the RDF that is there."""
    for found in pdf.objects:
        if isinstance(found, pydyf.Stream) and found.extra.get("Type") == "/Metadata":
            xmp = found.stream[0]
            end = xmp.rindex(b"</rdf:RDF>")
            found.stream[0] = xmp[:end] + _CLAIM + xmp[end:]


def _drop_empty_headers(pdf: pydyf.PDF) -> None:
    for found in pdf.objects:
        if (
            isinstance(found, dict)
            and found.get("S") == "/TD"
            and not found.get("A", {}).get("Headers", True)
        ):
            del found["A"]["Headers"]


def _give_list_items_bodies(pdf: pydyf.PDF) -> None:
    """A list item holds a label and one body; whatever else WeasyPrint put into it moves into the body."""
    items: list[Any] = [found for found in pdf.objects if isinstance(found, dict) and found.get("S") == "/LI"]
    for item in items:
        labels = [child for child in item["K"] if _at(pdf, child)["S"] == "/Lbl"]
        rest = [child for child in item["K"] if child not in labels]
        if [_at(pdf, child)["S"] for child in rest] == ["/LBody"]:
            continue
        body = pydyf.Dictionary(
            {
                "Type": "/StructElem",
                "S": "/LBody",
                "K": pydyf.Array(rest),
                "Pg": item["Pg"],
                "P": item.reference,
            }
        )
        pdf.add_object(body)
        for child in rest:
            element = _at(pdf, child)
            element["P"] = body.reference
            if element["S"] == "/LBody":
                element["S"] = "/Div"
        item["K"] = pydyf.Array([*labels, body.reference])


def _name_links(document: Document) -> None:
    """What a screen reader says of a link: its text instead of its anchor."""
    for page in document.pages:
        for kind, _, _, box in page.links:
            annotation = getattr(box, "link_annotation", None)
            text = " ".join("".join(box.element.itertext()).split()) if box.element is not None else ""
            if annotation is not None and kind == "internal" and text:
                annotation["Contents"] = pydyf.String(text)


def _mark_margins(pdf: pydyf.PDF) -> None:
    """Content whose structure element hangs in no tree is running head or foot: pagination, not content."""
    root = _at(pdf, pdf.catalog["StructTreeRoot"])
    attached = _attached(pdf, root)
    numbers = _at(pdf, root["ParentTree"])["Nums"]
    parents = dict(zip(numbers[::2], numbers[1::2], strict=True))
    for page in _pages(pdf):
        elements = parents[page["StructParents"]]
        loose = {mcid for mcid, element in enumerate(elements) if _number(element) not in attached}
        for mcid in loose:
            elements[mcid] = "null"
        _as_pagination(_at(pdf, page["Contents"]).stream, loose)


def _as_pagination(stream: list[Any], loose: set[int]) -> None:
    """Rewrite `/Tag <</MCID n>> BDC` of loose content to an artifact."""
    for place, item in enumerate(stream):
        if isinstance(item, pydyf.Dictionary) and item.get("MCID") in loose:
            stream[place - 1] = "/Artifact"
            stream[place] = pydyf.Dictionary({"Type": "/Pagination"})


def _attached(pdf: pydyf.PDF, root: Any) -> set[int]:
    """Numbers of the structure elements that can be reached from the root."""
    found: set[int] = set()
    waiting = list(root["K"])
    while waiting:
        number = _number(waiting.pop())
        if number in found:
            continue
        found.add(number)
        children = pdf.objects[number].get("K", ())
        waiting += [child for child in children if isinstance(child, (bytes, str))]
    return found


def _pages(pdf: pydyf.PDF) -> Iterator[Any]:
    for found in pdf.objects:
        if isinstance(found, dict) and found.get("Type") == "/Page":
            yield found


def _number(reference: Any) -> int:
    return int(reference.split()[0])


def _at(pdf: pydyf.PDF, reference: Any) -> Any:
    return pdf.objects[_number(reference)]
