"""The parts of the page, in their order: each a function from the report's contents to a section, or
to None where there is nothing to say.
"""
