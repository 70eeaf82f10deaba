"""JSON and XML at the edge: which one comes, which one goes, and XML in both directions.

XML says what the JSON says: an element for each field, ``variables`` with an element for each
value, ``recipients`` with one ``recipient`` each. A DTD or an entity is refused.
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from fastapi import Request

from ingest.codes import Code
from ingest.errors import RequestRefused

ANSWERS_XML = "yizhan.answers-xml"
"""Where the ASGI scope notes that the answer, a problem too, is to be XML."""

PROBLEM_NAMESPACE = "urn:ietf:rfc:7807"
MAX_DEPTH = 5

_JSON = re.compile(r"application/json\s*(;.*)?", re.IGNORECASE)
_XML = re.compile(r"(?:application|text)/xml\s*(;.*)?", re.IGNORECASE)
_NAMED = re.compile(r"\b(?:application|text)/(xml|json)\b|\*/\*", re.IGNORECASE)
_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OBJECTS = frozenset({"variables"})
_LISTS = {"recipients": "recipient"}
_ITEMS = {"errors": "error", "messages": "message"}


class Format(Enum):
    """How a body is written."""

    JSON = "application/json"
    XML = "application/xml"


def negotiate(request: Request) -> Format:
    """Say how the body is written, and note how the answer is to be. Raises RequestRefused (415).

    An Accept that names neither is answered in the format of the request.
    """
    written = request.headers.get("content-type", Format.JSON.value).strip()
    is_xml = _XML.fullmatch(written) is not None
    request.scope[ANSWERS_XML] = _wants_xml(request.headers.get("accept", ""), default=is_xml)
    if not is_xml and _JSON.fullmatch(written) is None:
        raise RequestRefused.of(415, Code.MEDIA_TYPE_UNSUPPORTED, "Content-Type")
    return Format.XML if is_xml else Format.JSON


def _wants_xml(accept: str, *, default: bool) -> bool:
    """Take the format that is named with the highest weight; the first of equals."""
    best, wants = 0.0, default
    for part in accept.split(","):
        name = _NAMED.match(part.strip())
        weight = _weight(part)
        if name is not None and weight > best:
            best, wants = weight, default if name[1] is None else name[1].lower() == "xml"
    return wants


def _weight(part: str) -> float:
    match = re.search(r";\s*q=([01](?:\.[0-9]{0,3})?)\s*(?:;|$)", part)
    return float(match[1]) if match else 1.0


def read_xml(body: bytes, root_name: str) -> dict[str, Any]:
    """Read the fields of an XML body. Raises RequestRefused (400, 422)."""
    try:
        root = fromstring(body, forbid_dtd=True)
    except DefusedXmlException as error:
        detail = f"{type(error).__name__}: no DTD and no entity may be declared."
        raise RequestRefused.of(400, Code.XML_MALFORMED, detail=detail) from None
    except (ParseError, ValueError, LookupError) as error:
        detail = "" if isinstance(error, ParseError) else "Its encoding is not known."
        raise RequestRefused.of(400, Code.XML_MALFORMED, detail=detail) from None
    if root.tag != root_name:
        raise RequestRefused.of(400, Code.XML_MALFORMED, detail=f"The root is not <{root_name}>.")
    return _fields(root, 1)


def _fields(element: Element, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise RequestRefused.of(400, Code.XML_MALFORMED, detail="Nested too deep.")
    fields: dict[str, Any] = {}
    for child in element:
        if child.tag in fields:
            detail = "This element stands there twice."
            raise RequestRefused.of(422, Code.FIELD_INVALID, child.tag[:100], detail)
        fields[child.tag] = _value(child, depth)
    return fields


def _value(element: Element, depth: int) -> object:
    if (item := _LISTS.get(element.tag)) is not None:
        return [_fields(child, depth + 1) if child.tag == item else child.tag for child in element]
    if element.tag in _OBJECTS or len(element):
        return _fields(element, depth + 1)
    return element.text or ""


def write_xml(root_name: str, fields: Mapping[str, Any], namespace: str = "") -> bytes:
    """Write fields as XML; what XML cannot hold becomes U+FFFD."""
    root = Element(root_name, {"xmlns": namespace} if namespace else {})
    _fill(root, fields)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _fill(element: Element, fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        child = SubElement(element, name)
        if isinstance(value, list):
            for item in value:
                _fill(SubElement(child, _ITEMS[name]), item)
        else:
            child.text = _NOT_IN_XML.sub("\ufffd", _text(value))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
