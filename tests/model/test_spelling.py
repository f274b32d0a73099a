"""The one spelling in which texts and domains are compared."""

from __future__ import annotations

import unicodedata

import pytest

from pomerium_tw.model import MAX_MARKS, ascii_domain, nfc


def test_forms_of_one_letter_are_one() -> None:
    assert nfc("Jose\u0301 Mu\u0308ller") == "José Müller"
    assert nfc("plain") == "plain"


def test_a_text_of_too_many_marks_in_a_row_has_no_normal_form() -> None:
    most = "\u0301\u0323" * (MAX_MARKS // 2)
    assert nfc(f"a{most}b{most}") == unicodedata.normalize("NFC", f"a{most}b{most}")
    assert nfc(f"a{most}\u0301") is None
    assert nfc(most + "\u0301") is None


def test_whatever_falls_apart_into_marks_counts_as_one() -> None:
    every = map(chr, range(0x110000))
    marks = [each for each in every if unicodedata.combining(unicodedata.normalize("NFD", each)[0])]
    assert [each for each in marks if nfc("a" + each * (MAX_MARKS + 1)) is not None] == []


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("Example.COM", "Example.COM"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("Bu\u0308cher.EXAMPLE", "xn--bcher-kva.example"),
        ("BÜCHER。example", "xn--bcher-kva.example"),
        (".bücher.example.", ".xn--bcher-kva.example."),
        ("my_app.r3---sn.bücher.example", "my_app.r3---sn.xn--bcher-kva.example"),
        ("☕.bücher.example", "xn--53h.xn--bcher-kva.example"),
        ("ｅxample.com", "xn--xample-hy68a.com"),
        (f"{'ü' * 64}.bücher.example", f"{'ü' * 64}.xn--bcher-kva.example"),
        ("\ud800.é", "xn--ib9b.xn--9ca"),
    ],
)
def test_labels_are_spelled_as_the_dns_knows_them(name: str, spelled: str) -> None:
    assert ascii_domain(name) == spelled


def test_labels_that_idna_does_not_allow_stay_where_valid_ones_are_asked_for() -> None:
    assert ascii_domain("☕.bücher.example", valid=True) == "☕.xn--bcher-kva.example"


def test_a_name_of_endless_labels_is_spelled_from_its_end() -> None:
    spelled = ascii_domain("é." * 10_000 + "example").split(".")
    assert (len(spelled), spelled.count("xn--9ca"), spelled[-2:]) == (10_001, 126, ["xn--9ca", "example"])
