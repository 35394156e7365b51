"""This service's SQL, named, one module per table or question.

Locks are always taken in one order: subjects by reference, then runs by
generation. Only claiming skips that order, and it never waits for a lock.
"""
