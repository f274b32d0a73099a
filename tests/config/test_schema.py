"""The schema of configurations takes what loads, and knows what the reference knows."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
from jsonschema import Draft7Validator
from pydantic import BaseModel, PlainValidator, ValidationError

from pomerium_tw.config import RouteSettings, Settings, choices, route_settings
from pomerium_tw.config.flags import RUNTIME_FLAGS
from pomerium_tw.config.reference import GLOBAL, ROUTE, Key, Status
from pomerium_tw.config.schema import config_schema
from pomerium_tw.config.shapes import any_case, shape_of
from pomerium_tw.config.yaml_source import read_yaml
from pomerium_tw.policy import BUILT_IN, policy_schema

from .conftest import Load, pem_pair

ROOT = Path(__file__).parent.parent.parent
POLICY = policy_schema(BUILT_IN)
SCHEMA = config_schema(POLICY)
VALIDATOR = Draft7Validator(SCHEMA)
ROUTE_SCHEMA = SCHEMA["definitions"]["route"]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^( *)```yaml\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
BLOCKS = [
    pytest.param(
        "\n".join(line.removeprefix(indent) for line in block.split("\n")), id=f"{path.name}-{number}"
    )
    for path in TEXTS
    for number, (indent, block) in enumerate(FENCED.findall(path.read_text("utf-8")))
]
MINIMAL: dict[str, Any] = {"from": "https://a.example.com", "to": "http://a"}
IN_FORCE = {Status.BUILT, Status.OURS}


def refused_at(data: Any) -> list[str]:
    return sorted(error.json_path for error in VALIDATOR.iter_errors(data))


def refused(key: str, value: Any) -> bool:
    return bool(refused_at({key: value}))


def refused_in_route(key: str, value: Any) -> bool:
    return bool(refused_at({"routes": [{**MINIMAL, key: value}]}))


LEVELS: list[Any] = [
    pytest.param(GLOBAL, SCHEMA, refused, id="global"),
    pytest.param(ROUTE, ROUTE_SCHEMA, refused_in_route, id="route"),
]
Refused = Callable[[str, Any], bool]


def test_it_is_a_schema_that_json_can_carry() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize(("table", "schema", "_refused"), LEVELS)
def test_it_knows_the_keys_of_the_reference_and_no_others(
    table: Mapping[str, Key], schema: dict[str, Any], _refused: Refused
) -> None:
    assert schema["properties"].keys() == table.keys()
    for name, key in table.items():
        shown = schema["properties"][name]["description"]
        assert key.text in shown, name
        if key.status in IN_FORCE:
            assert key.type in shown, name
            assert key.default in shown, name


@pytest.mark.parametrize(("table", "schema", "is_refused"), LEVELS)
def test_keys_out_of_force_do_as_the_loader_does(
    table: Mapping[str, Key], schema: dict[str, Any], is_refused: Refused
) -> None:
    for name, key in table.items():
        shown = schema["properties"][name]
        assert bool(shown.get("doNotSuggest") or shown.get("deprecationMessage")) is (
            key.status not in IN_FORCE
        )
        if key.status is Status.REMOVED:
            assert is_refused(name, None)
            assert is_refused(name, "x")
        elif key.status is Status.REFUSED:
            for nothing in (None, False, "", [], {}, *key.harmless, *(word.upper() for word in key.harmless)):
                assert not is_refused(name, nothing), (name, nothing)
            for value in (True, 0, "x", ["x"], {"x": 1}):
                assert is_refused(name, value), (name, value)
        elif key.status not in IN_FORCE:
            for value in (None, True, "x", ["x"], {"x": 1}):
                assert not is_refused(name, value), name


PAIR = pem_pair()
PEM = [base64.b64encode(each).decode() for each in PAIR]
POOL: list[Any] = [
    True, False, 0, 1, 2, -1, 80, 1.5, 0.0, "", " ", "a", "A", "1", "01", "0", "-1", "true", "True", "T",
    "f", "yes", "0s", "+0", "30s", "1h45m", "1.5h", ".5m", "3µs", "3μs", "1h 2m", "30", "-5s", "1d", "all",
    "ALL", " all ,, proxy", "proxy,authenticate, AUTHORIZE ,cache", ",all", "a, b ,c", "a b", '{"a": "b"}',
    ' {"a": true}', "{}", "{", "http://a", "HTTPS://A.Example.com:8443/", "https://[::1]:5/",
    "https://*.a.example.com", "http://a/x?y=1", "https://a?", "https://a/#", "https://a/x", " https://a ",
    "http://a/b,5", "http://a , 5 ", "http://a,x", "ftp://a", "//a", "h2c://a", "https://u@a",
    "tcp+https://a:22", ":8080", "0.0.0.0:443", "[::]:80", "a:b", ".example.com", "file:///var/lib/x",
    "file:x", "postgres://x", "sqlite", "FILE", " memory ", "postgres", "A" * 43 + "=", "A" * 42 + "==",
    ("A" * 43 + "=")[:20] + "\n" + ("A" * 43 + "=")[20:], "A" * 43 + "=\n", *PEM, PEM[0] + "\n",
    " " + PEM[1], PAIR[1].decode(), "\n" + PAIR[1].decode(), "chain.pem", "key.pem", "key32", "none.pem",
    "(", "a|b", "/x", "x\ny", "é", [], [""], ["a"], ["a", 1], [1], [True], [None], ["a", ["b"]],
    ["http://a"], "all,a", ["http://a,1", "http://b,2"], [["http://a"], "http://b", ["https://c,3"]], [[]],
    [{}], ["all"], ["Proxy", "x"], ["proxy", "authenticate", "authorize", "databroker"], ["A" * 43 + "="],
    ["key32"], {}, {"a": "b"}, {"a": 1}, {"a": True}, {"a": None}, {"a": ["b"]}, {"a": {"b": "c"}},
    {"a b": "c"}, {"disable": None, "a b": [1]}, {"disable": "true"}, {"Host": "x"}, {"mcp": True},
    {"mcp": "t"}, {"X-A": "$$1"}, {"file": "key32"}, {"file": ""}, {"file": "key32", "allow": {}},
    {"allow": {"or": [{"accept": True}]}}, [{"deny": {}}], {"deny": [1]},
    [{"cert": "chain.pem", "key": "key.pem"}], [{"cert": "chain.pem"}],
    [{"cert": "chain.pem", "key": None}], [{"record_type": "t", "file": "records.json"}],
    [{"record_type": 5, "foreign_key": "claim.a", "file": "empty.json"}],
    [{"record_type": "t", "foreign_key": " user.id ", "file": "records.json"}],
    "10.0.0.0/8", ["10.0.0.1", "::1/64"], "keep_unchanged", "REJECT_REQUEST", "unescape_and_forward", "*",
    ["*", "https://a.example.com:443/"], ["", "WebSocket", "spdy/3.1"], "websocket,,foo", 200, "301", 404,
    65535, 65536, 2**32, 2**63, "unix:///run/a.sock", "https+unix:/run/a.sock,5", ["unix:///a", "unix:///b"],
    "/a b", "/a%20b", r"/\1", r"\1.example.com:80", {"host_redirect": "a:80", "path_redirect": None},
    {"https_redirect": "true", "response_code": "308", "port_redirect": "80", "path_redirect": "/x?y"},
    {"scheme_redirect": "http", "prefix_rewrite": "/x", "strip_query": 1}, {"response_code": 300},
    {"status": 200}, {"status": "404", "body": 5}, {"status": 99}, {"status": None}, {"body": "x"},
    [{"header": "X-A"}], [{"header": "X-A", "prefix": None, "value": "b"}], [{"header": None}],
    *(case(word) for word in ("auto", "http1", "info", "warning", "fatal", "off", "lax", "allow")
      for case in (str.lower, str.upper, str.title)),
]  # fmt: skip
"""Values of all kinds, good and bad, in every form that some decoder takes."""


def model_cases() -> list[Any]:
    levels: list[tuple[type[BaseModel], Refused]] = [
        (Settings, refused),
        (RouteSettings, refused_in_route),
    ]
    return [
        pytest.param(model, is_refused, field.alias or name, id=f"{model.__name__}-{field.alias or name}")
        for model, is_refused in levels
        for name, field in model.model_fields.items()
        if (model, name) not in {(Settings, "policy"), (Settings, "routes")}
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the paths of the pool lead to."""
    for name, data in (("chain.pem", PAIR[0]), ("key.pem", PAIR[1]), ("key32", b"A" * 43 + b"=")):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "records.json").write_text('[{"id": "x"}]')
    (tmp_path / "empty.json").write_text("[]")
    return tmp_path


