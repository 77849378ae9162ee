"""The device half: NumPy, ONNX Runtime and what reads a kind of input. Never torch, transformers, scikit-learn or
onnx.
"""
