"""Labelled inputs, wherever they come from: files, folders, memory. What is read, what is refused, what
should be looked at first, and which of them are held out.
"""