def decodes(model: type[BaseModel], key: str, value: Any, folder: Path) -> bool:
    try:
        model.model_validate({key: value}, context=folder)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(("model", "is_refused", "key"), model_cases())
def test_a_value_that_is_decoded_is_never_refused(
    model: type[BaseModel], is_refused: Refused, key: str, folder: Path
) -> None:
    taken = [value for value in POOL if decodes(model, key, value, folder)]
    assert taken, "the pool holds no value of this key"
    if key == "policy":  # decoded by another room
        taken = [value for value in taken if value not in ([], [""])]
        taken = [value for value in taken if isinstance(value, str) or "file" in value]
        taken = [value for value in taken if isinstance(value, str) or len(value) == 1]
    if key == "to":  # nothing is decoded from it; that an upstream is missing is found later
        taken = [value for value in taken if value != []]
    assert [value for value in taken if is_refused(key, value)] == []
    assert is_refused(key, None) is (key in ("from", "to"))


@pytest.mark.parametrize(("model", "is_refused", "key"), model_cases())
def test_a_value_of_the_wrong_type_is_refused(
    model: type[BaseModel], is_refused: Refused, key: str, folder: Path
) -> None:
    bad = [True, "x", "", 7, ["x"], {"x": "y"}, [[]], {"x": {}}]
    wrong = [value for value in bad if not decodes(model, key, value, folder)]
    assert any(is_refused(key, value) for value in wrong)


