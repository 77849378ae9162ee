"""What the server can be asked, as an OpenAPI 3.1 document. Pure: made from the tables that the
server itself goes by.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any, TypeAlias, get_args, get_type_hints

from cfedge.calibration import COVERAGES
from cfedge.inputs.modality import Modality
from cfedge.runtime.prediction import Choice, Prediction
from cfedge.serve.limits import Limits
from cfedge.serve.multipart import MULTIPART
from cfedge.serve.sessions import NAME, SESSION, SESSION_HEADERS
from cfedge.version import __version__

__all__ = ["STATUSES", "document"]

Json: TypeAlias = dict[str, Any]

#: Every status that is an error, and when it is answered.
STATUSES = {
    400: "The request is no HTTP, or its body is no such JSON.",
    404: "Another path.",
    405: "Another method; the header `allow` names those that are answered.",
    408: "The body came too slowly.",
    409: "The session answers another request now.",
    413: "The body is too large.",
    415: "The body is of another media type.",
    421: "The host is a name that was not allowed.",
    422: "An input that cannot be answered, too many of them, or a task that is not there.",
    500: "cfedge failed; the log says why.",
    503: "No room in the queue or in memory, or no answer in time.",
    505: "Neither HTTP/1.1 nor HTTP/1.0.",
}
#: Of every path.
_ANY = (400, 405, 421, 500, 505)
_JSON_TYPES: dict[object, str] = {
    bool: "boolean", float: "number", int: "integer", str: "string", types.NoneType: "null",
}  # fmt: skip
_STRING = {"type": "string"}


def document(modality: Modality, limits: Limits, metrics: str) -> Json:
    """Describe the server.

    Parameters
    ----------
    modality
        Of the engine that answers.
    limits
        The server's.
    metrics
        Media type of ``/metrics``.

    Returns
    -------
    Json
        OpenAPI 3.1, as JSON types.
    """
    ready = _object(
        status={"enum": ["ready"]}, bundle=_STRING, generation={"type": ["integer", "null"]},
        tasks={"type": "integer", "minimum": 1},
    )  # fmt: skip
    full = {**ready, "properties": {**ready["properties"], "status": {"enum": ["full"]}}}
    paths = {
        "/predict": {"post": _predict(modality, limits)},
        "/health/live": _get(
            "live", "Whether the process answers.", _object(status={"enum": ["live"]})
        ),
        "/health/ready": _get("ready", "What answers, and whether there is room.", ready),
        "/metrics": _get("metrics", "Counters.", _STRING, metrics),
        "/openapi.json": _get("document", "This document.", {"type": "object"}),
    }
    paths["/health/ready"]["get"]["responses"]["503"] = _content("The queue is full.", full)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "cfedge serve",
            "version": __version__,
            "description": "One engine over HTTP, without authentication or TLS.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": {
                "Answer": _answer(),
                "Error": _object(error=_STRING),
                "Input": dict(modality.json_schema),
            }
        },
    }


def _predict(modality: Modality, limits: Limits) -> Json:
    task = {"type": ["string", "null"], "description": "The inputs' task, where it is known."}
    one, several = {"$ref": "#/components/schemas/Input"}, {"maxItems": limits.inputs}
    top = {"type": ["integer", "null"], "minimum": 1, "maximum": limits.top}
    top["description"] = "So many of the likeliest answers, the ordinary one first."
    coverage = {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": COVERAGES[-1]}
    coverage["description"] = "A set of answers that holds the right one this often."
    optional = {"task": task, "top": top, "coverage": coverage}
    asked = [
        _object(optional=optional, **{modality.noun: one}),
        _object(optional=optional, inputs={"type": "array", "items": one, **several}),
    ]
    content: Json = {"application/json": {"schema": {"oneOf": asked}}}
    if modality.media:
        content[f"{modality.media}*"] = {}
        parts = {"type": "array", "items": {"type": "string", "format": "binary"}, **several}
        named = {"task": {"type": "string"}, "top": {"type": "integer"}}
        form = _object(optional={**named, "coverage": {"type": "number"}}, **{modality.noun: parts})
        content[MULTIPART] = {"schema": form}
    answer = {"$ref": "#/components/schemas/Answer"}
    answers = _object(answers={"type": "array", "items": answer, **several})
    responses = _responses((*_ANY, 408, 409, 413, 415, 422, 503))
    again = {"schema": {"type": "integer"}, "description": "Seconds to wait before the next try."}
    responses["503"]["headers"] = {"retry-after": {**again, "required": True}}
    responses["200"] = _content(
        f"One answer where one {modality.noun} was asked about; else one of each input, in their"
        " order.",
        {"oneOf": [answer, answers]},
    )
    return {
        "operationId": "predict",
        "summary": "Which task an input belongs to, and which label it has.",
        "parameters": _session_headers(),
        "requestBody": {
            "required": True,
            "description": f"At most {limits.body_bytes} bytes; no key comes twice.",
            "content": content,
        },
        "responses": responses,
    }


def _session_headers() -> list[Json]:
    """Describe what `cfedge.serve.sessions.read_session` reads."""
    probability = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    return [
        {
            "in": "header",
            "name": name,
            "description": description,
            "schema": {**_STRING, "pattern": NAME} if name == SESSION else probability,
        }
        for name, description in SESSION_HEADERS.items()
    ]


def _answer() -> Json:
    """Describe what `Engine.evidence` returns."""
    hints = get_type_hints(Prediction)
    of_known: Json = {"type": ["number", "null"]}
    choice = _object(**{name: _field(hint) for name, hint in get_type_hints(Choice).items()})
    choice["properties"]["probability"] = of_known
    choices: Json = {"type": "array", "items": choice}
    number: Json = {"type": "number"}
    asked: Json = {"top": choices, "coverage": number, "label_set": choices}
    in_session: Json = {"posterior": number, "switch": number, "label_switch": number}
    in_session["session_inputs"] = {"type": "integer", "minimum": 1}
    fields = {name: _field(hint) for name, hint in hints.items() if name not in asked}
    fields["probability"] = of_known
    limit: Json = {"type": ["number", "null"]}
    fields |= {"wrong_task_at_most": limit, "wrong_answer_at_most": limit, "bundle": _STRING}
    return _object(optional=asked | in_session, **fields)


def _field(hint: object) -> Json:
    kinds = [_JSON_TYPES[kind] for kind in get_args(hint) or (hint,)]
    return {"type": kinds if len(kinds) > 1 else kinds[0]}


def _get(operation: str, summary: str, schema: Json, media: str = "application/json") -> Json:
    responses = _responses(_ANY)
    responses["200"] = _content(summary, schema, media)
    return {"get": {"operationId": operation, "summary": summary, "responses": responses}}


def _responses(statuses: Iterable[int]) -> Json:
    error = {"$ref": "#/components/schemas/Error"}
    return {str(status): _content(STATUSES[status], error) for status in statuses}


def _content(description: str, schema: Json, media: str = "application/json") -> Json:
    return {"description": description, "content": {media: {"schema": schema}}}


def _object(optional: Json | None = None, **required: Json) -> Json:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }
