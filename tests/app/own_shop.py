"""A shop: it writes a purchase and submits its job in one transaction. With `serve` it works the jobs instead.

own_shop.py serve LEDGER             prints "ready", then "sent N" for each job worked; ends with its input
own_shop.py buy WAY LEDGER OWN N     a purchase each from N on, printed once it is committed
own_shop.py die WAY LEDGER OWN POINT one purchase, and SIGKILL at that point
"""

import asyncio
import os
import signal
import sys

from own_ways import WAYS

from jobwire import Jobwire


def make_app(ledger):
    app = Jobwire(db=ledger)

    @app.job("send")
    def send(n: int) -> int:
        # In one piece: handlers run in several threads.
        os.write(1, f"sent {n}\n".encode())
        return n

    return app


async def serve(ledger):
    async with make_app(ledger).running():
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)


def buy(app, own, n, at=lambda point: None):
    own.begin()
    own.execute(f"INSERT INTO purchase VALUES ({n})")
    at("written")
    own.submit(app, "send", input={"n": n}, owner="shop", idempotency_key=f"purchase-{n}")
    at("submitted")
    own.commit()
    at("committed")


def main(work, *given):
    if work == "serve":
        asyncio.run(serve(*given))
        return
    name, ledger, address, last = given
    app = make_app(ledger)
    own = next(way for way in WAYS if way.name == name).open(address)
    if work == "die":
        buy(app, own, 1, at=lambda point: point == last and os.kill(os.getpid(), signal.SIGKILL))
        return
    n = int(last)
    while True:
        buy(app, own, n)
        print(n, flush=True)
        n += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
