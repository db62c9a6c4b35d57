/* The growing buffer and JSON into it. This file owns escaping and the layout of tensors; it does
 * not know what an answer consists of. */
#include "api/writer.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/utf8.h"
#include "core/budget.h"
#include "core/numbers.h"
#include "core/slab.h"

enum {
    FIRST_CAPACITY = 512,
    MANY = 1 << 17, /* elements that are printed into a slab */
    RUN = 256,      /* numbers printed between two looks at the capacity */
    NON_FINITE_TEXT = sizeof "\"-Infinity\"" - 1,
    ELEMENT_TEXT = NUMBER_TEXT + 1 /* with the comma */
};
_Static_assert((int)NON_FINITE_TEXT <= (int)NUMBER_TEXT, "a number's room must fit the strings");

void writer_init(struct writer *w, size_t ceiling) { *w = (struct writer){.ceiling = ceiling}; }

/* What stands before the text. */
struct head {
    size_t size; /* that was taken */
    bool slab;   /* of the slabs; else from malloc */
    bool passed_on;
};
enum { HEAD = 64 }; /* bytes, which keep the text aligned */

static struct head *head_of(char *data) { return (struct head *)(void *)(data - HEAD); }

void writer_release(void *data) {
    struct head *head = data ? head_of(data) : NULL;
    if (!head) return;
    if (head->passed_on) budget_passed(head->size);
    if (head->slab) {
        slab_give(head, head->size);
        return;
    }
    budget_give(BUDGET_ANSWERS, head->size);
    free(head);
}

/* The budget does not tell less than a step from nothing. */
void writer_pass_on(struct writer *w) {
    if (w->capacity < BUDGET_STEP) return;
    struct head *head = head_of(w->data);
    head->passed_on = true;
    budget_pass_on(head->size);
}

void writer_free(struct writer *w) {
    writer_release(w->data);
    writer_init(w, w->ceiling);
}

/* Puts the text into a buffer of that many bytes; false, and nothing changes, without memory. */
static bool move(struct writer *w, size_t capacity, bool to_slab) {
    const size_t size = capacity + HEAD;
    assert(!w->data || !head_of(w->data)->passed_on);
    const bool grows = w->data && !to_slab && !head_of(w->data)->slab;
    const size_t more = to_slab ? 0 : grows ? size - head_of(w->data)->size : size;
    if (size < capacity || !budget_take(BUDGET_ANSWERS, more)) return false;
    char *memory = to_slab ? slab_take(size)
                   : grows ? realloc(head_of(w->data), size)
                           : malloc(size);
    if (!memory) {
        budget_give(BUDGET_ANSWERS, more);
        return false;
    }
    if (!grows && w->data) memcpy(memory + HEAD, w->data, w->length);
    if (!grows) writer_release(w->data);
    w->data = memory + HEAD;
    w->capacity = capacity;
    *head_of(w->data) = (struct head){.size = size, .slab = to_slab};
    return true;
}

/* Room for n more bytes, whatever the ceiling: it holds for what is written, not for what might
 * have been. NULL, and full, without memory. */
static char *reserve(struct writer *w, size_t n) {
    if (w->full) return NULL;
    if (n <= w->capacity - w->length) return w->data + w->length;
    size_t capacity = w->capacity ? w->capacity : FIRST_CAPACITY;
    while (capacity - w->length < n && capacity <= SIZE_MAX / 2) capacity *= 2;
    if (capacity > w->ceiling && capacity - w->ceiling > n) capacity = w->ceiling + n;
    if (capacity - w->length < n || !move(w, capacity, false)) {
        writer_starve(w);
        return NULL;
    }
    return w->data + w->length;
}

void writer_starve(struct writer *w) { w->full = w->starved = true; }

bool writer_room(struct writer *w, size_t n) { return reserve(w, n); }

