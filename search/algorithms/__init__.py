"""Samplers, pruners and the rule that ends a search early, on top of Optuna's own."""
