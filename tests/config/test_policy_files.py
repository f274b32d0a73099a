"""Policy files in every notation, with what they include."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from policy_grammar import MAX_TEXT, Policy, PolicySyntaxError, Span, parse_data
from pomerium_tw.config import policy_files, read_policy_file
from pomerium_tw.config.policy_files import (
    MAX_FILES,
    MAX_INCLUDE_DEPTH,
    Notation,
    parse_policy_document,
    read_policy_data,
)

Put = Callable[..., Path]
NOTATIONS: list[Notation] = ["ppl", "yaml", "json"]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Write files by name and content; the first one's path."""
    monkeypatch.chdir(tmp_path)

    def write(**files: str) -> Path:
        paths = [Path(name.replace("__", "/").replace("_", ".")) for name in files]
        for path, text in zip(paths, files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return paths[0]

    return write


def refusal(path: Path) -> str:
    with pytest.raises(PolicySyntaxError) as caught:
        read_policy_file(path)
    return str(caught.value)


def names(path: Path) -> list[str]:
    return [policy.name for policy in read_policy_file(path).policies]


def test_all_notations_may_include_one_another(put: Put) -> None:
    path = put(
        a_ppl='include "shared/b.yaml"\npolicy "a" {}',
        shared__b_yaml="include: [../c.json]\npolicies:\n- {name: b, policy: []}",
        c_json='{"policies": [{"name": "c", "policy": {"allow": {"or": [{"accept": 1}]}}}]}',
    )
    found = read_policy_file(path)
    assert [policy.name for policy in found.policies] == ["c", "b", "a"]
    assert [*found.documents] == ["shared/../c.json", "shared/b.yaml", "a.ppl"]
    assert found.policies[0].rules == parse_data({"allow": {"or": [{"accept": 1}]}}).rules
    assert found.policies[0].rules[0].span == Span("shared/../c.json", 1, 40)


def test_pomeriums_yaml_is_one_policy_without_a_name(put: Put) -> None:
    path = put(a_yml="allow:\n  or:\n    - accept: true\n")
    assert read_policy_file(path).policies == (parse_data({"allow": {"or": [{"accept": True}]}}),)


def test_the_text_may_be_given(put: Put) -> None:
    path = put(a_ppl="nonsense", b_ppl='policy "b" {}')
    assert read_policy_file(path, 'include "b.ppl"').policies == (Policy("b"),)


def test_a_file_that_is_included_twice_counts_once(put: Put) -> None:
    path = put(
        a_ppl='include "b.ppl"\ninclude "./c.ppl"\ninclude "b.ppl"',
        b_ppl='include "c.ppl"',
        c_ppl='policy "c" {}',
    )
    assert names(path) == ["c"]
    Path("link.ppl").symlink_to("c.ppl")
    assert names(put(d_ppl='include "link.ppl"\ninclude "c.ppl"')) == ["c"]


def test_a_circle_is_named_from_its_beginning(put: Put) -> None:
    path = put(a_ppl='include "b.ppl"', b_ppl='\ninclude "c.yaml"', c_yaml="include:\n  - b.ppl\n")
    assert refusal(path) == (
        "c.yaml:2:5: this include leads in a circle: b.ppl → c.yaml → b.ppl\n    - b.ppl\n      ^"
    )
    assert "a circle: a.ppl → a.ppl" in refusal(put(a_ppl='include "a.ppl"'))


def test_a_name_belongs_to_one_policy_of_all_files(put: Put) -> None:
    path = put(a_ppl='include "b.yaml"\npolicy "x" {}', b_yaml="policies:\n- name: x\n  policy: []\n")
    assert refusal(path) == (
        "a.ppl:2:8: a second policy of the name 'x'; the first stands at b.yaml:2:3\n"
        '  policy "x" {}\n         ^'
    )


def test_each_file_may_have_one_policy_without_a_name(put: Put) -> None:
    assert names(put(a_ppl='include "b.yaml"\npolicy {}', b_yaml="[]")) == ["", ""]


def test_what_cannot_be_read_is_said_where_it_is_included(put: Put) -> None:
    path = put(a_ppl='include "comon.ppl"', common_ppl="")
    assert refusal(path) == (
        "a.ppl:1:9: comon.ppl cannot be read: No such file or directory\n"
        "  include \"comon.ppl\"\n          ^\n  did you mean 'common.ppl'?"
    )
    Path("folder.ppl").mkdir()
    assert "folder.ppl is not a file" in refusal(put(a_ppl='include "folder.ppl"'))
    os.mkfifo("pipe.ppl")
    assert "pipe.ppl is not a file" in refusal(put(a_ppl='include "pipe.ppl"'))
    assert "cannot be read: its name is not one" in refusal(put(a_ppl='include "a\\u0000b"'))
    assert refusal(Path("none.ppl")) == "none.ppl: the policy file cannot be read: No such file or directory"


def test_includes_stay_in_the_folder_of_the_first_file(put: Put, tmp_path: Path) -> None:
    """Policies name files for a proxy that may read more than those who write them."""
    outside = "stands outside of the folder of the first policy file"
    put(secret_ppl="hunter2", p__shared_ppl="", p__sub__b_ppl='include "../shared.ppl"')
    assert names(put(p__a_ppl='include "sub/b.ppl"')) == []
    assert refusal(put(p__a_ppl='include "../secret.ppl"')) == (
        f"p/a.ppl:1:9: p/../secret.ppl {outside}\n"
        '  include "../secret.ppl"\n          ^\n  move it there, or name it in the configuration'
    )
    assert outside in refusal(put(p__a_ppl='include "../none.ppl"'))
    assert outside in refusal(put(p__a_ppl=f'include "{tmp_path}/secret.ppl"'))
    assert outside in refusal(put(p__a_ppl='include "/proc/self/environ"'))
    Path("p/link.ppl").symlink_to("../secret.ppl")
    assert outside in refusal(put(p__a_ppl='include "link.ppl"'))
    put(p__sub__b_ppl='include "../../secret.ppl"')
    assert outside in refusal(put(p__a_ppl='include "sub/b.ppl"'))


def test_a_first_file_that_is_a_link_has_two_folders(put: Put) -> None:
    put(p__real__a_ppl='include "b.ppl"\n', p__real__b_ppl='policy "b" {}')
    Path("etc").mkdir()
    for name in ("a.ppl", "b.ppl"):
        Path("etc", name).symlink_to(f"../p/real/{name}")
    assert names(Path("etc/a.ppl")) == ["b"]
    Path("whole").symlink_to("p/real")
    assert names(Path("whole/a.ppl")) == ["b"]


@pytest.mark.parametrize("name", ["cookie_secret", "key.pem", ".env", "a.ppl.bak"])
def test_included_files_are_named_as_policies(put: Put, name: str) -> None:
    Path(name).write_text("hunter2")
    shown = refusal(put(a_ppl=f'include "{name}"'))
    assert f"a.ppl:1:9: {name} is not named as a policy file\n" in shown
    assert shown.endswith("names of policy files end in .ppl, .yaml, .yml, .json")
    assert "hunter2" not in shown
    Path("c.ppl").symlink_to(name)
    assert "c.ppl is not named as a policy file" in refusal(put(a_ppl='include "c.ppl"'))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("address: :80\nshared_secret: hunter2\n", "1:1: unknown action: address"),
        ("shared_secret: hunter2\nkey: {a: 'hunter2\n", "3:1: YAML syntax: found unexpected end of stream"),
        ("hunter2", "1:1: a policy is an object or a list of objects, not a text"),
        ("- hunter2: [", "2:1: YAML syntax"),
    ],
)
def test_lines_of_included_files_that_may_be_anything_are_not_shown(put: Put, text: str, fault: str) -> None:
    shown = refusal(put(a_ppl='\ninclude "c.yaml"', c_yaml=text))
    assert shown.startswith(f"a.ppl:2:9: c.yaml:{fault}")
    assert '  include "c.yaml"\n          ^' in shown
    assert "hunter2" not in shown


