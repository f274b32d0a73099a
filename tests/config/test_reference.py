"""The table of keys agrees with the models and with the list of known spellings."""

from __future__ import annotations

from pathlib import Path

from pomerium_tw.config import RouteSettings, Settings
from pomerium_tw.config.reference import GLOBAL, ROUTE, Key, Status, closest, environment_names
from pomerium_tw.config.reference_global import GLOBAL_KEYS
from pomerium_tw.config.reference_route import ROUTE_KEYS

IN_FORCE = {Status.BUILT, Status.OURS}


def in_force(keys: dict[str, Key]) -> set[str]:
    return {name for name, key in keys.items() if key.status in IN_FORCE}


def test_what_the_table_calls_built_is_what_the_models_decode() -> None:
    assert in_force(dict(GLOBAL)) == set(Settings.model_fields)
    fields = {field.alias or name for name, field in RouteSettings.model_fields.items()}
    assert in_force(dict(ROUTE)) == fields


def test_no_key_stands_twice_in_a_table() -> None:
    assert len(GLOBAL_KEYS) == len(GLOBAL)
    assert len(ROUTE_KEYS) == len(ROUTE)


def test_every_key_in_force_says_what_it_is() -> None:
    for key in (*GLOBAL_KEYS, *ROUTE_KEYS):
        if key.status in IN_FORCE | {Status.REFUSED}:
            assert key.type, key.name
            assert key.text, key.name
        if key.status in {Status.REMOVED, Status.FOREIGN}:
            assert key.text, key.name


def test_variables_are_keys_in_upper_case() -> None:
    names = environment_names()
    assert names["IDP_CLIENT_ID"] == ("idp_client_id",)
    assert names["HEADERS"] == ("set_response_headers",)
    assert names["DOWNSTREAM_MTLS_MAX_VERIFY_DEPTH"] == ("downstream_mtls", "max_verify_depth")
    assert "SET_RESPONSE_HEADERS" not in names
    assert "CERTIFICATES" not in names
    assert "BLOB_STORAGE" not in names


def test_removed_keys_are_never_offered() -> None:
    assert closest("idp_qpss", GLOBAL) != "idp_qps"
    assert closest("adress", GLOBAL) == "address"


def test_values_of_the_defaults_are_paths() -> None:
    assert isinstance(Settings().state_dir, Path)
