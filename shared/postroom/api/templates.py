"""Templates over HTTP. One is named by its id or by its alias."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from flask import Response, request

from postroom.account.template import Template, TooLarge, Variable, Version
from postroom.api.body import answer, read_members
from postroom.api.operation import Access, Operation
from postroom.api.pages import PageSchema, as_id, page_of
from postroom.api.problems import invalid, not_found
from postroom.api.representation import moment
from postroom.api.template_schemas import (
    ChangedTemplateSchema,
    NamedTemplate,
    RemovedTemplate,
    StoredTemplate,
    TemplateList,
    TemplateSchema,
)
from postroom.templates import AliasTaken, Templates, UnknownTemplate

T = TypeVar("T")

_NEW, _CHANGED = TemplateSchema(), ChangedTemplateSchema()
_ONE = "/templates/<id_or_alias>"


@dataclass(frozen=True, slots=True)
class TemplateViews:
    """The views of the resource."""

    templates: Templates

    def operations(self) -> Iterator[Operation]:
        yield Operation(
            method="POST",
            path="/templates",
            view=self.create,
            access=Access.FULL,
            summary="Store a template, as a draft.",
            takes=_NEW,
            answers=NamedTemplate(),
            status=201,
        )
        yield Operation(
            method="GET",
            path="/templates",
            view=self.list,
            access=Access.FULL,
            summary="List templates, newest first.",
            asks=PageSchema(),
            answers=TemplateList(),
        )
        yield Operation(
            method="GET",
            path=_ONE,
            view=self.get,
            access=Access.FULL,
            summary="Read a template with its newest version.",
            answers=StoredTemplate(),
        )
        yield Operation(
            method="PATCH",
            path=_ONE,
            view=self.edit,
            access=Access.FULL,
            summary="Edit a template. Letters are made of what is published until this is.",
            takes=_CHANGED,
            answers=NamedTemplate(),
        )
        yield Operation(
            method="DELETE",
            path=_ONE,
            view=self.remove,
            access=Access.FULL,
            summary="Delete a template.",
            answers=RemovedTemplate(),
        )
        yield Operation(
            method="POST",
            path=f"{_ONE}/publish",
            view=self.publish,
            access=Access.FULL,
            summary="Make letters of a template's newest version from now on.",
            answers=NamedTemplate(),
        )
        yield Operation(
            method="POST",
            path=f"{_ONE}/duplicate",
            view=self.duplicate,
            access=Access.FULL,
            summary="Store a copy of a template's newest version, as a draft.",
            answers=NamedTemplate(),
            status=201,
        )

    def create(self) -> Response:
        """POST /templates"""
        asked = read_members(request, _NEW)
        version = _edited(Version(html=asked["html"]), self.templates.clock(), asked)
        return answer(_named(_tried(lambda: self.templates.create(asked["name"], asked.get("alias"), version))), 201)

    def list(self) -> Response:
        """GET /templates"""
        return answer(page_of(request, self.templates.page, _summary))

    def get(self, id_or_alias: str) -> Response:
        """GET /templates/{id or alias}"""
        head, version = _tried(lambda: self.templates.get(_name(id_or_alias)))
        return answer(_shown(head, version))

    def edit(self, id_or_alias: str) -> Response:
        """PATCH /templates/{id or alias}"""
        asked = read_members(request, _CHANGED)
        changed = _tried(
            lambda: self.templates.edit(_name(id_or_alias), lambda version, now: _edited(version, now, asked), asked)
        )
        return answer(_named(changed))

    def remove(self, id_or_alias: str) -> Response:
        """DELETE /templates/{id or alias}"""
        return answer({**_named(_tried(lambda: self.templates.remove(_name(id_or_alias)))), "deleted": True})

    def publish(self, id_or_alias: str) -> Response:
        """POST /templates/{id or alias}/publish"""
        return answer(_named(_tried(lambda: self.templates.publish(_name(id_or_alias)))))

    def duplicate(self, id_or_alias: str) -> Response:
        """POST /templates/{id or alias}/duplicate"""
        return answer(_named(_tried(lambda: self.templates.duplicate(_name(id_or_alias)))), 201)


def _tried(do: Callable[[], T]) -> T:
    """What it gives. Raises `Problem`."""
    try:
        return do()
    except UnknownTemplate:
        raise not_found("template with this id or alias") from None
    except AliasTaken:
        raise invalid({"alias": ["another template has it"]}) from None
    except TooLarge as error:
        raise invalid({"html": [str(error)]}) from None


def _name(id_or_alias: str) -> str:
    return as_id(id_or_alias) or id_or_alias


def _edited(version: Version, now: datetime, asked: Mapping[str, Any]) -> Version:
    """The version with the members that were given in place of its own. Raises `Problem` where it can't be read."""
    from postroom.rendering.budget import Flaw
    from postroom.rendering.letter import LetterTemplate

    given = {name: asked[name] for name in ("html", "text", "subject") if name in asked}
    if "sender" in asked:
        given["sender"] = str(asked["sender"])
    if "reply_to" in asked:
        given["reply_to"] = tuple(map(str, asked["reply_to"]))
    if "variables" in asked:
        given["variables"] = _declared(version, now, asked["variables"])
    edited = replace(version, **given)
    try:
        LetterTemplate.read(edited.subject, edited.html, edited.text)
    except Flaw as flaw:
        raise invalid({flaw.part: [flaw.sentence]}) from None
    return edited


def _declared(version: Version, now: datetime, asked: list[dict[str, Any]]) -> tuple[Variable, ...]:
    before = {each.key: each for each in version.variables}
    made = []
    for each in asked:
        variable = Variable(each["key"], each["type"], each.get("fallback_value"), now, now)
        known = before.get(variable.key)
        if known is not None:
            same = (known.type, known.fallback) == (variable.type, variable.fallback)
            variable = known if same else replace(variable, created_at=known.created_at)
        made.append(variable)
    return tuple(made)


def _named(head: Template) -> dict[str, Any]:
    return {"object": "template", "id": head.id}


def _summary(head: Template) -> dict[str, Any]:
    return {
        "id": head.id,
        "name": head.name,
        "alias": head.alias,
        "status": "draft" if head.published is None else "published",
        "published_at": moment(head.published_at),
        "created_at": moment(head.created_at),
        "updated_at": moment(head.updated_at),
    }


def _shown(head: Template, version: Version) -> dict[str, Any]:
    return {
        "object": "template",
        **_summary(head),
        "has_unpublished_versions": head.current != head.published,
        "current_version_id": head.current,
        "from": version.sender,
        "subject": version.subject,
        "reply_to": list(version.reply_to),
        "html": version.html,
        "text": version.text,
        "variables": [
            {
                "key": each.key,
                "type": each.type,
                "fallback_value": each.fallback,
                "created_at": moment(each.created_at),
                "updated_at": moment(each.updated_at),
            }
            for each in version.variables
        ],
    }
