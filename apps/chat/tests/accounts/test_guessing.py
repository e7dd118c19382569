"""Which passwords are too easy to guess."""

import time

import pytest

from hubline_chat.accounts.errors import AccountError
from hubline_chat.accounts.guessing import LEAST, left_to_guess
from hubline_chat.accounts.passwords import LONGEST, check_strength


@pytest.mark.parametrize(
    "password",
    [
        "password123456",
        "P@ssw0rd2024!",
        "qwertyuiop12",
        "0987654321",
        "zaq12wsx",
        "1q2w3e4r5t6y",
        "asdfghjkl;'",
        "Lovelace1234",
        "ada1234567",
        "Ada Lovelace1",
        "aaaaaaaaaaa1",
        "xyzxyzxyz",
        "iloveyouadmin",
    ],
)
def test_words_names_and_rows_are_refused(password: str) -> None:
    assert left_to_guess(password, "Ada Lovelace") < LEAST
    with pytest.raises(AccountError) as raised:
        check_strength(password, "Ada Lovelace")
    assert (raised.value.status, raised.value.code) == (422, "weak-password")


@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "a good password", "password-Xk29vQ", "tr0ub4dor&3", "Zg7_kQp2", "der blaue Bär singt"],
)
def test_what_has_enough_besides_is_allowed(password: str) -> None:
    check_strength(password, "Ada Lovelace")


def test_the_name_counts_only_for_who_has_it() -> None:
    check_strength("grazyna-xx", "Bob")
    with pytest.raises(AccountError, match="little more than a common word, a name"):
        check_strength("grazyna-xx", "Grazyna")


def test_the_longest_password_is_looked_at_quickly() -> None:
    begun = time.process_time()
    for text in ("ab" * 100, "a" * LONGEST, "qwe" * 66):
        assert left_to_guess(text, "Ada") < LEAST
    assert time.process_time() - begun < 0.5
