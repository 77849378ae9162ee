"""Text: Unicode strings, tokenized by the backbone's own tokenizer. Needs ``cfedge[text]``."""
