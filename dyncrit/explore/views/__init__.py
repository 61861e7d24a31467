"""The views of ``dyncrit x``: CRIT's text, go-crit's documents, and tables of our own."""
