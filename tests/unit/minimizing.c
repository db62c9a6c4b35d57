/* Answers taken apart by plain text: what they must be is known to the tests. */
#include "minimizing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/session_services.h"
#include "api/training.h"

const char *member(const char *answer, const char *name, int place) {
    static char texts[4][16384];
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(answer, key);
    if (!at) {
        fail_msg("no member %s in %s", name, answer);
        return NULL;
    }
    at += strlen(key);
    size_t n = 0;
    int depth = 0;
    bool quoted = false;
    for (; at[n]; n++) {
        if (at[n] == '"') quoted = !quoted;
        if (quoted) continue;
        if (!depth && (at[n] == ',' || at[n] == '}')) break;
        if (strchr("[{", at[n])) depth++;
        if (strchr("]}", at[n])) depth--;
    }
    assert_true(n < sizeof texts[0]);
    memcpy(texts[place], at, n);
    texts[place][n] = '\0';
    return texts[place];
}

char *formatted(const char *format, ...) {
    static char texts[4][32768];
    static int next;
    char *text = texts[next++ % 4];
    va_list args;
    va_start(args, format);
    assert_true(vsnprintf(text, sizeof texts[0], format, args) < (int)sizeof texts[0]);
    va_end(args);
    return text;
}

char *copied(const char *text) {
    char *copy = strdup(text);
    assert_non_null(copy);
    return copy;
}

struct session *new_session(void) {
    struct session *s = session_new("s", DTYPE_F32, 16 << 20);
    float x = 2, w[] = {1, -2, 0.5f, 3, 0.25f, -1}, b[] = {0.1f, 0.2f, -0.3f};
    const struct tensor tx = {DTYPE_F32, shape_scalar, &x}, tw = {DTYPE_F32, {2, {2, 3}}, w},
                        tb = {DTYPE_F32, {1, {3}}, b};
    assert_non_null(session_add(s, "x", 1, ITEM_VARIABLE, true, &tx));
    assert_non_null(session_add(s, "w", 1, ITEM_VARIABLE, true, &tw));
    assert_non_null(session_add(s, "b", 1, ITEM_VARIABLE, true, &tb));
    return s;
}

char *state_of(struct session *s, struct writer *w) {
    writer_init(w, 1 << 20);
    for (uint32_t i = 0; i < s->items.n; i++) {
        if (!s->items.list[i] || s->items.list[i]->kind != ITEM_VARIABLE) continue;
        write_tensor(w, &s->items.list[i]->value.tensor, FORMAT_NESTED);
        write_text(w, "\n");
    }
    training_write(w, s, true, FORMAT_NESTED);
    write_bytes(w, "", 1);
    assert_false(w->full);
    return w->data;
}

void put_optimizer(struct session *s, const char *optimizer) {
    const char *answer = ask_call(service_optimizer_put,
                                  (struct service_call){.session = s, .puts = true}, optimizer);
    if (!strstr(answer, "\"iterations\":")) fail_msg("%s\n%s", optimizer, answer);
}

const char *const further[FURTHER] = {"",
                                      ",\"weight_decay\":0.01",
                                      ",\"clipnorm\":0.5",
                                      ",\"global_clipnorm\":0.5",
                                      ",\"clipvalue\":0.1,\"gradient_accumulation_steps\":3",
                                      ",\"use_ema\":true,\"ema_overwrite_frequency\":3"};

const char *const X[7] = {"[1,2]", "[3,-4]", "[0.5,6]", "[-7,8]", "[9,1]", "[2,2]", "[0,1]"};
const char *const y[7] = {"1", "2", "3", "4", "5", "6", "7"};

char *json_rows(const char *const *rows, const int64_t *order, int n) {
    char *text = formatted("[");
    for (int i = 0; i < n; i++) {
        strcat(text, i ? "," : "");
        strcat(text, rows[order[i]]);
    }
    return strcat(text, "]");
}
