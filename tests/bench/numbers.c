/* Numbers in and out: gradd beside cJSON in one run. 1,000,000 float64 with 17 significant digits
 * are parsed from one JSON array into doubles, and printed again; they must come back bit for bit.
 * Twice: random bit patterns, which are float64 of every size, and numbers in [0,1), where libc,
 * and so cJSON, prints much faster. Prints a line a measurement, its name and figure: medians of 7 in
 * nanoseconds of processor time a number, and the bytes a number that decoding adds to the resident memory of a
 * child process. Leaves the bodies in DIRECTORY for numbers_orjson.py, and the numbers as they are.
 *
 *     numbers DIRECTORY [COUNT] */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api/json.h"
#include "api/writer.h"

enum { REPEATS = 7 };

struct input {
    size_t count, length;
    double *numbers;
    char *body; /* NUL-terminated for cJSON */
};

static void fail(const char *what) {
    fprintf(stderr, "numbers: %s\n", what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double times[REPEATS]) {
    qsort(times, REPEATS, sizeof times[0], compare);
    return times[REPEATS / 2];
}

/* xorshift64*: the same numbers in every run. */
static uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

enum numbers { EVERY_SIZE, BELOW_ONE };

static double next_number(enum numbers kind, uint64_t *state) {
    for (;;) {
        const uint64_t bits = next_random(state);
        double x;
        if (kind == BELOW_ONE) return (double)(bits >> 11) * 0x1p-53;
        memcpy(&x, &bits, sizeof x);
        if (isfinite(x)) return x;
    }
}

static struct input make_input(enum numbers kind, size_t count) {
    struct input in = {
        .count = count, .numbers = malloc(count * sizeof(double)), .body = malloc(count * 26 + 3)};
    if (!in.numbers || !in.body) fail("out of memory");
    uint64_t state = 42;
    char *at = in.body;
    *at++ = '[';
    for (size_t i = 0; i < count; i++) {
        in.numbers[i] = next_number(kind, &state);
        if (i) *at++ = ',';
        at += sprintf(at, "%.17g", in.numbers[i]);
    }
    *at++ = ']';
    *at = '\0';
    in.length = (size_t)(at - in.body);
    return in;
}

static void check(const struct input *in, const double *numbers) {
    if (memcmp(in->numbers, numbers, in->count * sizeof(double)) != 0)
        fail("numbers came back changed");
}

/* One decoding by gradd; the tensor lives in the arena. */
static struct tensor gradd_decode(struct arena *arena, const struct input *in) {
    struct json *root;
    struct tensor t = {0};
    struct error error;
    error_clear(&error);
    if (!json_parse(arena, in->body, in->length, 128, &root, &error) ||
        !json_tensor(arena, root, DTYPE_F64, INT64_MAX, "", &t, &error)) {
        fail(error.detail);
    }
    return t;
}

/* One decoding by cJSON, into doubles as every user of it must go on to do. */
static double *cjson_decode(const struct input *in) {
    cJSON *root = cJSON_Parse(in->body);
    double *numbers = malloc(in->count * sizeof(double));
    if (!root || !numbers) fail("cJSON_Parse failed");
    size_t i = 0;
    for (const cJSON *child = root->child; child; child = child->next)
        numbers[i++] = child->valuedouble;
    cJSON_Delete(root);
    return numbers;
}

static double gradd_in(const struct input *in) {
    double times[REPEATS];
    for (int k = 0; k < REPEATS; k++) {
        struct arena arena;
        arena_init(&arena, SIZE_MAX / 2);
        const double start = now();
        const struct tensor t = gradd_decode(&arena, in);
        times[k] = now() - start;
        check(in, t.data);
        arena_free(&arena);
    }
    return median(times);
}

static double cjson_in(const struct input *in) {
    double times[REPEATS];
    for (int k = 0; k < REPEATS; k++) {
        const double start = now();
        double *numbers = cjson_decode(in);
        times[k] = now() - start;
        check(in, numbers);
        free(numbers);
    }
    return median(times);
}

static double gradd_out(const struct input *in) {
    double times[REPEATS];
    const struct tensor t = {DTYPE_F64, {.rank = 1, .dim = {(int64_t)in->count}}, in->numbers};
    for (int k = 0; k < REPEATS; k++) {
        struct writer w;
        writer_init(&w, SIZE_MAX / 2);
        const double start = now();
        write_tensor(&w, &t, FORMAT_NESTED);
        times[k] = now() - start;
        write_bytes(&w, "", 1);
        if (w.full) fail("the writer is full");
        const struct input again = {.count = in->count, .length = w.length - 1, .body = w.data};
        struct arena arena;
        arena_init(&arena, SIZE_MAX / 2);
        check(in, gradd_decode(&arena, &again).data);
        arena_free(&arena);
        writer_free(&w);
    }
    return median(times);
}

/* What cJSON prints is not checked: it writes 15 digits wherever those come within one epsilon, and
 * so does not give back the same numbers. */
static double cjson_out(const struct input *in) {
    double times[REPEATS];
    cJSON *root = cJSON_CreateArray();
    cJSON *last = NULL;
    for (size_t i = 0; i < in->count; i++) {
        cJSON *number = cJSON_CreateNumber(in->numbers[i]);
        if (!number) fail("out of memory");
        if (last)
            last->next = number;
        else
            root->child = number;
        number->prev = last;
        last = number;
    }
    root->child->prev = last;
    for (int k = 0; k < REPEATS; k++) {
        const double start = now();
        char *text = cJSON_PrintUnformatted(root);
        times[k] = now() - start;
        if (!text) fail("cJSON_PrintUnformatted failed");
        free(text);
    }
    cJSON_Delete(root);
    return median(times);
}

static size_t peak_kib(void) {
    char line[256];
    size_t kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    if (!status) fail("/proc/self/status cannot be read");
    while (fgets(line, sizeof line, status)) {
        if (sscanf(line, "VmHWM: %zu kB", &kib) == 1) break;
    }
    fclose(status);
    return kib;
}

/* Bytes that one decoding adds to the peak of a process that holds nothing but the body. */
static double peak_of(enum numbers kind, size_t count, void (*decode)(const struct input *)) {
    int ends[2];
    if (pipe(ends) != 0) fail("pipe failed");
    const pid_t child = fork();
    if (child < 0) fail("fork failed");
    if (child == 0) {
        struct input in = make_input(kind, count);
        free(in.numbers);
        /* What was touched before does not count towards the peak: it is reset to what is held. */
        FILE *refs = fopen("/proc/self/clear_refs", "w");
        if (!refs || fputs("5", refs) < 0 || fclose(refs) != 0) fail("the peak cannot be reset");
        const size_t before = peak_kib();
        decode(&in);
        const double grown = 1024.0 * (double)(peak_kib() - before);
        if (write(ends[1], &grown, sizeof grown) != (ssize_t)sizeof grown) _exit(1);
        _exit(0);
    }
    double grown;
    int status;
    close(ends[1]);
    if (read(ends[0], &grown, sizeof grown) != (ssize_t)sizeof grown) fail("the child failed");
    close(ends[0]);
    if (waitpid(child, &status, 0) != child || status != 0) fail("the child failed");
    return grown;
}

static void decode_with_gradd(const struct input *in) {
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    gradd_decode(&arena, in);
}

static void decode_with_cjson(const struct input *in) { cjson_decode(in); }

static const char *const kind_names[] = {[EVERY_SIZE] = "every", [BELOW_ONE] = "unit"};

static void write_file(const char *directory, const char *name, const char *suffix,
                       const void *data, size_t size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.%s", directory, name, suffix);
    FILE *f = fopen(path, "w");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f)) fail(path);
}

