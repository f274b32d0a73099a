from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from policy_grammar import parse_data, parse_text
from pomerium_tw.model import ANONYMOUS, Identity
from pomerium_tw.policy import (
    BUILT_IN,
    Environment,
    ExternalData,
    ICheckedCriterion,
    PolicyError,
    compile_policy,
)

from ..situations import identity, request

STAFF = "example.com/staff"
PLACES = "pomerium.io/GeoIP"
FIELDS: Mapping[str, Any] = {
    "id": "u1",
    "department": "Marketing",
    "teams": ["red", "blue"],
    "one": ["red"],
    "empty": [],
    "level": 5,
    "score": "7.5",
    "active": True,
    "nothing": None,
    "nothings": [None],
    "address": {"city": "Bonn", "geo": {"zip": "53111"}},
    "a.b": "exact",
    "a": {"b": "nested"},
    "mixed": ["x", 5, True, {"deep": 1}],
}


@dataclass
class Source:
    record_type: str
    foreign_key: str
    records: Mapping[Any, Mapping[str, Any]]


WORLD = Environment(
    records=ExternalData(
        [
            Source(STAFF, "user.id", {"u1": FIELDS}),
            Source(
                PLACES, "request.ip", {ip_network("192.0.2.0/24"): {"id": "192.0.2.0/24", "country": "US"}}
            ),
        ]
    )
)


def ask(data: Any, caller: Identity = ANONYMOUS) -> tuple[bool, set[str]]:
    policies = [parse_data({"allow": {"or": [{"record": data}]}})]
    found = compile_policy(policies, environment=WORLD).evaluate(request(), caller)
    return found.allow, set(found.allow_reasons)


def meets(field: str, **operators: Any) -> bool:
    signs = {"lt": "<", "le": "<=", "eq": "=", "gt": ">", "ge": ">=", "in_": "in", "not_": "not", "is_": "is"}
    data = {"type": STAFF, "field": field} | {
        signs.get(name, name): value for name, value in operators.items()
    }
    return ask(data, identity("u1"))[0]


def refusal(data: Any, environment: Environment = WORLD) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        compile_policy([parse_data({"allow": {"or": [{"record": data}]}})], environment=environment)
    return caught.value


def test_it_is_a_criterion_that_is_checked() -> None:
    assert verifyObject(ICheckedCriterion, BUILT_IN["record"])


def test_a_record_that_belongs_to_a_user_needs_a_session() -> None:
    data = {"type": STAFF, "field": "department", "is": "Marketing"}
    assert ask(data, identity("u1")) == (True, {"record-ok"})
    assert ask(data, identity("u2")) == (False, {"record-unauthorized"})
    assert ask(data) == (False, {"user-unauthenticated"})


def test_a_record_that_belongs_to_an_address_needs_none() -> None:
    assert ask({"type": PLACES, "field": "country", "is": "US"}) == (True, {"record-ok"})
    assert ask({"type": PLACES, "field": "country", "is": "CN"}) == (False, {"record-unauthorized"})


@pytest.mark.parametrize(
    ("field", "operators"),
    [
        ("department", {"is_": "Marketing"}),
        ("department", {"not_": "Sales"}),
        ("department", {"contains": "ket"}),
        ("department", {"starts_with": "Mark"}),
        ("department", {"ends_with": "ing"}),
        ("department", {"in_": ["Sales", "Marketing"]}),
        ("department", {"not_in": ["Sales"]}),
        ("department", {"has": "Marketing"}),
        ("department", {"exclude": "Sales"}),
        ("level", {"is_": 5}),
        ("level", {"not_": "5"}),
        ("level", {"not_": 6}),
        ("active", {"is_": True}),
        ("active", {"not_": 1}),
        ("active", {"not_": False}),
        ("level", {"ge": 5, "lt": 5.5}),
        ("level", {"gt": 4, "le": 5, "eq": 5}),
        ("score", {"gt": 7, "lt": 8}),
        ("address.city", {"is_": "Bonn"}),
        ("address.geo.zip", {"ge": 53000}),
        ("a.b", {"is_": "exact"}),
        ("id", {"contains": ""}),
    ],
)
def test_one_value_meets_an_operator(field: str, operators: dict[str, Any]) -> None:
    assert meets(field, **operators)


@pytest.mark.parametrize(
    ("field", "operators"),
    [
        ("department", {"is_": "marketing"}),
        ("department", {"not_": "Marketing"}),
        ("department", {"contains": "xyz"}),
        ("department", {"starts_with": "ing"}),
        ("department", {"ends_with": "Mark"}),
        ("department", {"in_": []}),
        ("department", {"not_in": ["Marketing"]}),
        ("department", {"has": "Sales"}),
        ("department", {"exclude": "Marketing"}),
        ("department", {"is_": "Marketing", "ends_with": "x"}),
        ("level", {"is_": "5"}),
        ("level", {"is_": True}),
        ("level", {"not_": 5.0}),
        ("level", {"contains": "5"}),
        ("level", {"starts_with": "5"}),
        ("active", {"is_": 1}),
        ("active", {"is_": "true"}),
        ("active", {"not_": True}),
        ("level", {"lt": 5}),
        ("level", {"gt": 5}),
        ("level", {"eq": 5.5}),
        ("active", {"eq": 1}),
        ("active", {"ge": 0}),
        ("department", {"ge": 0}),
        ("score", {"lt": 7}),
        ("address", {"not_": "x"}),
        ("address.geo", {"not_": "x"}),
    ],
)
def test_one_value_does_not_meet_an_operator(field: str, operators: dict[str, Any]) -> None:
    assert not meets(field, **operators)


