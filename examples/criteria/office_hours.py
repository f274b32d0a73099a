"""Two words for policies: one of the time, one of the caller."""

from datetime import UTC, datetime
from fnmatch import fnmatchcase

from pomerium_tw.policy import criterion


@criterion("weekend")
def weekend(now):
    return datetime.fromtimestamp(now, UTC).weekday() >= 5


def patterns(data):
    """One pattern or a list of them; what else a policy says is an error where it says so."""
    listed = data if isinstance(data, list) else [data]
    if not all(isinstance(each, str) for each in listed):
        raise ValueError("write texts, such as *@*.example.com")
    return tuple(listed)


@criterion("email_matches", parse=patterns, accepts="a pattern with * and ?, or a list of them")
def email_matches(identity, data):
    return any(fnmatchcase(identity.email, pattern) for pattern in data)
