"""The helpers here assert, too, and are to say what they found."""

import pytest

pytest.register_assert_rewrite("tests.studies.browser")
