"""The deployable form of a workspace: a manifest and content-addressed files. docs/format.md is its
specification.
"""
