/* One line of the log. Owns how fields look in either form; knows nothing of what they mean. */
#include "server/line.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

/* What a field of no text may take beside its key, and the end of the line. */
enum { NUMBER = 32, ENDING = 4 };

static const char digits[] = "0123456789abcdef";

static bool has_room(const struct line *l, size_t n) { return l->n + n + ENDING <= LINE_MOST; }

static void put(struct line *l, const char *bytes, size_t n) {
    memcpy(l->text + l->n, bytes, n);
    l->n += n;
}

/* Where the key's value begins; NULL where neither the key nor `n` bytes have room. */
static char *begin(struct line *l, const struct line_key *key, size_t n) {
    const size_t length = key->n[l->format];
    if (!has_room(l, length + n)) return NULL;
    put(l, key->text[l->format], length);
    return l->text + l->n;
}

/* Each returns the end of what it has written. */
static char *print_int(char *out, uint64_t n) {
    int length = 1;
    for (uint64_t rest = n; rest >= 10; rest /= 10) length++;
    for (int i = length; i-- > 0; n /= 10) out[i] = digits[n % 10];
    return out + length;
}

static char *print_thousand(char *out, unsigned n) {
    out[0] = digits[n / 100];
    out[1] = digits[n / 10 % 10];
    out[2] = digits[n % 10];
    return out + 3;
}

/* ---- time ---- */

/* The calendar is asked once a second. */
static const char *print_second(time_t now, size_t *n) {
    static _Thread_local time_t printed;
    static _Thread_local char text[32];
    static _Thread_local size_t length;
    if (now != printed || !length) {
        struct tm utc;
        gmtime_r(&now, &utc);
        length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
        printed = now;
    }
    *n = length;
    return text;
}

void line_begin(struct line *l, enum line_format format) {
    struct timespec now;
    size_t n;
    clock_gettime(CLOCK_REALTIME, &now);
    const char *second = print_second(now.tv_sec, &n);
    char rest[] = ".000Z";
    print_thousand(rest + 1, (unsigned)(now.tv_nsec / 1000000));
    l->format = format;
    l->n = 0;
    if (format == LINE_JSON)
        put(l, "{\"time\":\"", 9);
    else
        put(l, "time=", 5);
    put(l, second, n);
    put(l, rest, sizeof rest - 1);
    if (format == LINE_JSON) put(l, "\"", 1);
}

/* ---- fields ---- */

/* What logfmt has no quotation marks around. */
static bool is_plain(unsigned char c) {
    return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

/* The longest is \u00NN. */
static void put_escaped(struct line *l, unsigned char c) {
    if (c == '"' || c == '\\') {
        const char both[] = {'\\', (char)c};
        put(l, both, sizeof both);
    } else if (c >= 0x20 && c < 0x7f) {
        put(l, (const char *)&c, 1);
    } else {
        const bool json = l->format == LINE_JSON;
        const char hex[] = {digits[c >> 4], digits[c & 15]};
        put(l, json ? "\\u00" : "\\x", json ? 4 : 2);
        put(l, hex, sizeof hex);
    }
}

/* `n` of its bytes are looked at. */
static void put_text(struct line *l, const char *text, size_t n) {
    bool plain = n > 0 && l->format == LINE_LOGFMT;
    for (size_t i = 0; plain && i < n; i++) plain = is_plain((unsigned char)text[i]);
    if (plain) {
        put(l, text, has_room(l, n) ? n : LINE_MOST - ENDING - l->n);
        return;
    }
    put(l, "\"", 1);
    for (size_t i = 0; i < n && has_room(l, 7); i++) put_escaped(l, (unsigned char)text[i]);
    put(l, "\"", 1);
}

void line_text(struct line *l, const struct line_key *key, const char *text, size_t most) {
    if (begin(l, key, 2)) put_text(l, text, strnlen(text, most));
}

void line_word(struct line *l, const struct line_key *key, const char *word) {
    const size_t n = strlen(word);
    const bool json = l->format == LINE_JSON;
    if (!begin(l, key, n + 2)) return;
    if (json) put(l, "\"", 1);
    put(l, word, n);
    if (json) put(l, "\"", 1);
}

void line_int(struct line *l, const struct line_key *key, int64_t value) {
    char *at = begin(l, key, NUMBER);
    if (!at) return;
    if (value < 0) *at++ = '-';
    at = print_int(at, value < 0 ? -(uint64_t)value : (uint64_t)value);
    l->n = (size_t)(at - l->text);
}

/* Most take less than ten milliseconds. */
size_t line_print_ms(char out[LINE_MS], int64_t nanoseconds) {
    const uint64_t us = nanoseconds > 0 ? (uint64_t)nanoseconds / 1000 : 0;
    char *at = out;
    if (us < 10000)
        *at++ = digits[us / 1000];
    else
        at = print_int(at, us / 1000);
    *at++ = '.';
    return (size_t)(print_thousand(at, (unsigned)(us % 1000)) - out);
}

void line_ms(struct line *l, const struct line_key *key, int64_t nanoseconds) {
    char *at = begin(l, key, LINE_MS);
    if (at) l->n += line_print_ms(at, nanoseconds);
}

/* ---- pairs ---- */

/* Whether JSON has it as a number. */
static bool is_number(const char *text, size_t n) {
    const size_t sign = n > 0 && *text == '-', whole = strspn(text + sign, "0123456789");
    const size_t point = sign + whole;
    if (whole == 0 || (whole > 1 && text[sign] == '0')) return false;
    if (point == n) return true;
    return text[point] == '.' && point + 1 < n &&
           point + 1 + strspn(text + point + 1, "0123456789") == n;
}

static unsigned char hex_value(char c) {
    return (unsigned char)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* The byte that stands at *at in quotation marks, behind which *at is left. */
static unsigned char read_byte(const char **at) {
    const char *s = *at;
    if (*s != '\\' || !s[1]) return *at = s + 1, (unsigned char)*s;
    if (s[1] == 'x' && s[2] && s[3]) {
        *at = s + 4;
        return (unsigned char)(hex_value(s[2]) << 4 | hex_value(s[3]));
    }
    *at = s + 2;
    return (unsigned char)s[1];
}

static const char *put_quoted(struct line *l, const char *at) {
    put(l, "\"", 1);
    while (*at && *at != '"') {
        const unsigned char c = read_byte(&at);
        if (has_room(l, 7)) put_escaped(l, c);
    }
    put(l, "\"", 1);
    return *at ? at + 1 : at;
}

static void put_pairs_json(struct line *l, const char *at) {
    while (*(at += strspn(at, " "))) {
        const size_t n = strcspn(at, "= ");
        if (at[n] != '=' || !has_room(l, n + NUMBER)) return;
        put(l, ",\"", 2);
        put(l, at, n);
        put(l, "\":", 2);
        at += n + 1;
        if (*at == '"') {
            at = put_quoted(l, at + 1);
            continue;
        }
        const size_t length = strcspn(at, " ");
        if (is_number(at, length) && has_room(l, length))
            put(l, at, length);
        else
            put_text(l, at, length);
        at += length;
    }
}

void line_pairs(struct line *l, const char *pairs) {
    if (l->format == LINE_JSON) {
        put_pairs_json(l, pairs);
        return;
    }
    const size_t n = strlen(pairs), room = LINE_MOST - ENDING - l->n;
    if (room < 2) return;
    put(l, " ", 1);
    put(l, pairs, n < room ? n : room - 1);
}

void line_end(struct line *l) {
    if (l->format == LINE_JSON) put(l, "}", 1);
    put(l, "\n", 1);
}
