"""The networks that are searched, and their loss, defined once for every engine."""
