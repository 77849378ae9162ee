"""A workspace on disk: its backbone, its tasks, and what is kept of each
(`cfedge.train.workspace.folder` says which files there are).
"""
