"""Whole documents as decoded YAML or JSON: Pomerium's shape, and ours for names and includes.

Pomerium's shape (spec/ppl §1) says one policy without a name. Ours is an object of ``policies``, a list of
objects with ``policy`` (of Pomerium's shape) and ``name``, and ``include``, a list of paths; each key may be
left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from .build import refuse_twins
from .comments import Key, Layout, attach
from .data import Reader, Spans, kind_of, nowhere, to_data
from .errors import PolicySyntaxError, did_you_mean
from .tree import ACTIONS, Document, Include, Path, Policy
from .walk import addresses, dressed

KEYS: Final = ("include", "policies")
_ENTRY: Final = ("name", "policy")


def parse_document_data(data: Any, spans: Spans = nowhere, layout: Layout | None = None) -> Document:
    """The document that ``data`` is, in either shape.

    ``spans`` tells where the value at a path stands, and ``layout`` where its comments and values do (keys of
    its extents are paths of ``data``). Raises PolicySyntaxError as :func:`parse_data` does.
    """
    return _DocumentReader(spans).document(data, layout)


def to_document_data(document: Document) -> Any:
    """The document as data, in Pomerium's shape where that can say it; comments are not part of it."""
    if document.plain:
        return to_data(document.policies[0])
    entries = [
        {**({"name": policy.name} if policy.name else {}), "policy": to_data(policy)}
        for policy in document.policies
    ]
    includes = {"include": [each.path for each in document.includes]} if document.includes else {}
    return {**includes, "policies": entries}


def has_document_keys(data: Any) -> bool:
    """Whether data is meant to be of our own shape."""
    return isinstance(data, Mapping) and any(key in data for key in KEYS)


class _DocumentReader:
    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        self._reader = Reader(spans)
        self._tops: list[Path] = []
        """Where each policy stood."""

    def document(self, data: Any, layout: Layout | None) -> Document:
        if has_document_keys(data):
            document = self._ours(data)
        else:
            self._only(data, (), (*ACTIONS, *KEYS), "action")
            self._tops.append(())
            document = Document((), (self._reader.policy(data),))
        if layout is None or not layout.comments:
            return document
        keys = self._keys(document)
        extents = [replace(extent, key=keys[extent.key]) for extent in layout.extents if extent.key in keys]
        return dressed(document, attach(extents, layout.comments))

    def _ours(self, data: Mapping[Any, Any]) -> Document:
        self._only(data, (), KEYS, "key")
        paths = self._list(data.get("include", []), ("include",), "paths")
        includes = tuple(self._include(path, ("include", index)) for index, path in enumerate(paths))
        entries = self._list(data.get("policies", []), ("policies",), "objects with name and policy")
        policies = [self._policy(entry, ("policies", index)) for index, entry in enumerate(entries)]
        refuse_twins(policies)
        return Document(includes, tuple(policies))

    def _include(self, path: Any, at: Path) -> Include:
        if not isinstance(path, str) or not path:
            found = "an empty text" if path == "" else kind_of(path)
            raise PolicySyntaxError(f"an include is the path of a file, not {found}", self._spans(at))
        return Include(path, self._spans(at))

    def _policy(self, entry: Any, at: Path) -> Policy:
        if not isinstance(entry, Mapping):
            message = f"each item of policies is an object with name and policy, not {kind_of(entry)}"
            raise PolicySyntaxError(message, self._spans(at))
        self._only(entry, at, _ENTRY, "key")
        if "policy" not in entry:
            hint = "write its rules under the key policy"
            raise PolicySyntaxError("this policy has no rules", self._spans(at), hint)
        name = entry.get("name", "")
        if not isinstance(name, str):
            raise PolicySyntaxError(
                f"the name of a policy is a text, not {kind_of(name)}", self._spans((*at, "name"))
            )
        self._tops.append(at)
        place = self._spans((*at, "name") if name else at)
        return self._reader.policy(entry["policy"], name, (*at, "policy"), place)

    def _list(self, value: Any, at: Path, of: str) -> Iterable[Any]:
        if not isinstance(value, list | tuple):
            raise PolicySyntaxError(f"{at[-1]} holds a list of {of}, not {kind_of(value)}", self._spans(at))
        return value

    def _only(self, data: Any, at: Path, known: tuple[str, ...], what: str) -> None:
        """Refuse keys that are not known; lists are left to whoever reads them."""
        for key in data if isinstance(data, Mapping) else ():
            if key not in known:
                hint = did_you_mean(str(key), known)
                raise PolicySyntaxError(f"unknown {what}: {key}", self._spans((*at, key)), hint)

    def _keys(self, document: Document) -> Mapping[Path, Key]:
        """Path in the data → address in the document, of every node and every part of a criterion's data."""
        keys: dict[Path, Key] = {
            ("include", index): ("include", index) for index in range(len(document.includes))
        }
        tops, kept = iter(self._tops), iter(self._reader.kept)
        for address, node in addresses(document):
            path = next(tops) if isinstance(node, Policy) else next(kept)
            keys[path] = address
            for part in getattr(node, "parts", ()):
                keys[path + part] = address + part
        return keys
