"""Memory as layers: pages file, pagemap, chain of parents, address space."""
