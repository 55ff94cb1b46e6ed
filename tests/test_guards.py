"""The list of guards keeps up with the code: each is where it says, and names tests that are there.

That they are caught when they are missing is what `make guards` proves, by hand: it takes minutes.
"""

import re

import pytest

from tests.guards.guards import ROOT, Guard, guards


@pytest.mark.parametrize("guard", guards(), ids=lambda guard: guard.name)
def test_a_guard_is_where_the_list_says_with_tests_that_are_there(guard: Guard) -> None:
    content = (ROOT / guard.file).read_text("utf-8")
    assert guard.taken_out(content) != content
    assert guard.tests
    for test in guard.tests:
        file, _, name = test.partition("::")
        source = (ROOT / file).read_text("utf-8")
        assert not name or f"def {re.sub(r'[[].*', '', name)}(" in source, test
