"""The database and the seed of a search that is not given any."""

DEFAULT_URL = "sqlite:///studies/results/studies.db"
DEFAULT_SEED = 648
