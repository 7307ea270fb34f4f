"""The second answer: the contract's definitions as SQL over the raw records."""