static void compare_all(enum numbers kind, size_t count, const char *directory) {
    const struct input in = make_input(kind, count);
    const double ns = 1e9 / (double)count;
    const char *name = kind_names[kind];
    printf("%s_in %.2f\n", name, ns * gradd_in(&in));
    printf("%s_in_cjson %.2f\n", name, ns * cjson_in(&in));
    printf("%s_out %.2f\n", name, ns * gradd_out(&in));
    printf("%s_out_cjson %.2f\n", name, ns * cjson_out(&in));
    write_file(directory, name, "json", in.body, in.length);
    write_file(directory, name, "float64", in.numbers, count * sizeof *in.numbers);
    free(in.numbers);
    free(in.body);
}

int main(int argc, char **argv) {
    const size_t count = argc > 2 ? (size_t)strtoull(argv[2], NULL, 10) : 1000000;
    if (argc < 2 || count == 0) fail("usage: numbers DIRECTORY [COUNT]");
    /* First of all, while malloc holds nothing that could be used again. */
    const double gradd = peak_of(EVERY_SIZE, count, decode_with_gradd),
                 cjson = peak_of(EVERY_SIZE, count, decode_with_cjson);
    printf("peak %.2f\npeak_cjson %.2f\n", gradd / (double)count, cjson / (double)count);
    compare_all(EVERY_SIZE, count, argv[1]);
    compare_all(BELOW_ONE, count, argv[1]);
    return 0;
}
