"""The live page: the report's figures as they are published, for people.

It reads the published topics alone, so nothing of a case can pass it; it writes nothing. Needs what the extra
`utresa[page]` installs. `board` keeps what was published, the views make pages of it, `app` serves them.
"""