bool writer_whole(const struct writer *w, struct error *error) {
    if (!w->full) return true;
    if (w->starved) return error_set(error, ERROR_MEMORY_BUDGET, "no memory for the answer");
    return error_set(error, ERROR_MEMORY_BUDGET,
                     "the answer is larger than the %zu bytes it may take", w->ceiling);
}

void writer_clear(struct writer *w) {
    w->length = 0;
    w->full = w->starved = false;
}

/* Takes at once what so many elements may need, where they are many: of slabs that are there already, since the
 * system's work on fresh pages takes half as long as printing numbers into them. Without it the buffer grows as it
 * does for others. */
static void expect(struct writer *w, int64_t elements) {
    const size_t left = w->ceiling > w->length ? w->ceiling - w->length : 0;
    const size_t n =
        (size_t)elements < left / ELEMENT_TEXT ? (size_t)elements * ELEMENT_TEXT : left;
    if (elements >= MANY && !w->full && n > w->capacity - w->length)
        move(w, w->length + n + RUN * ELEMENT_TEXT, true);
}

/* Takes what was printed up to `end` into the text. */
static void accept(struct writer *w, const char *end) {
    const size_t length = (size_t)(end - w->data);
    if (length > w->ceiling)
        w->full = true;
    else
        w->length = length;
}

void write_bytes(struct writer *w, const char *bytes, size_t n) {
    if (n > w->ceiling - w->length) w->full = true;
    char *at = reserve(w, n);
    if (!at || !n) return;
    memcpy(at, bytes, n);
    w->length += n;
}

void write_text(struct writer *w, const char *text) { write_bytes(w, text, strlen(text)); }

/* ---- places of a URL ---- */

static bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-_.~", c));
}

/* "." and ".." would be taken for steps on the way. */
static bool is_step(const char *text) { return strcmp(text, ".") == 0 || strcmp(text, "..") == 0; }

void write_place(struct writer *w, const char *text) {
    static const char hex[] = "0123456789ABCDEF";
    const bool all = is_step(text);
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        if (is_plain(*text) && !all)
            write_bytes(w, text, 1);
        else
            write_bytes(w, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
    }
}

/* What stands in a JSON string for the character at s (NULL: itself); *n is its length in s. What
 * is not UTF-8 becomes U+FFFD, so that an answer that quotes a client's bytes is still JSON. */
static const char *escape(const char *s, const char *end, char text[8], size_t *n) {
    static const char hex[] = "0123456789ABCDEF";
    const unsigned char c = (unsigned char)*s;
    *n = utf8_length(s, end);
    if (*n == 0) {
        *n = 1;
        return "\xEF\xBF\xBD";
    }
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        break;
    }
    if (c >= 0x20) return NULL;
    memcpy(text, "\\u0000", 7);
    text[4] = hex[c >> 4];
    text[5] = hex[c & 15];
    return text;
}

void write_string_n(struct writer *w, const char *text, size_t n) {
    const char *end = text + n, *plain = text;
    write_bytes(w, "\"", 1);
    for (const char *s = text; s < end;) {
        char buffer[8];
        size_t length;
        const char *escaped = escape(s, end, buffer, &length);
        if (escaped) {
            write_bytes(w, plain, (size_t)(s - plain));
            write_text(w, escaped);
            plain = s + length;
        }
        s += length;
    }
    write_bytes(w, plain, (size_t)(end - plain));
    write_bytes(w, "\"", 1);
}

void write_string(struct writer *w, const char *text) { write_string_n(w, text, strlen(text)); }

void write_int(struct writer *w, int64_t x) {
    char *at = reserve(w, NUMBER_TEXT);
    if (at) accept(w, at + number_print_i64(at, x));
}

static char *print_word(char *at, const char *word, size_t n) {
    memcpy(at, word, n);
    return at + n;
}
#define PRINT_WORD(at, word) print_word(at, word, sizeof(word) - 1)

