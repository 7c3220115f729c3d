"""The model and its training. Knows nothing of Optuna, `search` or `studies`."""
