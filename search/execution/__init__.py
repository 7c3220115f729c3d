"""Running a search: engines, workers, and which trial comes next."""
