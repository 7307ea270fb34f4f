"""The laws of the design, held against simulated workers to which everything happens. `make simulate` runs it."""
