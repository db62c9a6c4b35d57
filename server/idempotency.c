/* Keys of requests that may be sent again. Owns the list of those that run and the form of a record; when
 * a record is made and where it is kept is the exchange's business. */
#include "server/idempotency.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void idempotency_init(struct idempotency *all) {
    all->first = NULL;
    pthread_mutex_init(&all->lock, NULL);
}

void idempotency_free(struct idempotency *all) { pthread_mutex_destroy(&all->lock); }

bool idempotency_check_key(const char *key, struct error *error) {
    size_t n = 0;
    while (key[n] > ' ' && key[n] <= '~') n++;
    return (n > 0 && n <= IDEMPOTENCY_KEY && !key[n]) ||
           error_set(error, ERROR_INVALID_REQUEST,
                     "an Idempotency-Key is 1 to %d visible characters of ASCII, found %zu%s",
                     IDEMPOTENCY_KEY, n, key[n] ? " and one that is none" : "");
}

/* There are no more of them than requests in flight. */
bool idempotency_enter(struct idempotency *all, struct idempotent *i, struct error *error) {
    pthread_mutex_lock(&all->lock);
    const struct idempotent *other = all->first;
    while (other && (strcmp(other->key, i->key) != 0 || strcmp(other->tenant, i->tenant) != 0))
        other = other->next;
    if (!other) {
        i->entered = true;
        i->previous = NULL;
        i->next = all->first;
        if (all->first) all->first->previous = i;
        all->first = i;
    }
    pthread_mutex_unlock(&all->lock);
    return !other ||
           error_set(error, ERROR_IN_PROGRESS,
                     "the request of the Idempotency-Key \"%.80s\" is being worked on", i->key);
}

void idempotency_leave(struct idempotency *all, struct idempotent *i) {
    if (!i->entered) return;
    pthread_mutex_lock(&all->lock);
    *(i->previous ? &i->previous->next : &all->first) = i->next;
    if (i->next) i->next->previous = i->previous;
    i->entered = false;
    pthread_mutex_unlock(&all->lock);
}

/* The digest of the digests, so that no end of one part can be the beginning of the next. */
void idempotency_digest(struct idempotent *i, const char *method, const char *path,
                        const char *body, size_t n) {
    struct secret_digest parts[3];
    secret_digest(method, strlen(method), &parts[0]);
    secret_digest(path, strlen(path), &parts[1]);
    secret_digest(body, n, &parts[2]);
    secret_digest((const char *)parts, sizeof parts, &i->request);
}

/* ---- records ---- */

/* One line each: the digest, the status, the media type, the entity tag, the location; then the body. */
enum { LINES = 5 };

void idempotency_write(struct writer *out, const struct idempotent *i,
                       const struct service_reply *reply, const struct writer *answer) {
    char digest[SECRET_HEX + 1];
    secret_write(&i->request, digest);
    write_text(out, digest);
    write_text(out, "\n");
    write_int(out, reply->status);
    const char *const lines[] = {
        "\n", reply->type ? reply->type : "", "\n", reply->etag, "\n", reply->location, "\n"};
    for (size_t k = 0; k < sizeof lines / sizeof *lines; k++) write_text(out, lines[k]);
    write_bytes(out, answer->data, answer->length);
}

static bool copy_line(char *to, size_t size, const char *line, size_t n) {
    if (n >= size) return false;
    memcpy(to, line, n);
    to[n] = '\0';
    return true;
}

bool idempotency_read(const struct writer *record, struct idempotent *i,
                      struct service_reply *reply, struct writer *answer, struct error *error) {
    const char *line[LINES + 1], *end = record->data + record->length;
    size_t length[LINES];
    struct secret_digest request;
    char status[8];
    line[0] = record->data;
    for (int k = 0; k < LINES; k++) {
        const char *stop = line[k] ? memchr(line[k], '\n', (size_t)(end - line[k])) : NULL;
        length[k] = stop ? (size_t)(stop - line[k]) : 0;
        line[k + 1] = stop ? stop + 1 : NULL;
    }
    if (!line[LINES] || !secret_parse(line[0], length[0], &request) ||
        !copy_line(status, sizeof status, line[1], length[1]) ||
        !copy_line(i->type, sizeof i->type, line[2], length[2]) ||
        !copy_line(reply->etag, sizeof reply->etag, line[3], length[3]) ||
        !copy_line(reply->location, sizeof reply->location, line[4], length[4]))
        return error_set(error, ERROR_STORE_FAILED, "the record of \"%.80s\" is damaged", i->key);
    if (!secret_same(&request, &i->request))
        return error_set(error, ERROR_IDEMPOTENCY_MISMATCH,
                         "the Idempotency-Key \"%.80s\" was used for another request", i->key);
    reply->status = (int)strtol(status, NULL, 10);
    if (reply->status == IDEMPOTENCY_MARK)
        return error_set(error, ERROR_ANSWER_LOST,
                         "the request of the Idempotency-Key \"%.80s\" was done, and there was no "
                         "memory to keep its answer",
                         i->key);
    reply->type = i->type[0] ? i->type : NULL;
    write_bytes(answer, line[LINES], (size_t)(end - line[LINES]));
    return !answer->full ||
           error_set(error, ERROR_MEMORY_BUDGET, "no memory for the answer that was kept");
}
