# A camera and an encoder that do not exist: 360 images over half a turn, and a reading for every ten of them.
penstock sim rotation:Camera --bind tcp://127.0.0.1:5556 --points 1x360 --quiet &
penstock sim rotation:Encoder --bind tcp://127.0.0.1:8888 --points 1x37 --quiet &
wait
