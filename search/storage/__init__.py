"""Optuna's storage: how databases are opened, read and written. Its private names stay here."""
