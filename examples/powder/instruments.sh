# Two instruments that do not exist, at the same scan of 11 × 21 points; they end with it.
penstock sim stins --bind tcp://127.0.0.1:5556 --points 11x21 --quiet &
penstock sim albaem --bind tcp://127.0.0.1:5557 --points 11x21 --quiet &
wait
