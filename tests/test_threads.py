"""Threads, forks and Ctrl-C.  Time limits here are ends of patience, not measurements."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from oracles import random_matrices

import randla
from randla._cpu import core

PATIENCE = 60  # seconds for what hangs for ever when it is broken


def run(code, **options):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd="/",
        **options,
    )


# ---- fork --------------------------------------------------------------------------------------

FORK = """
    import os, sys, signal, warnings
    import numpy as np, randla
    from randla._cpu import core
    A = np.random.default_rng(0).standard_normal({shape}) / 4
    randla.num_threads(2)
    E = randla.expm(A)
    assert core.max_threads() == 2
    pid = os.fork()
    if pid == 0:
        signal.alarm(40)  # a child that hangs dies of this
        ok = core.max_threads() == 1 and randla.expm(A).tobytes() == E.tobytes()
        with randla.num_threads(2):
            ok = ok and randla.expm(A).tobytes() == E.tobytes()
        os._exit(0 if ok else 3)
    assert os.waitpid(pid, 0)[1] == 0
    assert core.max_threads() == 2
    assert randla.expm(A).tobytes() == E.tobytes()  # the parent goes on
"""


@pytest.mark.parametrize("shape", [(4000, 6, 6), (200, 24, 24)])
def test_fork_after_a_parallel_region(shape):
    """Without a guard a child waits for ever for threads that it does not have."""
    done = run(FORK.format(shape=shape))
    assert done.returncode == 0, done.stderr


def test_fork_in_a_fork():
    done = run(
        """
        import os, numpy as np, randla
        A = np.ones((4000, 6, 6)) / 9
        randla.num_threads(2)
        E = randla.expm(A)
        child = os.fork()
        if child == 0:
            randla.expm(A)
            grandchild = os.fork()
            if grandchild == 0:
                os._exit(0 if randla.expm(A).tobytes() == E.tobytes() else 3)
            os._exit(os.waitpid(grandchild, 0)[1] != 0)
        assert os.waitpid(child, 0)[1] == 0
        """
    )
    assert done.returncode == 0, done.stderr


def test_multiprocessing_fork():
    """As data loaders do it: workers forked from a process that has computed."""
    done = run(
        """
        import multiprocessing, numpy as np, randla
        A = np.random.default_rng(1).standard_normal((3000, 6, 6)) / 4
        def work(i):
            return randla.expm(A * i).tobytes()
        randla.num_threads(2)
        wanted = [work(i) for i in range(4)]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map_async(work, range(4)).get(40) == wanted
        """
    )
    assert done.returncode == 0, done.stderr


def _expm_bytes(A):
    return randla.expm(A).tobytes()


# ---- Python threads ----------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "count"), [(6, 3000), (24, 150), (100, 2)])
@pytest.mark.parametrize("limit", [1, 2])
def test_many_python_threads(n, count, limit):
    """Eight at once, each with its own team below it: same bits, no deadlock."""
    A = random_matrices("d", n, count, 2.0)
    with randla.num_threads(limit):
        wanted = _expm_bytes(A)
        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(_expm_bytes, A) for _ in range(24)]
            assert all(f.result(PATIENCE) == wanted for f in futures)


def test_threads_of_different_problems():
    """Promises broken in one thread do not show in another."""
    good, bad = random_matrices("d", 8, 500), np.array([[[0.0, 1.0], [2.0, 0.0]]] * 500)
    wanted = _expm_bytes(good)

    def broken(_):
        with pytest.raises(ValueError, match=r"matrix \(0,\) of the batch"):
            randla.expm(bad, assume="hermitian")
        return True

    with randla.num_threads(2), ThreadPoolExecutor(8) as pool:
        results = [pool.submit(_expm_bytes, good) for _ in range(16)]
        errors = [pool.submit(broken, None) for _ in range(16)]
        assert all(f.result(PATIENCE) == wanted for f in results)
        assert all(f.result(PATIENCE) for f in errors)


def test_levels_have_the_same_thread_count():
    with randla.num_threads(2):
        for level in core.isa_levels():
            try:
                core.set_isa(level)
            except ValueError:
                continue
            assert core.max_threads() == 2
    core.set_isa("auto")


# ---- Ctrl-C ------------------------------------------------------------------------------------

INTERRUPTED = """
    import os, signal, sys, threading, time
    import numpy as np, randla
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background, it is ignored
    {prepare}
    A = np.full({shape}, 1.0 / {shape}[-1]) + 20 * np.eye({shape}[-1])
    A.flat[1] = 0.5
    randla.num_threads({threads})
    randla.expm(A[..., :4, :4])
    print("ready", flush=True)
    started = time.monotonic()
    try:
        while True:
            randla.expm(A)
    except {expected} as raised:
        print(type(raised).__name__, raised, flush=True)
        print(float(sys.stdin.readline()), flush=True)
        # and the library still works
        assert np.isfinite(randla.expm(A[..., :3, :3])).all()
