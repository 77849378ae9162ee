"""Formats of chat robots and of tools for language: what they hold are texts, each with its label.

They are the text kind's own ground: their rows have the columns ``text`` and ``label``, whatever
the file calls them.
"""
