"""From held-out inputs to figures, thresholds and limits with their confidence. Pure, and without a
workspace: arrays in, numbers out.
"""
