"""Pages of figures and tables as one HTML file, and static copies of the figures."""
