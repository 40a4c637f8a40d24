"""Reading ahead and writing behind: in order, never more than one item waits, errors come where they belong."""

import threading
import time
from contextlib import closing

import pytest

from ml.overlap import Behind, Stopwatch, ahead, in_words


def test_the_next_item_is_made_while_the_caller_works_with_the_present_one():
    made = []
    began = threading.Event()

    def make(number):
        made.append((number, threading.current_thread() is threading.main_thread()))
        if number == 1:
            began.set()
        return 10 * number

    items = ahead(make, range(3))
    assert next(items) == 0
    assert began.wait(10)  # item 1 is begun although nobody has asked for it
    assert list(items) == [10, 20]
    assert made == [(0, False), (1, False), (2, False)]


def test_never_more_than_one_item_waits():
    made = []
    items = ahead(lambda number: made.append(number) or number, range(50))
    for number in items:
        time.sleep(0.001)
        assert len(made) <= number + 2
    assert made == list(range(50))


def test_an_error_comes_where_its_item_would():
    def make(number):
        if number == 2:
            raise OSError(5, "Input/output error")
        return number

    found = []
    with pytest.raises(OSError, match="Input/output"):
        found.extend(item for item in ahead(make, range(5)) if found.append(item))
    assert found == [0, 1]


def test_when_the_caller_leaves_early_no_thread_is_left():
    before = threading.active_count()
    with closing(ahead(lambda number: number, range(100))) as items:
        assert next(items) == 0
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_calls_are_done_in_order_and_all_of_them_when_the_block_ends():
    done = []

    def write(number):
        time.sleep(0.002)
        done.append(number)

    with Behind() as behind:
        for number in range(20):
            behind.put(write, number)
            assert len(done) >= number - 1  # at most this one and none before it are still to be done
    assert done == list(range(20))


@pytest.mark.parametrize("failing", [0, 3, 4])
def test_the_error_of_a_call_stops_the_caller(failing):
    done = []

    def write(number):
        if number == failing:
            raise OSError(28, "No space left on device")
        done.append(number)

    def run():
        with Behind() as behind:
            for number in range(5):
                behind.put(write, number)

    with pytest.raises(OSError, match="No space left"):
        run()
    assert done == list(range(failing))


def test_an_error_of_the_caller_is_the_one_that_is_told_and_the_last_call_is_done_first():
    done = []

    def write():
        time.sleep(0.05)
        done.append(True)
        raise OSError(28, "No space left on device")

    def run():
        with Behind() as behind:
            behind.put(write)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert done == [True]


def test_the_watch_tells_shares_of_the_whole():
    watch = Stopwatch()
    with watch.during("computing"):
        time.sleep(0.05)
    watch.began -= 0.05  # as if as much time again had gone into nothing
    shares = watch.shares()
    assert 0.3 < shares["computing"] < 0.6
    assert shares["writing"] == 0
    assert in_words({"reading": 0.02, "computing": 0.985}) == "reading 2 %, computing 98 %"
