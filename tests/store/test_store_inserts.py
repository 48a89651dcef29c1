"""Many rows in one statement: each value comes back as what it was, whatever engine keeps it."""

from jobwire.store.contract import Store, Transaction

ROWS = [
    ("a", 'text with "quotes", \\ and ș 😀', 2**62, None, "shared"),
    ("b", "", -1, 0.25, "shared"),
    ("c", "[1, 2]", 0, 1e300, "shared"),
]


def test_rows_come_back_as_they_were(store: Store) -> None:
    def work(tx: Transaction) -> None:
        tx.execute("CREATE TABLE tried (id TEXT PRIMARY KEY, said TEXT, n BIGINT, x DOUBLE PRECISION, same TEXT)")
        tx.insert("tried", ("id", "said", "n", "x"), [row[:4] for row in ROWS], same="shared")
        tx.insert("tried", ("id",), [])

    store.write(work).result()
    assert store.read(lambda reader: reader.query("SELECT * FROM tried ORDER BY id")).result() == ROWS
