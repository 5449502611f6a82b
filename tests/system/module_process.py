"""Sends one part of each dataset; run with a store's folder, an address, the part, of how many, and how many ids."""

import sys

import numpy as np

import penstock

if __name__ == "__main__":
    where, address, part, parts, n = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
    with penstock.open_store(where) as store, store.producer(address) as out:
        for number in range(1, n + 1):
            out.send(np.full(8, 100 * number + part), id=number, part=(part, parts))
        out.finish()
