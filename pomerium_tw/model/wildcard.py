"""What hosts with stars in them stand for."""

from __future__ import annotations

PRIVATE_ENDS = frozenset(
    {
        "corp",
        "example",
        "home",
        "internal",
        "intra",
        "intranet",
        "invalid",
        "lan",
        "local",
        "localdomain",
        "localhost",
        "mail",
        "onion",
        "private",
        "test",
    }
)
"""Top-level domains that nobody can register in (RFC 2606, RFC 6761, RFC 6762 with its appendix G, RFC 7686;
ICANN keeps ``internal``): their names are those of the network."""
PUBLIC_ENDS = frozenset(
    {
        "app",
        "biz",
        "blog",
        "cloud",
        "club",
        "com",
        "company",
        "dev",
        "digital",
        "info",
        "live",
        "net",
        "online",
        "org",
        "page",
        "pro",
        "shop",
        "site",
        "store",
        "tech",
        "top",
        "website",
        "wiki",
        "work",
        "world",
        "xyz",
    }
)
"""Top-level domains in which anybody registers names, besides those of countries, which have two letters.

The best known: the whole list is long and changes monthly."""
REGISTRIES = frozenset({"ac", "co", "com", "edu", "gov", "net", "org"})
"""Second-level domains of countries in which names are registered, such as ``co.uk``.

The best known, here too."""


def in_one_domain(host: str) -> bool:
    """Whether every host that ``host`` stands for, stars and all, lies in one domain of one owner.

    ``*`` and ``*.com`` stand for anybody's hosts; so does ``*example.com``, as for ``my-example.com``.
    """
    if "*" not in host:
        return True
    end = fixed_end(host)
    if end[-1] in PRIVATE_ENDS:
        return True
    return len(end) >= (3 if _of_registry(end) else 2)


def open_to_anybody(host: str) -> bool:
    """Whether ``host`` is known to stand for hosts of anybody. For some, neither this nor the other holds."""
    end = fixed_end(host)
    known = not host.strip("*.") or end[-1] in PUBLIC_ENDS or len(end[-1]) == 2
    return known and not in_one_domain(host)


def fixed_end(host: str) -> list[str]:
    """The labels that all hosts end with; [""] where they have none in common."""
    return host.rpartition("*")[2].partition(".")[2].rstrip(".").split(".")


def _of_registry(end: list[str]) -> bool:
    return len(end[-1]) == 2 and end[-2:-1] != [] and end[-2] in REGISTRIES
