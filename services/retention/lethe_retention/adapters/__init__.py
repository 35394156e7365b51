"""What retention looks through: the verifier's read-only connections."""
