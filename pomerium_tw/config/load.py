"""From a file and the environment to settings, with every problem in its place (DESIGN §7.9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from pydantic import BaseModel, ValidationError

from policy_grammar import Span, nearest

from . import checks, route_checks
from .answers import RedirectSettings, ResponseSettings
from .document import Document
from .environment import overlay
from .external_data import ExternalSource
from .positions import KeyPath, Positions
from .problem import ConfigError, DecodeError, Finding, Problem
from .rewriting import HeaderRewriteSettings
from .route_settings import RouteSettings
from .settings import CertificateFiles, Settings
from .sources import read_file
from .triage import ROUTE_LISTS, Triage

_ENVIRONMENT = "environment"
_STATE_FOLDER = "pomerium-tw"
_KEY_MARK = "[key]"
"""pydantic's mark for an error in a mapping's key."""
_ENTRIES: Mapping[str, type[BaseModel]] = {
    "certificates": CertificateFiles,
    "external_data": ExternalSource,
    "redirect": RedirectSettings,
    "response": ResponseSettings,
    "rewrite_response_headers": HeaderRewriteSettings,
}
"""Keys whose value, or entries, are mappings with keys of their own."""
_OTHER_HALF: Mapping[str, str] = {
    "certificate": "certificate_key",
    "certificate_key": "certificate",
    "certificate_file": "certificate_key_file",
    "certificate_key_file": "certificate_file",
}
"""A key → the one that seems to stand alone where it is at fault."""
_INSTEAD: Mapping[str, str] = {
    "redirect": "to",
    "response": "to",
    "regex_rewrite_pattern": "regex_rewrite_substitution",
    "host_path_regex_rewrite_pattern": "host_path_regex_rewrite_substitution",
    "host_path_regex_rewrite_substitution": "host_path_regex_rewrite_pattern",
}
"""A key of a route → the one that seems to be at fault where it is the first that has one."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be built, and where its values stand."""

    settings: Settings
    spans: Positions
    warnings: tuple[Problem, ...]
    text: str = field(default="", repr=False)
    """The file as it is written, to show a line of it that holds no secret."""

    @property
    def left_out(self) -> tuple[Problem, ...]:
        """Warnings of keys that are missing and have a default that few want."""
        return tuple(
            Problem(self.spans.value(()), each.message, each.hint) for each in checks.left_out(self.settings)
        )

    def span(self, *path: str | int) -> Span:
        """Place of the value at a path, e.g. ``span("routes", 0, "policy")``; for errors of other rooms."""
        return self.spans.value(path)


def load(path: str | Path | None, environ: Mapping[str, str]) -> Loaded:
    """Read a configuration file (none: the environment alone) and lay ``environ`` over it.

    Raises :class:`ConfigError` with all problems of all keys, each with its place.
    """
    file = None if path is None else Path(path)
    empty = Document({}, Positions(whole=Span(_ENVIRONMENT)))
    document = overlay(empty if file is None else read_file(file), environ)
    document.data.setdefault("state_dir", str(_default_state_folder(environ)))
    return _Loader(document, Path.cwd() if file is None else file.absolute().parent).load()


def _default_state_folder(environ: Mapping[str, str]) -> Path:
    if configured := environ.get("XDG_STATE_HOME"):
        return Path(configured) / _STATE_FOLDER
    home = environ.get("HOME") or "~"
    return Path(home) / ".local" / "state" / _STATE_FOLDER


class _Checked(Protocol):
    """What both models have in common."""

    @classmethod
    def model_validate(cls, obj: Any, *, context: Any = None) -> Self: ...

    def with_files(self) -> Self: ...


_Model = TypeVar("_Model", bound=_Checked)


