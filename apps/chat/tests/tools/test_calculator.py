"""The calculator: what it computes, and what it refuses quickly."""

import pytest

from hubline_chat.tools.calculator import DEPTH, LENGTH, calculate
from hubline_chat.tools.tool import ToolError


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("(17.5*3 + 2) / 4", "13.625"),
        ("0.1 + 0.2", "0.3"),
        ("-2^2", "-4"),
        ("2^3^2", "512"),
        ("2**-1", "0.5"),
        ("--5", "5"),
        ("7 // 2 + 7 % 2", "4"),
        ("3 \u00d7 4 \u00f7 2 \u2212 1", "5"),
        ("1e3", "1000"),
        ("0^0", "1"),
        ("round(sqrt(2), 5)", "1.41421"),
        ("round(2.5)", "2"),
        ("min(3, 1, 2) + max(1, 2)", "3"),
        ("floor(-1.5) + ceil(1.2) + abs(-3)", "3"),
        ("sin(pi / 2)", "1"),
        ("ln(e)", "1"),
        ("log(1000)", "3"),
        ("factorial(20)", "2432902008176640000"),
        ("123456789 * 987654321", "121932631112635269"),
        ("10^60", "1E+60"),
    ],
)
def test_it_computes(expression: str, value: str) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("", "ends too early"),
        ("1 +", "ends too early"),
        ("(1", "ends too early"),
        ("1 2", "Unexpected: 2"),
        ("1)", "Unexpected: )"),
        ("1, 2", "Unexpected: ,"),
        ("__import__('os')", "Unexpected: _"),
        ("exec(1)", "Unexpected: exec. There are abs"),
        ("1 / 0", "divides by zero"),
        ("1 % 0", "divides by zero"),
        ("0 ^ -1", "divides by zero"),
        ("sqrt(-1)", "too large, or there is none"),
        ("ln(0)", "too large, or there is none"),
        ("asin(2)", "no value"),
        ("tan(1, 2)", "takes one number"),
        ("9^9^9^9", "too large"),
        ("1e9999999", "too large"),
        ("factorial(1e999999)", "from 0 to 1000"),
        ("round(1, 1e999999)", "whole number of decimals"),
        ("(" * (DEPTH + 1) + "1", f"More than {DEPTH} levels"),
        ("2^" * (DEPTH + 1) + "1", f"More than {DEPTH} levels"),
        ("1" * (LENGTH + 1), f"more than {LENGTH} characters"),
    ],
)
@pytest.mark.timeout(120)
def test_it_refuses(expression: str, problem: str) -> None:
    with pytest.raises(ToolError) as raised:
        calculate(expression)
    assert problem in str(raised.value)
