"""Utresa follows return cases across three authorities and counts them as their joint annual report does."""