@pytest.mark.parametrize(
    ("key", "kind", "names"),
    [
        ("codec_type", choices.Codec, choices._CODECS),
        ("headers_with_underscores_action", choices.UnderscoresAction, choices._UNDERSCORES),
        ("path_with_escaped_slashes_action", choices.SlashesAction, choices._SLASHES),
        ("cookie_same_site", choices.SameSite, choices._SAME_SITE),
        ("jwt_issuer_format", route_settings.JWTIssuerFormat, {"hostOnly": "HOST_ONLY", "uri": "URI"}),
    ],
)
def test_every_spelling_of_a_choice_is_known(
    key: str, kind: Any, names: Mapping[str, str], folder: Path
) -> None:
    taken = 0
    for value, name in names.items():
        parts = f"{key}_{name}".split("_")
        for spelling in (value, *("_".join(parts[start:]) for start in range(len(parts)))):
            for word in (spelling, spelling.upper(), spelling.lower()):
                if decodes(Settings, key, word, folder):
                    taken += 1
                    assert not refused(key, word), word
    assert taken >= 6
    assert refused(key, "none of them")
    offered = [value for value in get_args(get_args(kind)[0]) if value]
    assert SCHEMA["properties"][key]["anyOf"][0]["enum"] == offered


@pytest.mark.parametrize("key", ["log_level", "proxy_log_level"])
def test_every_log_level_is_known(key: str) -> None:
    assert [level for level in choices._LEVELS if refused(key, level) or refused(key, level.upper())] == []


