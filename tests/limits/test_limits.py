"""The package itself: what importing it needs."""

import subprocess
import sys

import pytest

from hubline import limits


def test_quotas_need_no_optional_dependency_and_neither_does_the_test_kit() -> None:
    program = (
        "import sys; sys.modules['pyrate_limiter'] = None\n"  # importing it now fails
        "import hubline.testing\n"
        "from hubline.limits import Quotas, RateLimitExceeded\n"
        "try:\n    from hubline.limits import RateLimit\n"
        "except ImportError as error:\n    print(error.name)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "pyrate_limiter\n"


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match=r"'hubline\.limits' has no attribute 'Nothing'"):
        _ = limits.Nothing
