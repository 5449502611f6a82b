/* A program that finds Bragg peaks, in C: the same as find_peaks.py, and it finds the same peaks. It needs no library.
 *
 *     cc -O2 -ffp-contract=off -o find_peaks find_peaks.c -lm
 *
 * It reads what penstock writes by the places at which it stands: how many bytes follow comes first in each line, then
 * what the line is and its number, and what an item holds comes last.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_IN_RING 16

struct geometry { double photon_energy, clen, res, corner_x, corner_y, max_fs; };
struct peaks { size_t n, room; double (*at)[4]; };

static void fail(const char *what) { fprintf(stderr, "find_peaks: %s\n", what); exit(1); }

static void *room(size_t nbytes)
{
    void *found = calloc(1, nbytes ? nbytes : 1);
    if (!found) fail("no memory");
    return found;
}

/* The number behind a name in JSON, such as "snr":6.0 */
static double number_of(const char *line, const char *name, double otherwise)
{
    const char *at = strstr(line, name);
    return at ? strtod(at + strlen(name), NULL) : otherwise;
}

static struct geometry geometry_of(const char *path)
{
    struct geometry found = {0};
    struct { const char *name; double *to; } wanted[] = {
        {"photon_energy", &found.photon_energy}, {"clen", &found.clen}, {"res", &found.res},
        {"corner_x", &found.corner_x}, {"corner_y", &found.corner_y}, {"max_fs", &found.max_fs},
    };
    char line[1024], name[256];
    double value;
    FILE *file = fopen(path, "r");
    if (!file) fail("the geometry cannot be read");
    while (fgets(line, sizeof line, file))
        if (sscanf(line, " %255[^ =;] = %lf", name, &value) == 2) {
            const char *last = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
            for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++)
                if (!strcmp(last, wanted[k].name)) *wanted[k].to = value;
        }
    fclose(file);
    return found;
}

static void measure(struct peaks *peaks, const int64_t *image, int width, int row, int column, double mean, double bins,
                    const struct geometry *geometry)
{
    double counts = 0, y = 0, x = 0;
    for (int k = 0; k < 9; k++) {
        double above = fmax((double)image[(row + k / 3) * width + column + k % 3] - mean, 0.0);
        counts += above;
        y += above * (row + k / 3);
        x += above * (column + k % 3);
    }
    y = (y / counts + 0.5) * bins - 0.5;
    x = (x / counts + 0.5) * bins - 0.5;
    double away_y = (y + 0.5 + geometry->corner_y) / geometry->res;
    double away_x = (x + 0.5 + geometry->corner_x) / geometry->res;
    double angle = atan(sqrt(away_y * away_y + away_x * away_x) / geometry->clen);
    if (peaks->n == peaks->room) {
        peaks->room = 2 * peaks->room + 64;
        peaks->at = realloc(peaks->at, peaks->room * sizeof *peaks->at);
        if (!peaks->at) fail("no memory");
    }
    double *at = peaks->at[peaks->n++];
    at[0] = y;
    at[1] = x;
    at[2] = counts;
    at[3] = 12398.42 / geometry->photon_energy / (2 * sin(angle / 2));
}

