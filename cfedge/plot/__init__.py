"""Figures of what is better seen than read: a study, certificates, an evaluation. Needs ``cfedge[plot]``; only commands import this."""
