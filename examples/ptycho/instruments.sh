# Two instruments that do not exist, at the same scan of 21 × 31 points; they end with it.
penstock sim eiger --bind tcp://127.0.0.1:9999 --points 21x31 --compression bslz4 --quiet &
penstock sim pandabox-framed --bind tcp://127.0.0.1:8888 --points 21x31 --quiet &
wait
