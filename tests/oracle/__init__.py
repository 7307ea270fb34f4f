"""The second answer: the contract's definitions as SQL over the raw records, independent of `utresa.domain`."""