@pytest.mark.parametrize(
    ("field", "operators", "met"),
    [
        ("teams", {"has": "red"}, True),
        ("teams", {"has": "green"}, False),
        ("teams", {"is_": "red"}, False),
        ("one", {"is_": "red"}, True),
        ("teams", {"exclude": "red"}, False),
        ("teams", {"exclude": "green"}, True),
        ("teams", {"starts_with": "bl"}, True),
        ("teams", {"starts_with": "bl", "ends_with": "ue"}, True),
        # One value has to meet all of them.
        ("teams", {"starts_with": "bl", "ends_with": "ed"}, False),
        ("teams", {"not_": "red"}, True),
        ("one", {"not_": "red"}, False),
        ("teams", {"not_in": ["red"]}, True),
        ("teams", {"not_in": ["red", "blue"]}, False),
        ("teams", {"has": "red", "starts_with": "bl"}, True),
        ("mixed", {"has": 5}, True),
        ("mixed", {"has": "5"}, False),
        ("mixed", {"gt": 4}, True),
        ("mixed", {"gt": 5}, False),
        # A list that is there and empty has nothing to compare, and nothing to exclude.
        ("empty", {"has": "red"}, False),
        ("empty", {"not_": "red"}, False),
        ("empty", {"exclude": "red"}, True),
        ("empty", {"exists": True}, True),
        ("nothings", {"not_": "red"}, False),
    ],
)
def test_lists(field: str, operators: dict[str, Any], met: bool) -> None:
    assert meets(field, **operators) is met


OPERATORS: dict[str, Any] = {
    "is": "x",
    "not": "x",
    "contains": "",
    "starts_with": "",
    "ends_with": "",
    "in": ["x"],
    "not_in": ["x"],
    "has": "x",
    "exclude": "x",
    "<": 9,
    "<=": 9,
    "=": 0,
    ">": -9,
    ">=": -9,
    "exists": True,
}


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(
    "caller", [identity("u1"), identity("u2"), ANONYMOUS], ids=["field", "record", "session"]
)
def test_what_is_missing_meets_no_operator(operator: str, caller: Identity) -> None:
    for field in ("unknown", "nothing", "address.unknown", "department.name"):
        assert not ask({"type": STAFF, "field": field, operator: OPERATORS[operator]}, caller)[0]


def test_every_operator_is_known() -> None:
    assert set(BUILT_IN["record"].schema["properties"]) == {"type", "field", *OPERATORS}


def test_existence_of_records() -> None:
    assert ask({"type": STAFF, "exists": True}, identity("u1"))[0]
    assert not ask({"type": STAFF, "exists": True}, identity("u2"))[0]
    assert ask({"type": STAFF, "exists": True}) == (False, {"user-unauthenticated"})
    assert not ask({"type": STAFF, "exists": False}, identity("u1"))[0]
    assert ask({"type": STAFF, "exists": False}, identity("u2")) == (True, {"record-ok"})
    # The match comes first and needs no session by itself, as everywhere.
    assert ask({"type": STAFF, "exists": False}) == (True, {"record-ok"})


def test_existence_of_fields() -> None:
    assert meets("department", exists=True)
    assert not meets("department", exists=False)
    assert meets("nothing", exists=False)
    assert meets("unknown", exists=False)
    assert meets("department", exists=True, is_="Marketing")


@pytest.mark.parametrize("text", ["5", "-5", "5.25", "1e3", "0"])
def test_texts_that_are_numbers_compare(text: str) -> None:
    with_text = Source("t", "request.ip", {ip_network("0.0.0.0/0"): {"n": text}})
    environment = Environment(records=ExternalData([with_text]))
    policies = parse_text(f'policy {{ allow or {{ record {{ type "t", field "n", = {text} }} }} }}', "t.ppl")
    assert compile_policy(policies, environment=environment).evaluate(request(), ANONYMOUS).allow


@pytest.mark.parametrize(
    "text", ["", " 5", "5 ", "5,0", "0x5", "5 %", "1_000", "inf", "nan", "٥", "5.", ".5", "+5", "1" * 101]
)
def test_texts_that_are_not_wholly_a_number_do_not(text: str) -> None:
    with_text = Source("t", "request.ip", {ip_network("0.0.0.0/0"): {"n": text}})
    environment = Environment(records=ExternalData([with_text]))
    policies = [parse_data({"allow": {"or": [{"record": {"type": "t", "field": "n", ">": -9}}]}})]
    assert not compile_policy(policies, environment=environment).evaluate(request(), ANONYMOUS).allow