def test_lines_of_included_policies_are_shown(put: Put) -> None:
    shown = refusal(put(a_ppl='include "b.ppl"', b_ppl="policy {\n  alow or {}\n}"))
    assert shown.startswith("b.ppl:2:3: unknown action: alow\n    alow or {}\n    ^")


def test_includes_end_somewhere(put: Put) -> None:
    for index in range(MAX_INCLUDE_DEPTH + 1):
        Path(f"{index}.ppl").write_text(f'include "{index + 1}.ppl"')
    Path(f"{MAX_INCLUDE_DEPTH + 1}.ppl").write_text("")
    assert f"more than {MAX_INCLUDE_DEPTH} deep" in refusal(Path("0.ppl"))
    assert names(Path("1.ppl")) == []


def test_files_are_counted(put: Put) -> None:
    for index in range(MAX_FILES):
        Path(f"{index}.ppl").write_text("")
    text = "".join(f'include "{index}.ppl"\n' for index in range(MAX_FILES))
    assert f"more than {MAX_FILES} files" in refusal(put(all_ppl=text))
    assert names(put(all_ppl=text[text.index("\n") + 1 :])) == []


def test_characters_of_all_files_are_counted(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_files, "MAX_TOTAL", 100)
    path = put(a_ppl='include "b.ppl"\ninclude "c.ppl"', b_ppl="# 40" * 10, c_ppl="# 40" * 10)
    assert "a.ppl:2:9: the included files have more than 100 characters together" in refusal(path)
    assert "more than 100 characters" in refusal(put(a_ppl='include "b.ppl"', b_ppl="x" * 500))


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        (
            "a_ppl",
            "policy {\n  alow or {}\n}",
            "a.ppl:2:3: unknown action: alow\n    alow or {}\n    ^\n  did you mean",
        ),
        (
            "a_yaml",
            "- alow:\n    or: []\n",
            "a.yaml:1:3: unknown action: alow\n  - alow:\n    ^\n  did you mean",
        ),
        ("a_yaml", "- allow: {or: [}\n", "a.yaml:1:16: YAML syntax"),
        (
            "a_yaml",
            "- allow: {}\n  allow: {}\n",
            "a.yaml:2:3: the key 'allow' stands here twice\n    allow: {}\n    ^",
        ),
        ("a_yaml", "", "a.yaml:1:1: the text is empty"),
        ("a_yaml", "# nothing\n", "a.yaml:1:1: the text is empty"),
        ("a_yaml", "~", "a.yaml:1:1: a policy is an object or a list of objects, not null"),
        ("a_yaml", "!!python/object:os.system x", "a.yaml:1:1: the tag"),
        ("a_json", '{"allow": {}', "a.json:1:13: JSON syntax: Expecting ',' delimiter\n  {"),
        ("a_json", '{"allow": {}, "allow": {}}', "a.json:1:15: the key 'allow' stands here twice"),
        ("a_json", '{"allow": {"or": [{"x": NaN}]}}', "a.json:1:25: NaN is not a JSON value"),
        ("a_json", '[{"x": 1e999}]', "a.json:1:8: this number is too large"),
    ],
)
def test_faults_have_place_line_and_hint(put: Put, name: str, text: str, shown: str) -> None:
    assert refusal(put(**{name: text})).startswith(shown)


