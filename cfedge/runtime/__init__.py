"""The device half: NumPy, ONNX Runtime and tokenizers. Never torch, transformers, scikit-learn or
onnx.
"""
