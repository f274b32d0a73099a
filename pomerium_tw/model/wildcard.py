"""What hosts with stars in them stand for."""

from __future__ import annotations

PRIVATE_ENDS = frozenset({"corp", "home", "internal", "intranet", "lan", "localhost", "private", "test"})
"""Top-level domains that nobody can register in (RFC 6761, RFC 6762 appendix G): their names are those of
the network."""
REGISTRIES = frozenset({"ac", "co", "com", "edu", "gov", "net", "org"})
"""Second-level domains of countries in which names are registered, such as ``co.uk``.

The best known: the whole list is long and changes monthly."""


def in_one_domain(host: str) -> bool:
    """Whether every host that ``host`` stands for, stars and all, lies in one domain of one owner.

    ``*`` and ``*.com`` stand for anybody's hosts; so does ``*example.com``, as for ``my-example.com``.
    """
    if "*" not in host:
        return True
    fixed = host.rpartition("*")[2].partition(".")[2].rstrip(".").split(".")
    if fixed[-1] in PRIVATE_ENDS:
        return True
    within_country = len(fixed[-1]) == 2 and fixed[-2:-1] and fixed[-2] in REGISTRIES
    return len(fixed) >= (3 if within_country else 2)
