"""What retention answers: to operators, and to whoever is about to remove something."""
