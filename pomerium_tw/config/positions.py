"""Where every key and value of a configuration was written."""

from __future__ import annotations

from collections.abc import Mapping

from policy_grammar import Span

KeyPath = tuple[str | int, ...]
"""Keys and list indices from the top of the configuration to one value."""


class Positions:
    """Map of path → place, for values and for the keys that name them.

    A path that is not recorded (a default, a member of a decoded string) stands where its nearest recorded
    ancestor stands.
    """

    def __init__(
        self,
        values: Mapping[KeyPath, Span] | None = None,
        keys: Mapping[KeyPath, Span] | None = None,
        *,
        whole: Span,
    ) -> None:
        self._values = dict(values or {})
        self._keys = dict(keys or {})
        self._whole = whole

    def value(self, path: KeyPath) -> Span:
        """Place of the value at ``path``."""
        for length in range(len(path), 0, -1):
            if (span := self._values.get(path[:length])) is not None:
                return span
        return self._whole

    def key(self, path: KeyPath) -> Span:
        """Place of the key that names the value at ``path``; of the value where it has no key of its own."""
        return self._keys.get(path) or self.value(path)

    def graft(self, path: KeyPath, branch: Positions) -> None:
        """Put the positions of another source below ``path``, in place of what stood there."""
        self.forget(path)
        self._values[path] = branch._whole
        self._values.update({path + below: span for below, span in branch._values.items()})
        self._keys.update({path + below: span for below, span in branch._keys.items()})
        self._keys[path] = branch._whole

    def forget(self, path: KeyPath) -> None:
        """Drop everything at and below ``path``."""
        size = len(path)
        for table in (self._values, self._keys):
            for stale in [known for known in table if known[:size] == path]:
                del table[stale]
