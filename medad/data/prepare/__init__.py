"""A raw download to the prepared layout."""