def test_bytes_that_are_no_text_are_refused_at_their_place(put: Put) -> None:
    path = put(a_ppl="")
    path.write_bytes(b"policy {}\n# \xff")
    assert refusal(path) == "a.ppl:2:3: the file is not UTF-8 text"


def test_json_is_taken_by_its_word() -> None:
    text = '{"allow": {"or": [{"x": [123456789012345678901, 1e300, "\\ud83d\\ude00", "\\\\ud83d\\/"]}]}}'
    data, _ = read_policy_data(text, "t.json", "json")
    assert data["allow"]["or"][0]["x"] == [123456789012345678901, 1e300, "\U0001f600", "\\ud83d/"]


def test_an_error_of_a_later_stage_can_show_its_line(put: Put) -> None:
    found = read_policy_file(put(a_ppl="policy {\n  allow or { x }\n}"))
    error = PolicySyntaxError("unknown criterion", found.policies[0].rules[0].operators[0].criteria[0].span)
    assert found.with_source(error).source_line == "  allow or { x }"
    elsewhere = PolicySyntaxError("wrong", Span("b.ppl", 1, 1))
    assert found.with_source(elsewhere) is elsewhere


def seconds(text: str, notation: Notation) -> float:
    started = time.process_time()
    with pytest.raises(PolicySyntaxError) as caught:
        parse_policy_document(text, "t", notation, comments=True)
    assert caught.value.span.line > 0
    return time.process_time() - started


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize(
    "unit",
    [
        "[",
        "{",
        "a",
        "- ",
        "a: {",
        "? ",
        "policy {",
        '"',
        "&a ",
        "*a ",
        "- *a\n",
        "\x00",
        "\t}",
        "é",
        "'",
        "|\n",
        "%",
    ],
)
def test_nonsense_is_refused_in_time(unit: str, notation: Notation) -> None:
    """PO-12, PO-13."""
    size = 50_000 // len(unit)
    assert seconds(unit * 2 * size, notation) < 1 + 4 * seconds(unit * size, notation)
    assert seconds(unit * (10_000_000 // len(unit)), notation) < 1


@pytest.mark.parametrize("suffix", NOTATIONS)
def test_a_large_file_is_refused_before_it_is_read_to_its_end(put: Put, suffix: str) -> None:
    path = Path(f"a.{suffix}")
    path.write_bytes(b"- a\n" * 2_500_000)
    started = time.process_time()
    assert f"longer than {MAX_TEXT:,} characters" in refusal(path)
    path.write_bytes("é".encode() * (MAX_TEXT + 1))
    assert f"longer than {MAX_TEXT:,} characters" in refusal(path)
    assert time.process_time() - started < 1


def test_random_bytes_are_refused(put: Put) -> None:
    path = put(a_ppl="", a_yaml="")
    path.write_bytes(os.urandom(100_000))
    assert refusal(path).startswith("a.ppl:")
    Path("a.yaml").write_bytes(os.urandom(100_000))
    assert refusal(Path("a.yaml")).startswith("a.yaml:")


def test_an_alias_bomb_is_refused_in_time() -> None:
    """PO-12."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert seconds("\n".join(lines), "yaml") < 20
