"""``python -m pomerium_tw.cli``: the command without an install."""

from . import main

main(prog_name="pomerium-tw")
