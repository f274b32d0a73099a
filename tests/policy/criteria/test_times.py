from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from policy_grammar import parse_data, parse_text
from pomerium_tw.model import ANONYMOUS
from pomerium_tw.policy import BUILT_IN, Environment, PolicyError, compile_policy

from ..situations import request

BERLIN = ZoneInfo("Europe/Berlin")


def utc(*parts: int) -> datetime:
    """Year, month, day, hour and so on."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def at(moment: datetime, criterion: str) -> tuple[bool, set[str]]:
    """What ``allow or { criterion }`` says at a moment."""
    environment = Environment(now=moment.timestamp)
    policies = parse_text(f"policy {{ allow or {{ {criterion} }} }}", "t.ppl")
    found = compile_policy(policies, environment=environment).evaluate(request(), ANONYMOUS)
    return found.allow, set(found.allow_reasons)


def matches(moment: datetime, criterion: str) -> bool:
    return at(moment, criterion)[0]


def refusal(criterion: str) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        at(utc(2026, 1, 1), criterion)
    return caught.value


def test_reasons_follow_the_name_and_nobody_is_asked_to_sign_in() -> None:
    monday = utc(2026, 1, 5, 12)
    assert at(monday, 'date after "2026-01-01"') == (True, {"date-ok"})
    assert at(monday, 'date before "2026-01-01"') == (False, {"date-unauthorized"})
    assert at(monday, 'day_of_week "mon"') == (True, {"day-of-week-ok"})
    assert at(monday, 'day_of_week "tue"') == (False, {"day-of-week-unauthorized"})
    assert at(monday, 'time_of_day { timezone "UTC", after "9:00" }') == (True, {"time-of-day-ok"})
    assert at(monday, 'time_of_day { timezone "UTC", after "13:00" }') == (
        False,
        {"time-of-day-unauthorized"},
    )


@pytest.mark.parametrize("name", ["date", "day_of_week", "time_of_day"])
def test_only_time_is_read(name: str) -> None:
    assert BUILT_IN[name].reads == {"time"}


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2020-01-02T16:20:00", utc(2020, 1, 2, 16, 20)),
        ("2020-01-02", utc(2020, 1, 2)),
        ("2020-01-02 16:20", utc(2020, 1, 2, 16, 20)),
        ("2020-01-02T16:20:00Z", utc(2020, 1, 2, 16, 20)),
        ("2020-01-02t16:20:00z", utc(2020, 1, 2, 16, 20)),
        ("2020-01-02T16:20:00+02:00", utc(2020, 1, 2, 14, 20)),
        ("2020-01-02T16:20:00-0530", utc(2020, 1, 2, 21, 50)),
        ("20200102T162000Z", utc(2020, 1, 2, 16, 20)),
        ("2020-W01-4", utc(2020, 1, 2)),
        ("2020-01-02T16:20:00.25", utc(2020, 1, 2, 16, 20, 0, 250_000)),
        ("2024-02-29", utc(2024, 2, 29)),
    ],
)
def test_dates_are_iso_8601_and_utc_without_an_offset(written: str, moment: datetime) -> None:
    step = timedelta(milliseconds=1)
    assert matches(moment + step, f'date after "{written}"')
    assert matches(moment - step, f'date before "{written}"')
    assert not matches(moment, f'date after "{written}"')
    assert not matches(moment, f'date before "{written}"')


@pytest.mark.parametrize(
    "operand",
    [
        '"2023-02-29"',
        '"2020-13-01"',
        '"2020-01-02T24:00"',
        '"2020-01-02+02:00"',
        '"02/01/2020"',
        '"tomorrow"',
        '""',
        "2020",
        '["2020-01-02"]',
    ],
)
def test_what_is_no_date_is_refused_in_its_place(operand: str) -> None:
    error = refusal(f"date after {operand}")
    assert str(error).startswith("t.ppl:1:32: after of date is not a date")
    assert "2026-01-31T16:20:00+01:00" in error.hint


def test_both_ends_of_a_date_hold_together() -> None:
    criterion = 'date { after "2026-01-01", before "2026-02-01" }'
    assert matches(utc(2026, 1, 15), criterion)
    assert not matches(utc(2025, 12, 31), criterion)
    assert not matches(utc(2026, 2, 2), criterion)


@pytest.mark.parametrize(
    ("criterion", "message", "hint"),
    [
        ('date { after "2026-02-01", before "2026-01-01" }', "no date is after and before these two", "swap"),
        ('date { after "2026-02-01", before "2026-02-01" }', "no date is after and before these two", "swap"),
        ("date {}", "date without after or before would always match", "add after"),
        ('date "2026-01-01"', "date requires an object", "write date with after and before inside"),
        ('date untill "2026-01-01"', "unknown date operator: untill", "known here"),
        ('date befor "2026-01-01"', "unknown date operator: befor", "did you mean 'before'?"),
    ],
)
def test_dates_that_say_nothing_are_refused(criterion: str, message: str, hint: str) -> None:
    error = refusal(criterion)
    assert error.message == message
    assert error.hint.startswith(hint)


WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ("*", "mon tue wed thu fri sat sun"),
        ("mon,wed", "mon wed"),
        ("tue-fri", "tue wed thu fri"),
        ("fri-mon", "fri sat sun mon"),
        ("sun-sat", "mon tue wed thu fri sat sun"),
        ("Wednesday", "wed"),
        (" MON - Tuesday , sun ", "mon tue sun"),
        ("sat-sat", "sat"),
        ("mon-tue,thursday-fri", "mon tue thu fri"),
    ],
)
def test_days_are_lists_and_ranges(written: str, days: str) -> None:
    monday = utc(2026, 1, 5, 12)
    found = [
        name
        for number, name in enumerate(WEEK)
        if matches(monday + timedelta(days=number), f'day_of_week "{written}"')
    ]
    assert found == sorted(days.split(), key=WEEK.index)


def test_days_change_at_midnight_utc_or_of_their_own_zone() -> None:
    late_sunday = utc(2026, 7, 5, 23, 30)  # Monday 01:30 in Berlin
    assert matches(late_sunday, 'day_of_week "sun"')
    assert matches(late_sunday, 'day_of_week is "sun"')
    assert matches(late_sunday, 'day_of_week { is "mon", timezone "Europe/Berlin" }')
    assert not matches(late_sunday, 'day_of_week { is "sun", timezone "Europe/Berlin" }')


def test_the_leap_day_is_a_day_of_the_week() -> None:
    leap_day = utc(2024, 2, 29, 12)
    assert matches(leap_day, 'day_of_week "thu"')
    assert not matches(leap_day, 'day_of_week "fri"')
    assert matches(leap_day, 'time_of_day { timezone "UTC", after "11:00", before "13:00" }')


@pytest.mark.parametrize(
    ("operand", "message", "hint"),
    [
        ('"monday-fridy"', "day_of_week knows no day 'monday-fridy'", "did you mean 'monday'?"),
        ('"wendesday"', "day_of_week knows no day 'wendesday'", "did you mean 'wednesday'?"),
        ('"mon-wed-fri"', "day_of_week knows no day 'mon-wed-fri'", "write days such as"),
        ('"mon,"', "day_of_week knows no day ''", "write days such as"),
        ('""', "day_of_week knows no day ''", "write days such as"),
        ('"*,mon"', "day_of_week knows no day '*'", "write days such as"),
        ("5", "day_of_week requires a string", "write days such as"),
        ('["mon"]', "day_of_week requires a string", "write days such as"),
        ('{ timezone "UTC" }', "day_of_week requires days", "add is"),
        ('{ is "mon", zone "UTC" }', "unknown day_of_week operator: zone", "did you mean 'timezone'?"),
    ],
)
def test_what_is_no_day_is_refused(operand: str, message: str, hint: str) -> None:
    error = refusal(f"day_of_week {operand}")
    assert error.message == message
    assert error.hint.startswith(hint)
    assert error.span.line == 1


@pytest.mark.parametrize(
    ("written", "hour", "minute", "second"),
    [
        ("3:04 PM", 15, 4, 0),
        ("3:04PM", 15, 4, 0),
        ("3 PM", 15, 0, 0),
        ("3PM", 15, 0, 0),
        ("3pm", 15, 0, 0),
        ("12 AM", 0, 0, 0),
        ("12:30 AM", 0, 30, 0),
        ("12 PM", 12, 0, 0),
        ("15:04:05", 15, 4, 5),
        ("15:04:05.999999999", 15, 4, 5.999999),
        ("15:04:05.25", 15, 4, 5.25),
        ("15:04", 15, 4, 0),
        ("2:20:00", 2, 20, 0),
    ],
)
def test_times_come_in_all_formats(written: str, hour: int, minute: int, second: float) -> None:
    moment = utc(2026, 1, 5, hour, minute) + timedelta(seconds=second)
    # One microsecond, as the tick of a float of this size is a quarter of one.
    assert matches(moment + timedelta(microseconds=1), f'time_of_day {{ timezone "UTC", after "{written}" }}')
    assert not matches(moment, f'time_of_day {{ timezone "UTC", after "{written}" }}')
    if hour or minute:
        before = f'time_of_day {{ timezone "UTC", before "{written}" }}'
        assert matches(moment - timedelta(microseconds=1), before)
        assert not matches(moment, before)


@pytest.mark.parametrize(
    "operand",
    ['"24:00"', '"0 PM"', '"13 PM"', '"9"', '"9:5"', '"9.30"', '"15:04:60"', '"noon"', '""', "15", "true"],
)
def test_what_is_no_time_is_refused_in_its_place(operand: str) -> None:
    error = refusal(f'time_of_day {{ timezone "UTC", after {operand} }}')
    assert str(error).startswith("t.ppl:1:57: after of time_of_day is not a time of day")
    assert "3:04 PM" in error.hint


def test_times_between_two_are_those_of_one_day() -> None:
    criterion = 'time_of_day { timezone "UTC", after "9:00", before "17:00" }'
    assert [hour for hour in range(24) if matches(utc(2026, 1, 5, hour, 30), criterion)] == [*range(9, 17)]


def test_an_after_that_is_later_than_before_goes_over_midnight() -> None:
    criterion = 'time_of_day { timezone "UTC", after "22:00", before "6:00" }'
    found = [hour for hour in range(24) if matches(utc(2026, 1, 5, hour, 30), criterion)]
    assert found == [0, 1, 2, 3, 4, 5, 22, 23]
    until_midnight = 'time_of_day { timezone "UTC", after "22:00", before "0:00" }'
    assert [hour for hour in range(24) if matches(utc(2026, 1, 5, hour, 30), until_midnight)] == [22, 23]


NIGHT = 'time_of_day { timezone "Europe/Berlin", after "2:00", before "3:00" }'


def minutes_of(criterion: str, start: datetime, hours: int) -> int:
    """Minutes after ``start`` (UTC) whose middle matches."""
    return sum(
        matches(start + timedelta(minutes=minute, seconds=30), criterion) for minute in range(hours * 60)
    )


def test_an_hour_that_daylight_saving_repeats_matches_twice() -> None:
    # On 2026-10-25 clocks in Berlin went from 03:00 CEST back to 02:00 CET, at 01:00 UTC.
    assert minutes_of(NIGHT, utc(2026, 10, 24, 22), 6) == 120
    assert matches(datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=0), NIGHT)
    assert matches(datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1), NIGHT)
    late = 'time_of_day { timezone "Europe/Berlin", after "2:30", before "3:00" }'
    assert minutes_of(late, utc(2026, 10, 24, 22), 6) == 60


def test_an_hour_that_daylight_saving_leaves_out_never_comes() -> None:
    # On 2026-03-29 clocks in Berlin went from 02:00 CET on to 03:00 CEST, at 01:00 UTC.
    assert minutes_of(NIGHT, utc(2026, 3, 28, 22), 6) == 0
    assert minutes_of(NIGHT, utc(2026, 3, 27, 22), 6) == 60
    from_within = 'time_of_day { timezone "Europe/Berlin", after "2:30", before "4:00" }'
    assert minutes_of(from_within, utc(2026, 3, 28, 22), 6) == 60


def test_zones_follow_summer_and_winter() -> None:
    office = 'time_of_day { timezone "America/New_York", after "9 AM", before "5 PM" }'
    assert matches(utc(2026, 7, 1, 13, 30), office)
    assert not matches(utc(2026, 1, 5, 13, 30), office)
    phoenix = office.replace("New_York", "Phoenix")
    assert matches(utc(2026, 7, 1, 16, 30), phoenix)
    assert matches(utc(2026, 1, 5, 16, 30), phoenix)


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        ('{ timezone "UTC" }', "time_of_day without after or before would always match", "add after"),
        ('{ after "9:00" }', "time_of_day requires a timezone", "add timezone"),
        ('{ timezone "UTC", after "9:00", before "9 AM" }', "no time of day is between these two", "widen"),
        ('{ timezone "UTC", before "12 AM" }', "no time of day is between these two", "widen"),
        ('"9:00"', "time_of_day requires an object", "write time_of_day with timezone, after and before"),
        ('{ timezone "UTC", since "9:00" }', "unknown time_of_day operator: since", "known here"),
        (
            '{ timezone "Europe/Berln", after "9:00" }',
            "time_of_day knows no timezone 'Europe/Berln'",
            "did you mean 'Europe/Berlin'?",
        ),
        (
            '{ timezone "europe/berlin", after "9:00" }',
            "time_of_day knows no timezone 'europe/berlin'",
            "did you mean 'Europe/Berlin'?",
        ),
        (
            '{ timezone "../../etc/passwd", after "9:00" }',
            "time_of_day knows no timezone '../../etc/passwd'",
            "write a name",
        ),
        ('{ timezone "localtime", after "9:00" }', "time_of_day knows no timezone 'localtime'", ""),
        (
            '{ timezone "", after "9:00" }',
            "time_of_day knows no timezone ''",
            "write a name of the IANA list",
        ),
        ('{ timezone 1, after "9:00" }', "timezone requires a string", "write a name of the IANA list"),
    ],
)
def test_times_of_day_that_say_nothing_are_refused(data: str, message: str, hint: str) -> None:
    error = refusal(f"time_of_day {data}")
    assert error.message == message
    assert error.hint.startswith(hint)
    assert error.span.line == 1


def test_a_deny_holds_at_its_hours() -> None:
    rules = {
        "deny": {"and": [{"day_of_week": "sat,sun"}, {"time_of_day": {"timezone": "UTC", "after": "22:00"}}]}
    }
    policies = [parse_data(rules)]

    def denied(moment: datetime) -> bool:
        environment = Environment(now=moment.timestamp)
        return compile_policy(policies, environment=environment).evaluate(request(), ANONYMOUS).deny

    assert denied(utc(2026, 1, 4, 23))
    assert not denied(utc(2026, 1, 4, 21))
    assert not denied(utc(2026, 1, 5, 23))


def test_zones_are_known_on_machines_without_them() -> None:
    program = (
        "from tests.policy.criteria.test_times import NIGHT, matches, utc\n"
        "assert matches(utc(2026, 7, 1, 0, 30), NIGHT)\n"
    )
    environ = {**os.environ, "PYTHONTZPATH": ""}
    subprocess.run([sys.executable, "-c", program], env=environ, check=True)
