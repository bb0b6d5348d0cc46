"""What the benchmarks share: interleaved ratios, and exponentials to any precision."""

import math
import statistics
import time

import numpy as np

import randla

PAUSE = 0.04  # waiting threads of a BLAS spin for some 30 ms, and would slow the next library


def speed(slow, fast, *, pause=PAUSE, seconds=1.5, shortest=5e-3):
    """Wall time of `slow` over that of `fast`: median over rounds of the ratio within a round.

    The two take turns, so that a load that slows both for a while cancels.
    """
    numbers = []
    for call in (slow, fast):
        call()  # may compile, import, start threads
        start = time.perf_counter()
        call()
        once = max(time.perf_counter() - start, 1e-7)
        numbers.append(max(1, math.ceil(shortest / once)))

    def sample(call, number):
        time.sleep(pause)
        call()
        start = time.perf_counter()
        for _ in range(number):
            call()
        return (time.perf_counter() - start) / number

    ratios, start = [], time.perf_counter()
    while len(ratios) < 3 or (time.perf_counter() - start < seconds and len(ratios) < 50):
        pair = [(slow, numbers[0]), (fast, numbers[1])]
        order = (0, 1) if len(ratios) % 2 == 0 else (1, 0)
        taken = {i: sample(*pair[i]) for i in order}
        ratios.append(taken[0] / taken[1])
    return statistics.median(ratios)


def limited_speed(call, few, many, rounds=9):
    """Time under `few` threads over that under `many`; setting the limit is not timed."""
    ratios = []
    for number in range(rounds):
        taken = {}
        for threads in (few, many) if number % 2 == 0 else (many, few):
            with randla.num_threads(threads):
                call()
                start = time.perf_counter()
                call()
                once = max(time.perf_counter() - start, 1e-7)
                repeats = max(1, int(5e-3 / once))
                start = time.perf_counter()
                for _ in range(repeats):
                    call()
                taken[threads] = (time.perf_counter() - start) / repeats
        ratios.append(taken[few] / taken[many])
    return statistics.median(ratios)


def exact_expm(a, bits=500):
    """exp(a) of one matrix by Taylor sum and squaring in integers scaled by 2^bits.

    Every float is such an integer exactly; the result keeps far more digits than a double.  Complex
    matrices go as real ones of twice the size, [[Re, -Im], [Im, Re]].
    """
    if np.iscomplexobj(a):
        block = np.block([[a.real, -a.imag], [a.imag, a.real]])
        e, n = exact_expm(block, bits), a.shape[-1]
        return e[:n, :n] + 1j * e[n:, :n]
    norm = float(np.abs(a.astype(np.float64)).sum(0).max())
    halvings = max(0, math.frexp(norm)[1] + 1)
    one = 1 << bits

    def integer(value):
        top, bottom = float(value).as_integer_ratio()
        return (top << bits) // (bottom << halvings)

    x = np.array([[integer(v) for v in row] for row in a], dtype=object)
    eye = np.array([[one * (i == j) for j in range(len(a))] for i in range(len(a))], dtype=object)
    total, term, k = eye.copy(), eye, 0
    while np.abs(term).max() > 1:  # rounding down ends at -1
        k += 1
        term = (term @ x >> bits) // k
        total = total + term
    for _ in range(halvings):
        total = total @ total >> bits
    # the ratio of two integers is rounded once
    return np.array([[v / one for v in row] for row in total])


def exact_error(computed, exact, unit):
    """Error in the 1-norm, relative to that of the exact result, in roundings."""
    off = np.abs(computed.astype(exact.dtype) - exact).sum(0).max()
    return float(off / np.abs(exact).sum(0).max() / unit)