class _Loader:
    """One load: collects problems instead of stopping at the first."""

    def __init__(self, document: Document, base: Path) -> None:
        self._positions = document.positions
        self._text = document.text
        self._base = base
        self._triage = Triage(document)
        self._problems = list(self._triage.problems)
        self._warnings = list(self._triage.warnings)
        self._failed: set[KeyPath] = set(self._triage.refused)

    def load(self) -> Loaded:
        routes: dict[str, list[RouteSettings]] = {name: [] for name in ROUTE_LISTS}
        for path, keys in self._triage.routes:
            route = self._decode(RouteSettings, keys, path)
            self._excuse(path, _INSTEAD)
            self._report(path, route_checks.findings(route))
            routes[str(path[0])].append(route)
        settings = self._decode(Settings, {**self._triage.settings, **routes}, ())
        self._excuse((), _OTHER_HALF)
        self._report((), checks.findings(settings))
        warnings = sorted(self._warnings, key=_by_place)
        if self._problems:
            raise ConfigError(sorted(self._problems, key=_by_place), warnings)
        return Loaded(settings, self._positions, tuple(warnings), self._text)

    def _decode(self, model: type[_Model], keys: Mapping[str, Any], at: KeyPath) -> _Model:
        """Decode what decodes; keys that fail are reported and take their defaults, for the later checks."""
        try:
            return model.model_validate(keys, context=self._base).with_files()
        except ValidationError as error:
            failed = {details["loc"][0] for details in error.errors(include_url=False, include_input=False)}
            self._problems.extend(self._problem(details, at) for details in error.errors(include_url=False))
            self._failed.update((*at, name) for name in failed)
            kept = {name: value for name, value in keys.items() if name not in failed}
        return model.model_validate(kept, context=self._base).with_files()

    def _problem(self, details: Any, at: KeyPath) -> Problem:
        """One error of pydantic in our words."""
        path: KeyPath = (*at, *(part for part in details["loc"] if part != _KEY_MARK))
        cause = details.get("ctx", {}).get("error")
        if isinstance(cause, DecodeError):
            in_key = details["loc"][-1] == _KEY_MARK
            span = self._positions.key(path) if in_key else self._positions.value(path)
            return Problem(span, f"{_named(path)}: {cause.message}", cause.hint)
        if details["type"] == "extra_forbidden":
            mapping = _named(path[:-1])
            near = nearest(str(path[-1]).lower(), _ENTRIES[mapping].model_fields)
            message = f"{mapping}: there is no key {path[-1]}"
            hint = f"did you mean {near}?" if near else _keys_hint(mapping)
            return Problem(self._positions.key(path), message, hint)
        if details["type"] == "missing":
            return Problem(self._positions.value(path), f"{_named(path[:-1])}: {path[-1]} is missing")
        if details["type"] in {"model_type", "model_attributes_type"}:
            name = _named(path)
            return Problem(
                self._positions.value(path), f"{name}: a mapping is expected here", _keys_hint(name)
            )
        if details["type"] == "tuple_type":
            return Problem(self._positions.value(path), f"{_named(path)}: a list is expected here")
        return Problem(self._positions.value(path), f"{_named(path)}: {details['msg']}")

    def _excuse(self, at: KeyPath, seeming: Mapping[str, str]) -> None:
        """Report nothing of keys that seem to be at fault only because others are."""
        self._failed |= {(*at, other) for name, other in seeming.items() if (*at, name) in self._failed}

    def _report(self, at: KeyPath, findings: Iterable[Finding]) -> None:
        """Keep what was found, but for keys that have been reported already."""
        for finding in findings:
            path = (*at, *finding.path)
            if self._has_failed(path) or any(self._has_failed((*at, *each)) for each in finding.rests_on):
                continue
            problem = Problem(self._positions.value(path), finding.message, finding.hint)
            (self._warnings if finding.warning else self._problems).append(problem)

    def _has_failed(self, path: KeyPath) -> bool:
        return any(path[:length] in self._failed for length in range(1, len(path) + 1))


def _named(path: KeyPath) -> str:
    """The key that a person wrote: the last name of a path."""
    names = [part for part in path if isinstance(part, str)]
    return names[-1] if names else "configuration"


def _keys_hint(mapping: str) -> str:
    return f"its keys are: {', '.join(_ENTRIES[mapping].model_fields)}" if mapping in _ENTRIES else ""


def _by_place(problem: Problem) -> tuple[str, int, int]:
    return (problem.span.file, problem.span.line, problem.span.column)
