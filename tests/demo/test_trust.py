"""The commands that make programs trust the CA can be pasted into a shell."""

from __future__ import annotations

import shlex
from pathlib import Path

from pomerium_tw.demo.trust import trust_instructions


def test_odd_paths_stay_one_word() -> None:
    ca_file = Path("/tmp/it's a folder/ca.pem")
    instructions = trust_instructions(ca_file, "https://public.localhost:8443")
    assert len(instructions) == 5
    for program, command in instructions:
        assert str(ca_file) in shlex.split(command), program
