"""Database URLs as they may be shown: without their passwords."""

from __future__ import annotations

from sqlalchemy.engine import make_url


def has_password(url: str) -> bool:
    """Does the URL hold a password, in its authority or in its query?"""
    parsed = make_url(url)
    return parsed.password is not None or any("password" in key for key in parsed.query)


def without_password(url: str) -> str:
    """The URL as it may be printed and stored: with asterisks in the place of its passwords."""
    parsed = make_url(url)
    secrets = {key: "***" for key in parsed.query if "password" in key}
    return parsed.update_query_dict(secrets).render_as_string(hide_password=True)
