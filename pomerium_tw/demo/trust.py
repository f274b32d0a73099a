"""How to make programs trust the demo's CA: exact commands."""

from __future__ import annotations

import shlex
from pathlib import Path

_NAME = "pomerium-tw-demo"


def trust_instructions(ca_file: Path, example_url: str) -> tuple[tuple[str, str], ...]:
    """Pairs of program and command; each command can be pasted into a shell as it stands."""
    ca = shlex.quote(str(ca_file))
    import_nss = f"certutil -A -n {_NAME} -t C,, -i {ca} -d"
    return (
        ("curl", f"curl --cacert {ca} {example_url}/"),
        (
            "Chromium, Chrome on Linux (certutil is in Debian's libnss3-tools)",
            f'mkdir -p "$HOME/.pki/nssdb" && {import_nss} sql:"$HOME/.pki/nssdb"',
        ),
        (
            "Firefox",
            f'for profile in "$HOME"/.mozilla/firefox/*.default*; do {import_nss} sql:"$profile"; done',
        ),
        (
            "Debian, Ubuntu",
            f"sudo cp {ca} /usr/local/share/ca-certificates/{_NAME}.crt && sudo update-ca-certificates",
        ),
        (
            "macOS",
            f'security add-trusted-cert -r trustRoot -k "$HOME/Library/Keychains/login.keychain-db" {ca}',
        ),
    )