def test_texts_that_other_readers_take_for_numbers_are_taken(loaded: Load) -> None:
    written = "idp_client_id: 12e345\nroutes: []\n"
    assert loaded(written).settings.idp_client_id == "12e345"
    assert not refused("idp_client_id", float("inf"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_taken(path: Path) -> None:
    assert refused_at(read_yaml(path.read_text("utf-8"), "").data) == []


@pytest.mark.parametrize("block", BLOCKS)
def test_the_configurations_of_the_manual_are_taken(block: str) -> None:
    data = read_yaml(block, "").data
    if isinstance(data, list):  # a policy of its own
        data = {"policy": data}
    if data.keys() == {"policy"} and "from" not in data["policy"][0]:  # of a route
        data = {"routes": [{**MINIMAL, **data}]}
    assert refused_at(data) == []


def test_the_manual_has_configurations() -> None:
    assert len(BLOCKS) >= 4
    assert EXAMPLES


def route(**keys: Any) -> dict[str, Any]:
    return {"routes": [{**MINIMAL, **keys}]}


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"adress": ":443"}, "$"),
        ({"timeout_read": "30"}, "$.timeout_read"),
        ({"timeout_read": 30}, "$.timeout_read"),
        ({"insecure_server": "yes"}, "$.insecure_server"),
        ({"codec_type": "http2"}, "$.codec_type"),
        ({"runtime_flags": {"mcp": 1}}, "$.runtime_flags.mcp"),
        ({"certificates": [{"cert": "a"}]}, "$.certificates[0]"),
        ({"shared_secret": "short"}, "$.shared_secret"),
        ({"routes": {"from": "https://a"}}, "$.routes"),
        ({"routes": [{"from": "https://a"}]}, "$.routes[0]"),
        ({"policy": [{"to": "http://a"}]}, "$.policy[0]"),
        (route(**{"from": "https://a/x"}), "$.routes[0].from"),
        (route(to=["a:80"]), "$.routes[0].to[0]"),
        (route(to=None), "$.routes[0]"),
        (route(to="unix://run/app.sock"), "$.routes[0].to"),
        (route(redirect={"response_code": 300}), "$.routes[0].redirect.response_code"),
        (route(redirect={"host": "a"}), "$.routes[0].redirect"),
        (route(response={}), "$.routes[0].response"),
        (route(response={"status": 99}), "$.routes[0].response.status"),
        (route(rewrite_response_headers=[{"value": "a"}]), "$.routes[0].rewrite_response_headers[0]"),
        (route(path_with_escaped_slashes_action="unescape_and_forward"),
         "$.routes[0].path_with_escaped_slashes_action"),
        (route(prefix_rewrite="/a?b"), "$.routes[0].prefix_rewrite"),
        ({"max_connections": 0}, "$.max_connections"),
        (route(to=[]), "$.routes[0].to"),
        (route(pass_identity_header=True), "$.routes[0]"),
        (route(allowed_idp_claims={"a": None}), "$.routes[0].allowed_idp_claims.a"),
        (route(policy=5), "$.routes[0].policy"),
        (route(policy=" "), "$.routes[0].policy"),
        (route(policy={"file": "a", "allow": {}}), "$.routes[0].policy"),
        (route(policy=[{"alow": {}}]), "$.routes[0].policy[0]"),
        (route(policy=[{"allow": {"or": [{"emial": "a"}]}}]), "$.routes[0].policy[0].allow.or[0]"),
        (route(policy={"allow": {"or": [{"email": {"iss": ""}}]}}), "$.routes[0].policy.allow.or[0].email"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_where_it_stands(data: Any, path: str) -> None:
    assert path in refused_at(data)


@pytest.mark.parametrize(
    "policy", ["staff", {"file": "a.ppl"}, None, [], {}, {"allow": {"or": [{"accept": True}]}}]
)
def test_a_route_takes_every_form_of_policy(policy: Any) -> None:
    assert refused_at(route(policy=policy)) == []


@pytest.mark.parametrize("answer", [{"redirect": {"host_redirect": "b"}}, {"response": {"status": 200}}])
@pytest.mark.parametrize("to", [{}, {"to": None}])
def test_a_route_that_answers_by_itself_needs_no_upstream(answer: dict[str, Any], to: dict[str, Any]) -> None:
    assert refused_at({"routes": [{"from": "https://a", **to, **answer}]}) == []


def test_a_removed_key_says_what_to_do_instead() -> None:
    assert SCHEMA["properties"]["client_ca"]["deprecationMessage"] == (
        "The key client_ca was removed. Use downstream_mtls.ca."
    )


def test_flags_are_offered_with_their_defaults() -> None:
    offered = SCHEMA["properties"]["runtime_flags"]["properties"]
    assert offered.keys() == RUNTIME_FLAGS.keys()
    assert offered["mcp"]["description"] == "Default: true."


def test_the_same_names_in_both_schemas_are_refused() -> None:
    with pytest.raises(ValueError, match="route"):
        config_schema({"definitions": {"route": {}}})


def test_a_decoder_without_a_shape_is_found() -> None:
    with pytest.raises(TypeError, match="has no shape"):
        shape_of(Annotated[str, PlainValidator(lambda value: value)])


def test_patterns_know_no_case() -> None:
    assert any_case(["a1.b"]) == r"[aA]1\.[bB]"