def test_large_numbers_compare_exactly() -> None:
    with_text = Source("t", "request.ip", {ip_network("0.0.0.0/0"): {"n": "9007199254740993"}})
    environment = Environment(records=ExternalData([with_text]))
    for number, equal in ((2**53, False), (2**53 + 1, True)):
        policies = [parse_data({"allow": {"or": [{"record": {"type": "t", "field": "n", "=": number}}]}})]
        assert compile_policy(policies, environment=environment).evaluate(request(), ANONYMOUS).allow is equal


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        ("US", "record requires an object", "write record with type"),
        ({}, "record requires a type", "add type"),
        ({"field": "f", "is": "x"}, "record requires a type", "add type"),
        ({"type": STAFF}, "record without an operator would match everybody", "add exists"),
        ({"type": STAFF, "field": "f"}, "record without an operator would match everybody", "add exists"),
        ({"type": STAFF, "is": "x"}, "record requires a field to compare", "add field"),
        ({"type": 5, "exists": True}, "type of record requires a name", ""),
        ({"type": "", "exists": True}, "type of record requires a name", ""),
        ({"type": STAFF, "field": "", "is": "x"}, "field of record requires a name", ""),
        ({"type": STAFF, "exists": "true"}, "exists of record requires true or false", ""),
        (
            {"type": STAFF, "field": "f", "exists": False, "is": "x"},
            "nothing that does not exist meets another operator",
            "",
        ),
        (
            {"type": STAFF, "field": "f", "start_with": "x"},
            "unknown record operator: start_with",
            "did you mean 'starts_with'?",
        ),
        ({"type": STAFF, "field": "f", "==": 5}, "unknown record operator: ==", "did you mean '='?"),
        ({"type": STAFF, "field": "f", ">": "5"}, "> of record requires a number", "take the quotes away"),
        ({"type": STAFF, "field": "f", "=": True}, "= of record requires a number", ""),
        ({"type": STAFF, "field": "f", "contains": 5}, "contains of record requires a string", ""),
        ({"type": STAFF, "field": "f", "in": "x"}, "in of record requires an array of strings", ""),
        (
            {"type": STAFF, "field": "f", "not_in": ["x", 5]},
            "not_in of record requires an array of strings",
            "",
        ),
        (
            {"type": STAFF, "field": "f", "not": None},
            "not of record requires a string, a number or a boolean",
            "",
        ),
        (
            {"type": STAFF, "field": "f", "has": ["x"]},
            "has of record requires a string, a number or a boolean",
            "write one",
        ),
        (
            {"type": "example.com/staf", "exists": True},
            "there are no records of the type 'example.com/staf'",
            "did you mean 'example.com/staff'?",
        ),
    ],
)
def test_what_says_nothing_is_refused(data: Any, message: str, hint: str) -> None:
    error = refusal(data)
    assert error.message == message
    assert error.hint.startswith(hint)


def test_types_are_checked_where_they_are_known() -> None:
    data = {"type": "example.com/other", "exists": True}
    nothing = refusal(data, Environment(records=ExternalData()))
    assert nothing.hint == "name its file under external_data"
    policy = compile_policy([parse_data({"allow": {"or": [{"record": data}]}})])
    assert not policy.evaluate(request(), identity("u1")).allow


def test_errors_name_their_place() -> None:
    text = 'policy {\n  allow or {\n    record { type "nowhere", exists true }\n  }\n}\n'
    with pytest.raises(PolicyError) as caught:
        compile_policy(parse_text(text, "t.ppl"), environment=WORLD)
    assert str(caught.value.span) == "t.ppl:3:19"


def test_records_that_fail_deny() -> None:
    class Broken(ExternalData):
        def find(self, *_: object) -> None:
            raise RuntimeError

    world = Environment(records=Broken([Source(STAFF, "user.id", {})]))
    data = {"type": STAFF, "exists": False}
    policies = [parse_data({"allow": {"or": [{"accept": True}, {"record": data}]}})]
    found = compile_policy(policies, environment=world).evaluate(request(), ANONYMOUS)
    assert found.deny


def test_a_record_is_looked_for_once_however_many_criteria_ask() -> None:
    asked: list[str] = []

    class Counting(ExternalData):
        def find(self, record_type: str, *rest: Any) -> Any:
            asked.append(record_type)
            return super().find(record_type, *rest)

    world = Environment(records=Counting([Source(STAFF, "user.id", {"u1": FIELDS})]))
    criteria = [{"record": {"type": STAFF, "field": name, "has": "x"}} for name in ("one", "teams")]
    compile_policy([parse_data({"allow": {"or": criteria}})], environment=world).evaluate(
        request(), identity("u1")
    )
    assert asked == [STAFF]
