"""Results read back: a folder as groups of finished experiments. Nothing in a folder is trusted."""
