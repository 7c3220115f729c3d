"""URLs are printed and stored without their passwords."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import make_url

from search.storage.url import has_password, without_password


@pytest.mark.parametrize(
    ("url", "visible"),
    [
        ("postgresql+psycopg://me:secret@host/db", "postgresql+psycopg://me:***@host/db"),
        (
            "postgresql+psycopg://host/db?sslpassword=secret&sslmode=require",
            "postgresql+psycopg://host/db?sslmode=require&sslpassword=%2A%2A%2A",
        ),
    ],
)
def test_a_password_is_hidden(url, visible):
    assert has_password(url)
    shown = without_password(url)
    assert "secret" not in shown
    assert make_url(shown) == make_url(visible)


@pytest.mark.parametrize("url", ["sqlite:///studies.db", "postgresql+psycopg://me@host/db"])
def test_a_url_without_one_stays_as_it_is(url):
    assert not has_password(url)
    assert without_password(url) == url