static void find_peaks(struct peaks *peaks, const int64_t *image, int height, int width, const struct geometry *geometry,
                       double snr)
{
    size_t pixels = (size_t)height * width, rings = 0;
    double bins = (geometry->max_fs + 1) / width;
    double beam_y = -geometry->corner_y / bins - 0.5, beam_x = -geometry->corner_x / bins - 0.5;
    size_t *ring = room(pixels * sizeof *ring);
    for (size_t k = 0; k < pixels; k++) {
        double y = (double)(k / width) - beam_y, x = (double)(k % width) - beam_x;
        ring[k] = (size_t)sqrt(y * y + x * x);
        if (ring[k] >= rings) rings = ring[k] + 1;
    }
    double *limit = room(rings * sizeof *limit), *mean = room(rings * sizeof *mean);
    double (*sums)[3] = room(rings * sizeof *sums);
    for (size_t k = 0; k < rings; k++) limit[k] = INFINITY;
    for (int again = 0; again < 4; again++) {
        memset(sums, 0, rings * sizeof *sums);
        for (size_t k = 0; k < pixels; k++)
            if ((double)image[k] <= limit[ring[k]]) {
                double *sum = sums[ring[k]], value = (double)image[k];
                sum[0] += 1;
                sum[1] += value;
                sum[2] += value * value;
            }
        for (size_t k = 0; k < rings; k++) {
            double n = fmax(sums[k][0], 1.0);
            mean[k] = sums[k][1] / n;
            double spread = sqrt(fmax(sums[k][2] / n - mean[k] * mean[k], 1.0));
            limit[k] = sums[k][0] >= LEAST_IN_RING ? mean[k] + snr * spread : INFINITY;
        }
    }
    peaks->n = 0;
    for (int row = 1; row < height - 1; row++)
        for (int column = 1; column < width - 1; column++) {
            size_t at = (size_t)row * width + column;
            int is_peak = (double)image[at] > limit[ring[at]];
            for (int k = 0; is_peak && k < 9; k++) {
                int64_t other = image[at + (k / 3 - 1) * width + k % 3 - 1];
                if (k != 4) is_peak = k < 4 ? image[at] > other : image[at] >= other;
            }
            if (is_peak) measure(peaks, image, width, row - 1, column - 1, mean[ring[at]], bins, geometry);
        }
    free(ring); free(limit); free(mean); free(sums);
}

static int64_t value_at(const char *data, const char *dtype, size_t k)
{
    if (!strncmp(dtype, "<u8", 3)) { uint64_t value; memcpy(&value, data + 8 * k, 8); return (int64_t)value; }
    if (!strncmp(dtype, "<u4", 3)) { uint32_t value; memcpy(&value, data + 4 * k, 4); return value; }
    if (!strncmp(dtype, "<u2", 3)) { uint16_t value; memcpy(&value, data + 2 * k, 2); return value; }
    fail("images must be of u2, u4 or u8");
    return 0;
}

int main(void)
{
    char *line = NULL, *data = NULL;
    size_t length = 0, nbytes, most = 0;
    struct geometry geometry = {0};
    struct peaks peaks = {0};
    double snr = 6.0, least = 10;
    while (getline(&line, &length, stdin) > 0) {
        char kind[16];
        if (sscanf(line, "{\"bytes\":%zu,\"kind\":\"%15[a-z]", &nbytes, kind) != 2) fail("this is no frame");
        if (nbytes > most && !(data = realloc(data, most = nbytes))) fail("no memory");
        if (fread(data, 1, nbytes, stdin) != nbytes) fail("a frame is cut off");
        if (!strcmp(kind, "parameters")) {
            char path[4096] = "";
            const char *at = strstr(line, "\"geometry\":");
            if (!at || sscanf(at, "\"geometry\":\"%4095[^\"]", path) != 1) fail("there is no geometry");
            geometry = geometry_of(path);
            snr = number_of(line, "\"snr\":", snr);
            least = number_of(line, "\"least_peaks\":", least);
        } else if (!strcmp(kind, "event")) {
            int height, width;
            const char *dtype = strstr(line, "\"dtype\":\""), *shape = strstr(line, "\"shape\":[");
            if (!dtype || !shape || sscanf(shape, "\"shape\":[%d,%d]", &height, &width) != 2) fail("there is no image");
            int64_t *image = room((size_t)height * width * sizeof *image);
            for (size_t k = 0; k < (size_t)height * width; k++) image[k] = value_at(data, dtype + 9, k);
            find_peaks(&peaks, image, height, width, &geometry, snr);
            free(image);
            printf("{\"number\":%.0f,\"result\":{\"is_hit\":%s,\"n\":%zu},"
                   "\"arrays\":{\"peaks\":{\"dtype\":\"<f8\",\"shape\":[%zu,4]}}}\n",
                   number_of(line, "\"number\":", 0), (double)peaks.n >= least ? "true" : "false", peaks.n, peaks.n);
            fwrite(peaks.at, sizeof *peaks.at, peaks.n, stdout);
            fflush(stdout);
        }
    }
    free(line); free(data); free(peaks.at);
    return 0;
}
