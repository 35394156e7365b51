"""One file per vendor or protocol."""
