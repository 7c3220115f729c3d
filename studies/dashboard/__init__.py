"""optuna-dashboard, served to this machine, with notes on what the diagnosis found."""
