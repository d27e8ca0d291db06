"""Export a trained model to what other runtimes take: an ONNX file, or a bundle of MONAI.

``onnx_file.py`` and ``bundle.py`` write the two. ``onnx_model.py`` runs an exported file on ONNX Runtime, and
``onnx_scoring.py`` scores folders with it; neither imports PyTorch or MONAI.
"""
