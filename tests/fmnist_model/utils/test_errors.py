"""An error has its message for programs, and another one for each caller that words it."""

from __future__ import annotations

from fmnist_model.utils.errors import UserError
from fmnist_model.utils.remedies import Remedy


def test_an_error_without_a_remedy_is_its_problem():
    assert str(UserError("no images")) == UserError("no images").worded({}) == "no images"


def test_the_caller_words_the_remedy():
    error = UserError("too many", Remedy.TAKE_FEWER_SLOTS, slots=8)
    assert str(error) == "slots=8: too many; take fewer"
    assert error.worded({Remedy.TAKE_FEWER_SLOTS: "SLOTS={slots} {problem}"}) == "SLOTS=8 too many"
    assert error.worded({Remedy.SEARCH_ON: "{problem}"}) == str(error)


def test_braces_in_what_the_user_gave_are_kept():
    error = UserError("{x}: no such preset", Remedy.CHOOSE_PRESET, known="{y}")
    assert str(error).startswith("{x}: no such preset; there are {y},")
