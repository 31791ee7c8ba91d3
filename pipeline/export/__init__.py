"""From a trained model to files that serve: ONNX, parity, latency, model card, prediction."""
