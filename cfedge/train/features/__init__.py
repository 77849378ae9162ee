"""What is made of the frozen encoder's features of a task's examples: the task's signature, statistics
that add up exactly, and a learning curve.
"""
