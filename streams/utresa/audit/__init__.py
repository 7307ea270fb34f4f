"""The audit: a recount that runs beside the workers, and holds what they publish against the raw records.

It shares the domain with them, so it finds what goes wrong between a record and its figure: records lost, counted twice
or out of place, rows and partials that are not theirs, a worker that writes late. It cannot find that a definition is
wrong; for that there is the SQL of the oracle (`tests/oracle/`). Of the processors and the engine it uses nothing.
"""
