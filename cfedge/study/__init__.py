"""Studies on the user's own data: streams of tasks, rules to compare with, results and a
recommendation.
"""
