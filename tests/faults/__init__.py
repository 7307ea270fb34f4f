"""Faults against a real broker and real worker processes: each one is seen to happen, and the figures stay right."""
