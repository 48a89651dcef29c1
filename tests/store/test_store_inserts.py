"""Many rows in one statement: each value comes back, and is found, as what it was, whatever engine keeps it."""

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
    wanted = ['text with "quotes", \\ and ș 😀', "[1, 2]", "absent", "{}"]
    find = store.write(lambda tx: tx.find("tried", ("id", "n"), "said", wanted, same="shared"))
    assert sorted(find.result()) == [("a", 2**62), ("c", 0)]
    assert store.write(lambda tx: tx.find("tried", ("id",), "said", wanted, same="other")).result() == []
    assert store.write(lambda tx: tx.find("tried", ("id",), "said", [])).result() == []
    assert store.read(lambda reader: reader.query("SELECT * FROM tried ORDER BY id")).result() == ROWS
