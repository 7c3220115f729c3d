"""The paper's comparison, trained anew: its arms, its claims, its figures."""
