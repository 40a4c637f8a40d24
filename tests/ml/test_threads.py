"""Cores for matrix products: OpenBLAS' cry for memory is not the user's Ctrl+C."""

import signal

import pytest

from ml import threads

unix = pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="OpenBLAS signals itself on Unix alone")


@unix
def test_a_thread_that_openblas_could_not_start_is_told_as_lack_of_memory(monkeypatch):
    monkeypatch.setattr(threads, "threadpool_limits", lambda **_how: signal.raise_signal(signal.SIGINT))
    with pytest.raises(MemoryError, match="threads"):
        threads.limit_products(2)


@unix
def test_ctrl_c_works_again_afterwards(monkeypatch):
    heard = []
    monkeypatch.setattr(threads, "threadpool_limits", lambda **how: heard.append(how["limits"]))
    before = signal.signal(signal.SIGINT, lambda *_: heard.append("interrupt"))
    try:
        threads.limit_products(2)
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [2, "interrupt"]
