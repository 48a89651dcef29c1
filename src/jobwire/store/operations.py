"""OpenTransaction: everything that can be done in one transaction of the ledger, on any engine.

Nothing here decides: domain/ has decided, the WHERE clauses of the engine's sql/ guard. Start at transaction.py.
"""

from jobwire.store.leasing import Leasing
from jobwire.store.submitting import Submitting
from jobwire.store.waiting import Waiting


class OpenTransaction(Submitting, Leasing, Waiting):
    """One open transaction; an engine's own has its SQL."""
