/* Compares texts of two servers. Knows of JSON no more than how its members look. */
#include "tests/torture/same.h"

#include <stdlib.h>
#include <string.h>

void pairs_learn(struct pairs *p, const char *here, const char *there) {
    const char *a = strrchr(here, '/'), *b = strrchr(there, '/');
    if (!a || !b || strcmp(a, b) == 0 || strlen(a) != strlen(b)) return;
    if (strlen(a) > PAIR_ID || p->n == PAIRS_MOST) abort();
    strcpy(p->here[p->n], a + 1);
    strcpy(p->there[p->n++], b + 1);
}

static void blank(char *text, const char *member) {
    for (char *at = text; (at = strstr(at, member));)
        for (at += strlen(member); *at && *at != '"'; at++) *at = '-';
}

void same_blank(char *text) {
    blank(text, "_at\":\"");
    blank(text, "\"request_id\":\"");
    blank(text, "\"etag\":\"");
    blank(text, "ETag \\\"");
    blank(text, "If-Match is \\\"");
}

/* Writes what the one made up as the other calls it. */
static char *translate(const char *text, const struct pairs *p) {
    char *copy = strdup(text);
    if (!copy) abort();
    for (size_t i = 0; i < p->n; i++)
        for (char *at = copy; (at = strstr(at, p->here[i])); at++)
            memcpy(at, p->there[i], strlen(p->there[i]));
    return copy;
}

bool same_text(const char *here, const char *there, const struct pairs *p) {
    char *x = translate(here, p), *y = translate(there, p);
    same_blank(x);
    same_blank(y);
    const bool same = strcmp(x, y) == 0;
    free(x);
    free(y);
    return same;
}

bool same_reply(const struct reply *here, const struct reply *there, const struct pairs *p) {
    return here->status == there->status && here->length == there->length &&
           strcmp(here->type, there->type) == 0 &&
           (strlen(here->body) < here->length ? memcmp(here->body, there->body, here->length) == 0
                                              : same_text(here->body, there->body, p));
}
