"""The search itself: the only package that knows Optuna's samplers and pruners."""
