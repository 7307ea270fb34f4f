"""The ways in and out of Utresa, one module each. None of them knows the processors."""