"""


def interrupt(expected="KeyboardInterrupt", prepare="", shape=(2000, 2000), threads=1, delay=0.7):
    """Run a long call, interrupt it; what was raised, and how long that took."""
    import time

    code = INTERRUPTED.format(expected=expected, prepare=prepare, shape=shape, threads=threads)
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    try:
        assert process.stdout.readline().strip() == "ready", process.stderr.read()
        time.sleep(delay)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        raised = process.stdout.readline().strip()
        waited = time.monotonic() - sent
        _, errors = process.communicate("0\n", timeout=PATIENCE)
        assert process.returncode == 0, errors
    finally:
        process.kill()
        process.wait()
    return raised, waited


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(2000, 2000), (200_000, 12, 12), (400, 120, 120)])
def test_ctrl_c(shape, threads):
    """Between products of a large matrix, between blocks of a batch: within a product's time.

    The call that is interrupted would take many seconds; the two seconds are what a person waits.
    """
    raised, waited = interrupt(shape=shape, threads=threads)
    assert raised == "KeyboardInterrupt"
    assert waited < 2


def test_what_a_signal_handler_raises_comes_through():
    prepare = """
    class Stop(Exception): pass
    def handler(number, frame): raise Stop("by hand")
    signal.signal(signal.SIGINT, handler)
    """
    raised, waited = interrupt("Stop", prepare, (200_000, 12, 12))
    assert raised == "Stop by hand"
    assert waited < 2


def test_a_signal_handler_that_does_not_raise_changes_nothing():
    done = run(
        """
        import os, signal, threading
        import numpy as np, randla
        calls = []
        signal.signal(signal.SIGALRM, lambda *_: calls.append(1))
        A = np.random.default_rng(0).standard_normal((100_000, 8, 8)) / 3
        wanted = randla.expm(A)
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        for _ in range(5):
            assert randla.expm(A).tobytes() == wanted.tobytes()
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert len(calls) > 3
        """
    )
    assert done.returncode == 0, done.stderr


def test_interruption_while_other_threads_compute():
    """Only the main thread sees signals; the others finish, with their own results."""
    done = run(
        """
        import os, signal, threading, time
        from concurrent.futures import ThreadPoolExecutor
        import numpy as np, randla
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have ignored it
        A = np.random.default_rng(0).standard_normal((40_000, 8, 8)) / 3
        wanted = randla.expm(A).tobytes()
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(lambda: randla.expm(A).tobytes()) for _ in range(6)]
            threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
            try:
                while True:
                    randla.expm(A)
            except KeyboardInterrupt:
                pass
            assert all(job.result() == wanted for job in jobs)
        """
    )
    assert done.returncode == 0, done.stderr


def test_after_an_interruption_out_is_undefined_and_says_so():
    assert "Undefined after an error" in randla.expm.__doc__


def test_start_methods_that_do_not_fork():
    """A spawned child imports everything anew."""
    context = multiprocessing.get_context("spawn")
    assert os.cpu_count() is not None
    with context.Pool(1) as pool:
        E = pool.apply_async(randla.expm, (np.zeros((2, 2)),)).get(PATIENCE)
    assert (np.eye(2) == E).all()
