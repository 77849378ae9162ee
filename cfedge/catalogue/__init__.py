"""What a channel holds, as an append-only log of entries: pure, bytes in and values out. Trust and
transport are for others.
"""
