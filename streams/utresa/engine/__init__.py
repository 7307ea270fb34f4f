"""Faust, extended: blocks instead of records, rows that load themselves, writes that are awaited.

The engine knows blocks, rows and offsets; it does not know what a case is. Where it works around Faust or
aiokafka, the place says what and why.
"""
