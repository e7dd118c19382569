"""A calculator: a parser of expressions, with limits on their length, their depth and their numbers.

Whole numbers and decimal fractions are exact as far as `DIGITS` go; nothing is ever given to Python to run.
"""

import math
import re
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException, InvalidOperation

from hubline_chat.tools.tool import Arguments, Place, RoomTool, ToolError, text_in, texts

LENGTH, DEPTH = 500, 50
"""Characters of an expression, and parentheses, signs and powers in each other."""
DIGITS, LARGEST = 50, 10**6
"""Digits that count, and the largest power of ten."""
_CONTEXT = Context(prec=DIGITS, rounding=ROUND_HALF_EVEN, Emin=-LARGEST, Emax=LARGEST)
FLOAT_DIGITS = 15
"""Digits of functions that are computed as floating-point numbers."""

_SAME = {"**": "^", "\u00d7": "*", "\u00b7": "*", "\u00f7": "/", "\u2212": "-"}
"""Signs of people, and those that mean the same here."""
_TOKEN = re.compile(
    r"\s*(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,7})?|[A-Za-z\u03c0]+|\*\*|//|[-+*/%^(),\u00d7\u00b7\u00f7\u2212])"
)
_CONSTANTS = {
    "pi": Decimal("3.1415926535897932384626433832795028841971693993751"),
    "e": Decimal("2.7182818284590452353602874713526624977572470937000"),
}
_OPERATIONS: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": _CONTEXT.add,
    "-": _CONTEXT.subtract,
    "*": _CONTEXT.multiply,
    "/": _CONTEXT.divide,
    "//": _CONTEXT.divide_int,
    "%": _CONTEXT.remainder,
}


def calculate(expression: str) -> str:
    """The value of an expression, as a number in decimal.

    Raises:
        ToolError: it is not an expression, or has no value that can be written.
    """
    if len(expression) > LENGTH:
        raise ToolError(f"The expression has more than {LENGTH} characters.")
    try:
        return _written(_Parser(expression).value())
    except ZeroDivisionError:
        raise ToolError("It divides by zero.") from None
    except (DecimalException, OverflowError):
        raise ToolError("The number is too large, or there is none.") from None
    except ValueError:
        raise ToolError("A function has no value there.") from None


class _Parser:
    """Reads an expression from left to right; each method reads what binds more tightly than that before it."""

    def __init__(self, expression: str) -> None:
        self._tokens = [*_tokens(expression)]
        self._at = self._depth = 0

    def value(self) -> Decimal:
        found = self._sum()
        if self._at < len(self._tokens):
            raise ToolError(f"Unexpected: {self._tokens[self._at]}")
        return found

    def _sum(self) -> Decimal:
        self._depth += 1
        if self._depth > DEPTH:
            raise ToolError(f"More than {DEPTH} levels are in each other.")
        found = self._product()
        while sign := self._next("+", "-"):
            found = _OPERATIONS[sign](found, self._product())
        self._depth -= 1
        return found

    def _product(self) -> Decimal:
        found = self._signed()
        while sign := self._next("*", "/", "//", "%"):
            right = self._signed()
            if sign != "*" and right == 0:
                raise ZeroDivisionError
            found = _OPERATIONS[sign](found, right)
        return found

    def _signed(self) -> Decimal:
        is_negative = False
        while sign := self._next("+", "-"):
            is_negative ^= sign == "-"
        found = self._power()
        return _CONTEXT.minus(found) if is_negative else found

    def _power(self) -> Decimal:
        base = self._atom()
        if not self._next("^"):
            return base
        self._depth += 1
        if self._depth > DEPTH:
            raise ToolError(f"More than {DEPTH} levels are in each other.")
        exponent = self._signed()
        self._depth -= 1
        if base == 0 and exponent < 0:
            raise ZeroDivisionError
        return Decimal(1) if exponent == 0 else _CONTEXT.power(base, exponent)

    def _atom(self) -> Decimal:
        token = self._take()
        if token == "(":
            found = self._sum()
            self._expect(")")
            return found
        if token[0].isdigit() or token[0] == ".":
            return _CONTEXT.create_decimal(token)
        name = token.lower().replace("\u03c0", "pi")
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        function = _FUNCTIONS.get(name)
        if function is None:
            raise ToolError(f"Unexpected: {token}. There are {', '.join(sorted(_FUNCTIONS))}, pi and e.")
        self._expect("(")
        arguments = [self._sum()]
        while self._next(","):
            arguments.append(self._sum())
        self._expect(")")
        return function(arguments)

    def _take(self) -> str:
        if self._at == len(self._tokens):
            raise ToolError("The expression ends too early.")
        self._at += 1
        return self._tokens[self._at - 1]

    def _next(self, *wanted: str) -> str | None:
        if self._at < len(self._tokens) and self._tokens[self._at] in wanted:
            self._at += 1
            return self._tokens[self._at - 1]
        return None

    def _expect(self, wanted: str) -> None:
        found = self._take()
        if found != wanted:
            raise ToolError(f"Unexpected: {found}, where {wanted} should be.")


