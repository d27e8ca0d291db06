"""The files of a folder and the studies that they make, kept in a ledger."""
