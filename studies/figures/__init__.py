"""Figures of a study: for each a function that returns its data and one that draws it."""
