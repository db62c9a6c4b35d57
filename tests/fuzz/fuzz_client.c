/* Any bytes as what the C client hears, whole and in pieces: the same answer both times, a failure that says
 * something, and every value in it readable in the ways that its kind has. */
#include <stdio.h>
#include <string.h>

#include "api/client_own.h"
#include "tests/fuzz/fuzz.h"

enum { MOST = 1 << 20, POINTER = 256, DEEP = 6, WIDE = 6 };

/* ---- what is heard ----------------------------------------------------------------------------- */

static int hear_progress(void *context, const struct gradd_progress *progress) {
    *(double *)context += progress->loss;
    return progress->step == 7;
}

static bool take(struct client_stream *s, bool streams, const char *bytes, size_t n) {
    return streams ? stream_take(s, bytes, n) : answer_take_body(s->answer, bytes, n, MOST);
}

/* Lines up to an empty one, then a body in pieces of so many bytes. */
static struct gradd_answer *hear(const char *bytes, size_t n, size_t piece) {
    const struct gradd_client client = {.options.answer_bytes = MOST};
    struct gradd_answer *a = answer_new(&client);
    double sum = 0;
    struct client_stream s = {
        .progress = hear_progress, .context = &sum, .answer = a, .most = MOST};
    const char *end = bytes + n, *line = bytes;
    for (const char *next; (next = memchr(line, '\n', (size_t)(end - line))); line = next) {
        next++;
        if (next - line <= 2) {
            line = next;
            break;
        }
        answer_take_header(a, line, (size_t)(next - line));
    }
    const char *type = gradd_answer_header(a, "Content-Type");
    const bool streams = type && strncmp(type, "text/event-stream", 17) == 0;
    a->http = n && bytes[0] == '4' ? 400 : 200;
    for (size_t left = (size_t)(end - line); left; left -= piece, line += piece) {
        if (piece > left) piece = left;
        if (!take(&s, streams, line, piece)) break;
    }
    stream_break(&s);
    answer_read(a);
    stream_free(&s);
    return a;
}

/* ---- what can be read -------------------------------------------------------------------------- */

static void visit_tensor(struct gradd_answer *a, const char *pointer) {
    struct gradd_tensor t;
    double x, all[64];
    const bool scalar = gradd_answer_double(a, pointer, &x);
    if (!gradd_answer_tensor(a, pointer, &t)) {
        if (scalar) fuzz_fail("a number that is no tensor");
        return;
    }
    const int64_t n = gradd_count(&t);
    if (n > 0 && !t.data) fuzz_fail("a tensor without elements");
    if (n <= 64 && !gradd_answer_doubles(a, pointer, all, (size_t)n))
        fuzz_fail("a tensor that is no doubles");
    if (gradd_answer_doubles(a, pointer, all, (size_t)n + 1)) fuzz_fail("more than there are");
}

static void visit(struct gradd_answer *a, const char *pointer, int depth) {
    const enum gradd_kind kind = gradd_answer_kind(a, pointer);
    const size_t n = gradd_answer_length(a, pointer);
    bool truth;
    if (gradd_answer_bool(a, pointer, &truth) != (kind == GRADD_TRUTH)) fuzz_fail("a truth");
    if ((gradd_answer_string(a, pointer) != NULL) != (kind == GRADD_STRING)) fuzz_fail("a text");
    if (gradd_answer_key(a, pointer, n)) fuzz_fail("a key past the last");
    visit_tensor(a, pointer);
    if (depth == DEEP) return;
    for (size_t i = 0; i < n && i < WIDE; i++) {
        char below[POINTER], number[24];
        const char *key = gradd_answer_key(a, pointer, i);
        snprintf(number, sizeof number, "%zu", i);
        if (!key && kind != GRADD_ARRAY) fuzz_fail("a member without a name");
        json_pointer(below, sizeof below, pointer, key ? key : number);
        if (strlen(below) + 8 < sizeof below && gradd_answer_kind(a, below) == GRADD_ABSENT)
            fuzz_fail("what was counted is not there");
        visit(a, below, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *bytes = (const char *)data;
    struct gradd_answer *whole = hear(bytes, size, size ? size : 1),
                        *pieces = hear(bytes, size, 1 + size % 7);
    if (whole->status != pieces->status || whole->http != pieces->http)
        fuzz_fail("pieces make a difference");
    if (whole->status == GRADD_OK &&
        strcmp(gradd_answer_text(whole, NULL), gradd_answer_text(pieces, NULL)) != 0)
        fuzz_fail("pieces are other bytes");
    if (whole->status != GRADD_OK && !*gradd_answer_problem(whole)->detail)
        fuzz_fail("a silent failure");
    if (whole->root) visit(whole, "", 0);
    gradd_answer_free(whole);
    gradd_answer_free(pieces);
    return 0;
}
