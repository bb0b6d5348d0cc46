"""Estimators and transformers for scikit-learn, over the public functions."""

from ._lstsq import SketchedLinearRegression, SketchedRidge
from ._nystroem import Nystroem
from ._sketch import RandomProjection, TensorSketch
from ._svd import RandomizedPCA, RandomizedSVD

__all__ = [
    "Nystroem",
    "RandomProjection",
    "RandomizedPCA",
    "RandomizedSVD",
    "SketchedLinearRegression",
    "SketchedRidge",
    "TensorSketch",
]
