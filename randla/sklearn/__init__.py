"""Estimators and transformers for scikit-learn, over the public functions."""

from ._lstsq import SketchedLinearRegression, SketchedRidge
from ._sketch import RandomProjection, TensorSketch
from ._svd import RandomizedPCA, RandomizedSVD

__all__ = [
    "RandomProjection",
    "RandomizedPCA",
    "RandomizedSVD",
    "SketchedLinearRegression",
    "SketchedRidge",
    "TensorSketch",
]
