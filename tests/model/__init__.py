"""A small model of the whole of the stock, in memory: what the contracts say, without a word of how onhand does it.

Only `mirror` knows the real store: it gives both the same and compares.
"""

import pytest

pytest.register_assert_rewrite("tests.model.mirror")  # so that a failure there says what differs