static char *print_non_finite(char *at, double x) {
    if (isnan(x)) return PRINT_WORD(at, "\"NaN\"");
    return x < 0 ? PRINT_WORD(at, "\"-Infinity\"") : PRINT_WORD(at, "\"Infinity\"");
}

char *double_text(char *at, double x) {
    return isfinite(x) ? at + number_print_f64(at, x) : print_non_finite(at, x);
}

static char *print_f32(char *at, float x) {
    return isfinite(x) ? at + number_print_f32(at, x) : print_non_finite(at, (double)x);
}

void write_double(struct writer *w, double x) {
    char *at = reserve(w, NUMBER_TEXT);
    if (at) accept(w, double_text(at, x));
}

/* Prints elements [from, to) with a comma after each. There is room for all of them. A float that is the
 * same as the one before it is copied: zeros, and what has converged, come in rows. */
static char *print_elements(char *at, const struct tensor *t, int64_t from, int64_t to) {
#define PRINT_ALL(type, print)                                                                     \
    for (const type *x = (const type *)t->data + from, *end = (const type *)t->data + to; x < end; \
         x++) {                                                                                    \
        at = print;                                                                                \
        *at++ = ',';                                                                               \
    }                                                                                              \
    return at
#define PRINT_FLOATS(type, bits, print)                                                            \
    const type *x = (const type *)t->data + from, *const end = (const type *)t->data + to;         \
    const bits *is = (const bits *)t->data + from;                                                 \
    for (size_t n = 0; x < end; x++, is++, at += n) {                                              \
        bits now, before;                                                                          \
        memcpy(&now, is, sizeof now);                                                              \
        memcpy(&before, n ? is - 1 : is, sizeof before);                                           \
        if (n && now == before) {                                                                  \
            memcpy(at, at - n, n);                                                                 \
            continue;                                                                              \
        }                                                                                          \
        char *const behind = print(at, *x);                                                        \
        *behind = ',';                                                                             \
        n = (size_t)(behind + 1 - at);                                                             \
    }                                                                                              \
    return at
    switch (t->dtype) {
    case DTYPE_F32: {
        PRINT_FLOATS(float, uint32_t, print_f32);
    }
    case DTYPE_F64: {
        PRINT_FLOATS(double, uint64_t, double_text);
    }
    case DTYPE_I32:
        PRINT_ALL(int32_t, at + number_print_i64(at, *x));
    case DTYPE_I64:
        PRINT_ALL(int64_t, at + number_print_i64(at, *x));
    case DTYPE_BOOL:
        PRINT_ALL(uint8_t, *x ? PRINT_WORD(at, "true") : PRINT_WORD(at, "false"));
    case DTYPE_COUNT:
        break;
    }
#undef PRINT_FLOATS
#undef PRINT_ALL
    return at;
}

/* `at`, or where it is once `n` more bytes fit; NULL when the writer is full. */
static char *room(struct writer *w, char *at, size_t n) {
    if (!at || n <= (size_t)(w->data + w->capacity - at)) return at;
    accept(w, at);
    return reserve(w, n);
}

/* Elements [from, from + n) with commas between them. */
static char *print_run(struct writer *w, char *at, const struct tensor *t, int64_t from,
                       int64_t n) {
    for (int64_t done = 0; done < n;) {
        const int64_t some = n - done < RUN ? n - done : RUN;
        at = room(w, at, (size_t)some * ELEMENT_TEXT);
        if (!at) return NULL;
        at = print_elements(at, t, from + done, from + done + some);
        done += some;
    }
    return n ? at - 1 : at;
}

static void write_run(struct writer *w, const struct tensor *t) {
    char *at = print_run(w, reserve(w, 1), t, 0, shape_count(&t->shape));
    if (at) accept(w, at);
}

static char *print_brackets(char *at, char bracket, int n) {
    memset(at, bracket, (size_t)n);
    return at + n;
}

