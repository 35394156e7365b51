"""Whom billing asks: the gateway, and payment providers, one file each."""