def _tokens(expression: str) -> Iterator[str]:
    at, text = 0, expression.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ToolError(f"Unexpected: {text[at:].lstrip()[:1]}")
        yield _SAME.get(found[0].strip(), found[0].strip())
        at = found.end()


def _one(function: Callable[[Decimal], Decimal]) -> Callable[[list[Decimal]], Decimal]:
    def called(arguments: list[Decimal]) -> Decimal:
        if len(arguments) != 1:
            raise ToolError("This function takes one number.")
        return function(arguments[0])

    return called


def _float(function: Callable[[float], float]) -> Callable[[list[Decimal]], Decimal]:
    return _one(lambda number: Context(prec=FLOAT_DIGITS).create_decimal_from_float(function(float(number))))


def _rounded(arguments: list[Decimal]) -> Decimal:
    number, *places = arguments
    if len(places) > 1 or any(not -DIGITS < place < DIGITS or place != int(place) for place in places):
        raise ToolError("round takes a number and, if need be, a whole number of decimals.")
    return number.quantize(Decimal(1).scaleb(-int(places[0]) if places else 0), context=_CONTEXT)


def _factorial(number: Decimal) -> Decimal:
    if not 0 <= number <= 1_000 or number != int(number):
        raise ToolError("factorial takes a whole number from 0 to 1000.")
    return _CONTEXT.create_decimal(math.factorial(int(number)))


_FUNCTIONS: dict[str, Callable[[list[Decimal]], Decimal]] = {
    "sqrt": _one(_CONTEXT.sqrt),
    "abs": _one(_CONTEXT.abs),
    "ln": _one(_CONTEXT.ln),
    "log": _one(_CONTEXT.log10),
    "exp": _one(_CONTEXT.exp),
    "floor": _one(lambda number: number.to_integral_value("ROUND_FLOOR")),
    "ceil": _one(lambda number: number.to_integral_value("ROUND_CEILING")),
    "factorial": _one(_factorial),
    "round": _rounded,
    "min": min,
    "max": max,
    "sin": _float(math.sin),
    "cos": _float(math.cos),
    "tan": _float(math.tan),
    "asin": _float(math.asin),
    "acos": _float(math.acos),
    "atan": _float(math.atan),
}


def _written(number: Decimal) -> str:
    if not number.is_finite():
        raise InvalidOperation
    number = number.normalize(_CONTEXT)
    return format(number, "f") if -DIGITS < number.adjusted() < DIGITS else str(number)


async def _use(place: Place, arguments: Arguments) -> str:
    return calculate(text_in(arguments, "expression"))


CALCULATOR = RoomTool(
    "calculator",
    "Calculator",
    "Computes an expression exactly. Use it for every calculation instead of computing yourself. It has + - * / // % ^,"
    f" parentheses, pi, e and the functions {', '.join(sorted(_FUNCTIONS))}; angles are in radians.",
    texts(expression="Such as (17.5 * 3 + 2) / 4 or round(sqrt(2), 5)."),
    _use,
    is_safe=True,
    seconds=5.0,
)
