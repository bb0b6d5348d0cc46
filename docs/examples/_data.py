"""Real data for the examples: packages of Debian, fetched once into the user's cache.

Where they cannot be had (another system, no network), the functions return None, and a page says
what it takes instead.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np


def _package(name: str, inside: str) -> Path | None:
    """Folder of a Debian package's data: installed, in the cache, or downloaded to it."""
    installed = Path("/usr/share") / inside
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "randla" / "data"
    cached = cache / name / "usr" / "share" / inside
    for folder in (installed, cached):
        if folder.is_dir():
            return folder
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return None
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        try:
            subprocess.run(
                ["apt-get", "download", "-qq", name], cwd=work, check=True, capture_output=True
            )
            (package,) = Path(work).glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", package, f"{work}/all"], check=True)
        except (subprocess.CalledProcessError, ValueError):
            return None
        if not cached.is_dir():  # another page may have been faster
            shutil.move(f"{work}/all", cache / name)
    return cached


def _idx(file: Path) -> np.ndarray:
    """An array of bytes in the format of MNIST."""
    data = gzip.decompress(file.read_bytes())
    shape = np.frombuffer(data, ">u4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def fashion_mnist() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Fashion-MNIST: 60000 images of 784 pixels and labels to train on, 10000 to test with."""
    folder = _package("dataset-fashion-mnist", "datasets/fashion-mnist")
    if folder is None:
        return None
    parts = []
    for name in ("train", "t10k"):
        images = _idx(folder / f"{name}-images-idx3-ubyte.gz")
        parts += [images.reshape(len(images), -1), _idx(folder / f"{name}-labels-idx1-ubyte.gz")]
    return tuple(parts)


def wordnet() -> tuple[list[str], np.ndarray] | None:
    """The 117659 glosses of WordNet 3.0, and the number of the file (0 to 44) that each is from."""
    folder = _package("wordnet-base", "wordnet")
    if folder is None:
        return None
    glosses, labels = [], []
    for part in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{part}").read_text("latin-1").splitlines():
            if not line.startswith("  "):  # the licence
                glosses.append(line.partition(" | ")[2].strip())
                labels.append(int(line.split(" ", 2)[1]))
    return glosses, np.array(labels)
