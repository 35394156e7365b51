"""What every Lethe service stands on."""
