"""The canonical form of a policy file or a YAML configuration; whatever it would lose is an error."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from policy_grammar import (
    ACTIONS,
    Document,
    PolicySyntaxError,
    Span,
    comment_lines,
    has_document_keys,
    nearest,
    to_document_data,
    to_text,
    to_yaml,
)
from pomerium_tw.config import (
    Notation,
    has_anchors,
    is_key,
    parse_policy_document,
    read_layout,
    read_policy_data,
)

from .sources import Source

_PASSES = 3
"""Times that a configuration is written at most until writing it again changes nothing."""


def parsed(source: Source) -> Document:
    """The policy document of a text, comments included. Raises PolicySyntaxError."""
    return parse_policy_document(source.text, source.name, source.notation, comments=True)


def canonical(source: Source) -> str:
    """The canonical form of a text in its own notation. Raises PolicySyntaxError."""
    if source.notation == "ppl":
        return written(parsed(source), "ppl", source)
    data, _ = read_policy_data(source.text, source.name, source.notation)
    if source.notation == "json":
        return _json(source, data)
    if is_policy(data) and not has_anchors(source.text):
        return written(parsed(source), "yaml", source)
    return _laid_out(source, data)


def is_policy(data: Any) -> bool:
    """Whether YAML data is a policy document, in place of a configuration."""
    if not isinstance(data, Mapping):
        return True
    if not data or has_document_keys(data) or any(action in data for action in ACTIONS):
        return True
    # A misspelt word is no key of a configuration, and near to one of ours.
    return all(not is_key(str(key)) and nearest(str(key), ACTIONS) for key in data)


def written(document: Document, notation: Notation, source: Source) -> str:
    """The document in a notation, once it has been seen to read back as the same one."""
    text = to_text(document) if notation == "ppl" else _yaml(document, source)
    again = parse_policy_document(text, source.name, notation, comments=True)
    if again != document or comment_lines(again) != comment_lines(document):
        raise _lossy(source, "what it says")
    return text


def _yaml(document: Document, source: Source) -> str:
    try:
        return to_yaml(document)
    except PolicySyntaxError as error:
        raise error.with_source(source.text) from None


def _json(source: Source, data: Any) -> str:
    """JSON in one layout; a policy in the shape that YAML has as well."""
    shaped = to_document_data(parsed(source)) if is_policy(data) else data
    text = json.dumps(shaped, indent=2, ensure_ascii=False)
    if not text.replace("\n", "").isprintable():
        text = json.dumps(shaped, indent=2)
    again, _ = read_policy_data(text, source.name, "json")
    if not _same(again, shaped):
        raise _lossy(source, "the value of a key")
    return text + "\n"


def _laid_out(source: Source, data: Any) -> str:
    """YAML with regular indentation and blanks; order, comments, anchors and scalars stay as written."""
    text, previous = source.text.replace("\r\n", "\n"), ""
    for _ in range(_PASSES):
        if text == previous:
            break
        previous, text = text, _round_trip(text, source, isinstance(data, list))
    if text != previous and _round_trip(text, source, isinstance(data, list)) != text:
        raise _lossy(source, "its layout")
    again, _ = read_policy_data(text, source.name, "yaml")
    if not _same(again, data):
        raise _lossy(source, "the value of a key")
    if _comments(text) != _comments(source.text):
        raise _lossy(source, "a comment")
    return text


def _comments(text: str) -> Counter[str]:
    return Counter(found.text for found in read_layout(text).comments)


def _same(one: Any, other: Any) -> bool:
    """Equal, the order of keys and the types of numbers counted."""
    return json.dumps(one) == json.dumps(other)


def _lossy(source: Source, what: str) -> PolicySyntaxError:
    message = f"formatting would not keep {what}; the file is left as it is"
    return PolicySyntaxError(message, Span(source.name))


def _round_trip(text: str, source: Source, listed: bool) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.nodes import ScalarNode
    from ruamel.yaml.resolver import VersionedResolver

    class AsWritten(VersionedResolver):
        """Takes every plain scalar for text, so that none is written in another way than it was."""

        def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
            if kind is ScalarNode and value != "<<":
                return self.DEFAULT_SCALAR_TAG
            return super().resolve(kind, value, implicit)

    yaml = YAML(typ="rt")
    yaml.Resolver = AsWritten
    yaml.preserve_quotes = True
    yaml.width = 1 << 30
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    if not listed:
        yaml.indent(mapping=2, sequence=4, offset=2)  # would shift a list at the top as well
    out = io.StringIO()
    try:
        yaml.dump(yaml.load(text), out)
    except (YAMLError, NotImplementedError) as error:
        raise _lossy(source, str(error).partition("\n")[0]) from None
    return out.getvalue()
