"""The client of a running pipeline: what `penstock.connect` returns, and what hangs on it."""

from penstock.client.connection import TOKENS, Connection, connect
from penstock.client.knobs import Knobs
from penstock.client.ledger import Ledger
from penstock.client.views import RemoteView, Views

__all__ = ["TOKENS", "Connection", "Knobs", "Ledger", "RemoteView", "Views", "connect"]
