"""The random part of ids: below its bound, used once, other in a forked process, each byte from the system."""

import os
import threading

from jobwire.domain.ids import RANDOM_BITS
from jobwire.service.randomness import RandomBits


def test_every_number_is_used_once_even_among_threads():
    bits, taken = RandomBits(), []

    def take_many():
        taken.extend([bits.take() for _ in range(5_000)])

    threads = [threading.Thread(target=take_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 20_000


def test_numbers_fill_their_range_and_no_more():
    assert RandomBits(lambda count: b"\xff" * count).take() == 2**RANDOM_BITS - 1
    assert RandomBits(lambda count: b"\x00" * count).take() == 0


def test_each_number_has_bytes_of_its_own():
    drawn = []

    def draw(count):
        drawn.append(os.urandom(count))
        return drawn[-1]

    bits = RandomBits(draw)
    numbers = [bits.take() for _ in range(1_500)]
    width = (RANDOM_BITS + 7) // 8
    block = b"".join(drawn)
    expected = [
        int.from_bytes(block[i * width : (i + 1) * width], "big") >> (8 * width - RANDOM_BITS) for i in range(1_500)
    ]
    assert numbers == expected


def test_a_forked_process_draws_its_own():
    bits = RandomBits()
    bits.take()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, str(bits.take()).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert int(os.read(reading, 100)) != bits.take()
    os.close(reading)
    os.close(writing)
