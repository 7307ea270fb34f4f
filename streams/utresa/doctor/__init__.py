"""`utresa doctor`: what can be wrong between this machine and the figures, each with what was found and its remedy.

`machine` looks at this machine and `broker` judges what Kafka says of itself. A check says one thing; what it needs
and does not have, since another check has failed, makes it `skipped`. A warning mends itself or can wait.
"""
