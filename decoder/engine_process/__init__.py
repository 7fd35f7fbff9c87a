"""An engine in a process of its own, behind the seam of engines."""
