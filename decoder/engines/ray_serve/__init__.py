"""Replicas of an engine on a Ray cluster, behind the seam of engines."""
