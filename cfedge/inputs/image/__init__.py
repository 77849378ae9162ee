"""Pictures: files, their bytes, and camera frames. Files need ``cfedge[image]``; frames do not."""
