; Where the detector stands and what a pixel is, in the words of CrystFEL's geometry files. One panel.
photon_energy = 9500        ; eV
clen = 0.080                ; m, from sample to detector
res = 3333.333333           ; pixels a metre: 300 µm each

p0/min_fs = 0
p0/max_fs = 255
p0/min_ss = 0
p0/max_ss = 255
p0/corner_x = -128.0        ; pixels, from the beam to the outer corner of the first pixel
p0/corner_y = -131.5
