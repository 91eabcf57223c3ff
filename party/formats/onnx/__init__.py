"""Models of others, and for others."""

from protocol.extras import needed

with needed("ONNX, which models are read and written as,", "onnx"):
    import onnx as onnx
