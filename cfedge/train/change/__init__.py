"""Change a task that was learned, when its data are gone: more examples, new classes, other names,
two tasks made one, one made two.
"""
