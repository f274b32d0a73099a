"""``python -m tests.fuzz head|chunks [options of libFuzzer] [folders of inputs]``: one by coverage."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["pomerium_tw.proxy"]):
    from tests.fuzz.properties import chunks_mean_one_thing, head_is_strict

PROPERTIES = {"head": head_is_strict, "chunks": chunks_mean_one_thing}

chosen = PROPERTIES[sys.argv.pop(1)]
atheris.Setup(sys.argv, chosen)
atheris.Fuzz()
