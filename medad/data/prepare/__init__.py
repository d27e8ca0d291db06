"""Convert a raw download to the prepared layout."""
