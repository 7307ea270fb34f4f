"""The topics for those who send to them and read from them: a page for each, and an AsyncAPI document.

All of it is made from the registry of topics, the schemas, and a handful of example events that the workers are given.
`make docs` writes it to deploy/topics.
"""
