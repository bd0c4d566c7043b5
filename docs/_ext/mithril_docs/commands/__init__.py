"""What nox calls beside the straight line: servers for writers, and checks of a whole build."""
