"""The only place where events are defined. One module per domain; never edited after release."""
