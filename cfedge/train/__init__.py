"""The workshop's half: learn one task at a time. Training needs the extra ``train``; a closed-form
head does not.
"""