/* Row by row of the last axis; `index` counts the axes before it, and what is full there says how
 * many brackets close after a row, and as many open before the next. */
static void write_rows(struct writer *w, const struct tensor *t) {
    const int rank = t->shape.rank;
    const int64_t row = t->shape.dim[rank - 1];
    int64_t index[RANK_MAX] = {0}, from = 0;
    char *at = reserve(w, 2 * RANK_MAX + 1);
    for (int brackets = rank;;) {
        if (at) at = print_brackets(at, '[', brackets);
        at = print_run(w, at, t, from, row);
        at = room(w, at, 2 * RANK_MAX + 1);
        if (!at) return;
        from += row;
        brackets = 1;
        for (int axis = rank - 2; axis >= 0 && ++index[axis] == t->shape.dim[axis]; axis--) {
            index[axis] = 0;
            brackets++;
        }
        at = print_brackets(at, ']', brackets);
        if (brackets == rank) break;
        *at++ = ',';
    }
    accept(w, at);
}

/* The brackets of a tensor without elements; the recursion is as deep as the rank. */
static void write_hollow(struct writer *w, const struct shape *shape, int axis) {
    write_bytes(w, "[", 1);
    for (int64_t i = 0; axis + 1 < shape->rank && i < shape->dim[axis] && !w->full; i++) {
        if (i) write_bytes(w, ",", 1);
        write_hollow(w, shape, axis + 1);
    }
    write_bytes(w, "]", 1);
}

static void write_nested(struct writer *w, const struct tensor *t) {
    if (t->shape.rank == 0)
        write_run(w, t);
    else if (shape_count(&t->shape) == 0)
        write_hollow(w, &t->shape, 0);
    else
        write_rows(w, t);
}

/* The elements' bytes in little-endian order, `size` of them at a time. */
static unsigned char byte_at(const struct tensor *t, size_t size, size_t i) {
    const unsigned char *bytes = t->data;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return bytes[i - i % size + (size - 1 - i % size)];
#else
    (void)size;
    return bytes[i];
#endif
}

static void write_base64(struct writer *w, const struct tensor *t) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t n = tensor_bytes(t), size = dtype_size(t->dtype);
    write_bytes(w, "\"", 1);
    if ((n + 2) / 3 > (w->ceiling - w->length) / 4) w->full = true;
    char *at = reserve(w, (n + 2) / 3 * 4);
    if (!at) return;
    for (size_t i = 0; i < n; i += 3) {
        const size_t left = n - i;
        uint32_t bits = (uint32_t)byte_at(t, size, i) << 16;
        if (left > 1) bits |= (uint32_t)byte_at(t, size, i + 1) << 8;
        if (left > 2) bits |= byte_at(t, size, i + 2);
        *at++ = digits[bits >> 18];
        *at++ = digits[bits >> 12 & 63];
        *at++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *at++ = left > 2 ? digits[bits & 63] : '=';
    }
    accept(w, at);
    write_bytes(w, "\"", 1);
}

static void write_typed(struct writer *w, const struct tensor *t, bool base64) {
    write_text(w, "{\"dtype\":\"");
    write_text(w, dtype_name(t->dtype));
    write_text(w, "\",\"shape\":[");
    for (int i = 0; i < t->shape.rank; i++) {
        if (i) write_bytes(w, ",", 1);
        write_int(w, t->shape.dim[i]);
    }
    if (base64) {
        write_text(w, "],\"base64\":");
        write_base64(w, t);
    } else {
        write_text(w, "],\"data\":[");
        write_run(w, t);
        write_bytes(w, "]", 1);
    }
    write_bytes(w, "}", 1);
}

void write_tensor(struct writer *w, const struct tensor *t, enum tensor_format format) {
    expect(w, shape_count(&t->shape));
    if (format == FORMAT_NESTED)
        write_nested(w, t);
    else
        write_typed(w, t, format == FORMAT_BASE64);
}
