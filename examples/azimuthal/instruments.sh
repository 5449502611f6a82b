# Two instruments that do not exist, at the same scan of 21 × 31 points; they end with it.
penstock sim stins --bind tcp://127.0.0.1:5556 --points 21x31 --quiet &
penstock sim albaem --bind tcp://127.0.0.1:5557 --points 21x31 --quiet &
wait
