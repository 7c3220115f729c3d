"""What a search takes where nothing else is said."""

DEFAULT_URL = "sqlite:///studies/results/studies.db"
DEFAULT_SEED = 648
