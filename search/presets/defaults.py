"""The seed of a search that is not given one."""

DEFAULT_SEED = 648
