"""What scoring one case needs: settings, gate, scorer, maps, flags and its row; no folder, ledger or worker."""
