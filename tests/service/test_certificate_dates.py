"""Certificates that browsers refuse for their dates are told before the first browser comes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from pytest_twisted import ensureDeferred
from twisted.internet import reactor as installed
from twisted.logger import formatEvent, globalLogPublisher

from pomerium_tw.config import load
from pomerium_tw.service import check, make_service
from pomerium_tw.telemetry import LineWriter
from tests.logs import AtOnce

FIRST, LAST = datetime(2026, 1, 2, 3, 4, tzinfo=UTC), datetime(2026, 4, 2, 3, 4, tzinfo=UTC)
EXPIRED = "the certificate expired on 2026-04-02 03:04 UTC"
EARLY = "the certificate is not valid before 2026-01-02 03:04 UTC"
CONFIGURATION = """\
address: 127.0.0.1:0
databroker_storage_type: memory
certificates:
  - {cert: chain.pem, key: key.pem}
routes:
  - {from: https://a.example.com, to: http://a, allow_public_unauthenticated_access: true}
"""
reactor: Any = installed


def issue(folder: Path, first: datetime, last: datetime) -> None:
    issued = trustme.CA().issue_cert("a.example.com", not_before=first, not_after=last)
    issued.cert_chain_pems[0].write_to_path(folder / "chain.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    issue(tmp_path, FIRST, LAST)
    path = tmp_path / "c.yaml"
    path.write_text(CONFIGURATION, "utf-8")
    return path


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (FIRST.timestamp() - 1, EARLY),
        (FIRST.timestamp(), None),
        (LAST.timestamp(), None),
        (LAST.timestamp() + 1, EXPIRED),
    ],
)
def test_a_check_tells_by_the_clock_it_is_given(file: Path, now: float, message: str | None) -> None:
    found = check(load(file, {}), lambda: now)
    assert found.problems == ()
    dates = [(each.span.line, each.message) for each in found.warnings if "the certificate" in each.message]
    assert dates == ([(4, message)] if message else [])


def test_a_faulty_configuration_has_the_warning_too(file: Path) -> None:
    file.write_text(CONFIGURATION + "signing_key: LS0tLS1CRUdJTiBYLS0tLS0=\n", "utf-8")
    found = check(load(file, {}), lambda: LAST.timestamp() + 1)
    assert found.problems
    assert EXPIRED in [each.message for each in found.warnings]


@ensureDeferred
async def test_start_and_reload_tell_too(file: Path) -> None:
    issue(file.parent, datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC))
    said: list[str] = []

    def observer(event: Any) -> None:
        said.append(formatEvent(event))

    service = make_service(str(file), {}, LineWriter(AtOnce(1, lambda _fd, data: len(data)), reactor))
    globalLogPublisher.addObserver(observer)
    try:
        service.startService()
        await service.ready
        assert await service.reload() == ()
    finally:
        globalLogPublisher.removeObserver(observer)
        await service.stopService()
    message = f"{file}:4:5: the certificate expired on 2021-01-01 00:00 UTC"
    told = [each.partition(" (browsers")[0] for each in said if "expired" in each]
    assert told == [message, f"reload: {message}"]
