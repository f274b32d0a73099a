from __future__ import annotations

from dataclasses import replace

import pytest

from bench import report
from bench.bars import BARS, KILOBYTES, medians, memory_verdict, ratio, rows, verdict, verdicts
from bench.hits import Hits
from bench.load import Case, Repetition
from bench.memory import Footprint, connections
from bench.peers import NGINX_AUTH, OURS
from bench.rows import spread

WARM = next(bar for bar in BARS if bar.ours == Case("http", "warm", OURS))
P99 = next(bar for bar in BARS if bar.what == "p99")
CPU = next(bar for bar in BARS if bar.what == "cpu")
OURS_WARM, NGINX_WARM = Case("http", "warm", OURS), Case("http", "warm", NGINX_AUTH)


def repetition(case: Case, rate: float = 1000.0, **more: object) -> Repetition:
    plain = Repetition(
        case=case,
        requests=int(rate),
        rate=rate,
        cpu_us=100.0,
        bytes_each=1200.0,
        p50_ms=1.0,
        p99_ms=2.0,
        late_ms=None,
        proxy_core_busy=0.99,
        load_core_busy=0.5,
        foreign_proxy_core=0.0,
        foreign_load_core=0.0,
        hits=None,
        faults=(),
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def test_a_bar_is_met_at_its_factor_and_not_below() -> None:
    for rate, met in ((1000.0, True), (999.0, False)):
        found = rows([repetition(OURS_WARM, rate), repetition(NGINX_WARM, 1000.0)])
        assert verdict(WARM, found).met is met


def test_latency_and_cost_must_not_be_higher() -> None:
    for bar, key in ((P99, "p99_ms"), (CPU, "cpu_us")):
        for value, met in ((100.0 * bar.factor, True), (100.0 * bar.factor + 0.1, False)):
            found = rows([repetition(bar.ours, **{key: value}), repetition(bar.peer, **{key: 100.0})])
            assert verdict(bar, found).met is met


def test_a_peer_that_the_load_could_not_fill_is_compared_by_cpu() -> None:
    ours = medians([repetition(OURS_WARM, 1000.0, cpu_us=100.0)])
    free = medians([repetition(NGINX_WARM, 1000.0, cpu_us=40.0)])
    bound = medians([repetition(NGINX_WARM, 1000.0, cpu_us=40.0, load_core_busy=0.99, proxy_core_busy=0.4)])
    assert ours
    assert free
    assert bound
    assert ratio(ours, free) == (1.0, "")
    assert ratio(ours, bound) == (0.4, "by CPU")


def test_a_lower_bound_of_ours_is_not_made_better() -> None:
    ours = medians([repetition(OURS_WARM, 1000.0, cpu_us=10.0, load_core_busy=0.99, proxy_core_busy=0.4)])
    peer = medians([repetition(NGINX_WARM, 1000.0, cpu_us=40.0, load_core_busy=0.99, proxy_core_busy=0.4)])
    assert ours
    assert peer
    assert ratio(ours, peer) == (1.0, "")


def test_a_wrong_answer_is_never_counted() -> None:
    found = medians([repetition(OURS_WARM, 9000.0, faults=("x",)), repetition(OURS_WARM, 1000.0)])
    assert found
    assert (found.rate, found.kept, found.dropped) == (1000.0, 1, 1)
    assert medians([repetition(OURS_WARM, 9000.0, faults=("x",))]) is None
    nothing = rows([repetition(OURS_WARM, 9000.0, faults=("x",)), repetition(NGINX_WARM)])
    assert verdict(WARM, nothing).met is None


def test_disturbed_repetitions_count_only_where_there_are_no_others() -> None:
    loud = repetition(OURS_WARM, 500.0, foreign_load_core=0.2)
    quiet = medians([loud, repetition(OURS_WARM, 1000.0)])
    assert quiet
    assert (quiet.rate, quiet.disturbed) == (1000.0, False)
    only = medians([loud])
    assert only
    assert (only.rate, only.disturbed) == (500.0, True)


def test_shares_of_hits_are_medians_too() -> None:
    found = medians([repetition(OURS_WARM, hits=Hits(share, 1.0, 0.0)) for share in (0.1, 0.2, 0.9)])
    assert found
    assert found.hits == (0.2, 1.0, 0.0)


@pytest.mark.parametrize("kind", sorted(KILOBYTES))
def test_memory_is_measured_in_units_of_1024(kind: str) -> None:
    limit = KILOBYTES[kind] * 1024
    assert memory_verdict(Footprint(kind, 10_000, limit)).met is True
    assert memory_verdict(Footprint(kind, 10_000, limit + 1)).met is False
    missing = memory_verdict(Footprint(kind, 10_000, None, "refused"))
    assert missing.met is None
    assert "not measured: refused" in missing.ours


def test_a_websocket_takes_two_files_of_the_proxy() -> None:
    assert connections(60_000, "websocket") == connections(60_000, "plain") == 10_000
    assert connections(20_000, "websocket") < 10_000 == connections(20_000, "plain")


def test_only_rows_that_were_tried_are_told() -> None:
    told = verdicts(rows([repetition(OURS_WARM), repetition(NGINX_WARM)]), [Footprint("tls", 1, 1.0)])
    assert {each.title for each in told} == {
        *(bar.title for bar in BARS if bar.ours.row == "http"),
        memory_verdict(Footprint("tls", 1, 1.0)).title,
    }


def test_the_report_shows_ratio_bar_and_whether_it_was_met() -> None:
    done = [repetition(OURS_WARM, 800.0, hits=Hits(0.5, 0.25, 0.125)), repetition(NGINX_WARM, 1000.0)]
    text = report.markdown(done, [Footprint("plain", 10_000, 3 * 1024)], {"cores": 2})
    assert (
        "| ≥ 1 × nginx `auth_request` | 800/s, 100 µs CPU | 1,000/s, 100 µs CPU | 0.80 | **not met** |"
        in text
    )
    assert "| 50.0% | 25.0% | 12.5% |" in text
    assert "| ≤ 4 KB | 3.0 KB |  |  | met |" in text


def test_the_report_says_why_something_was_dropped() -> None:
    done = [repetition(OURS_WARM, faults=("7 read errors",)), repetition(NGINX_WARM, foreign_load_core=0.3)]
    text = report.markdown(done, [], {})
    assert "7 read errors" in text
    assert "others took 30% to 30% of a core in 1 of 1" in text
    assert not report.complete(done, [])


def test_the_wanted_hosts_are_spread_over_many_routes() -> None:
    hosts = spread(("a.localhost", "b.localhost"), 10)
    assert len(set(hosts)) == 10
    assert (hosts.index("a.localhost"), hosts.index("b.localhost")) == (4, 9)
    assert spread(("a.localhost", "b.localhost"), 2) == ["a.localhost", "b.localhost"]
