"""Encoders of texts: one file a family."""
