/* A transport for tests: one request at a time and thread. */
#include "exchanges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void wake(struct exchange *x, bool over) {
    struct request *r = (struct request *)(void *)x;
    pthread_mutex_lock(&r->lock);
    *(over ? &r->over : &r->works) = true;
    pthread_cond_signal(&r->woken);
    pthread_mutex_unlock(&r->lock);
}

void request_begin(struct request *r, struct engine *engine, const char *method, const char *path,
                   const char *body) {
    memset(r, 0, sizeof *r);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->woken, NULL);
    exchange_begin(&r->x, engine, method, path, false, wake, &r->left);
    exchange_header(&r->x, "Host", 4, "gradd");
    const char *query = strchr(path, '?');
    if (query) fail_msg("queries are the transport's: %s", path);
    if (!exchange_admit(&r->x)) fail_msg("not admitted: %s %s", method, path);
    if (body) assert_true(exchange_body(&r->x, body, strlen(body)));
    if (exchange_run(&r->x) == EXCHANGE_WORKS) exchange_work(&r->x);
}

bool request_is_over(struct request *r) {
    pthread_mutex_lock(&r->lock);
    const bool over = r->over;
    pthread_mutex_unlock(&r->lock);
    return over;
}

int request_end(struct request *r, struct got *out) {
    struct answer a;
    pthread_mutex_lock(&r->lock);
    while (!r->over) {
        if (r->works) {
            r->works = false;
            pthread_mutex_unlock(&r->lock);
            exchange_work(&r->x);
            pthread_mutex_lock(&r->lock);
        } else {
            pthread_cond_wait(&r->woken, &r->lock);
        }
    }
    pthread_mutex_unlock(&r->lock);
    exchange_answer(&r->x, &a);
    out->status = a.status;
    snprintf(out->body, sizeof out->body, "%.*s", (int)a.length, a.data ? a.data : "");
    snprintf(out->location, sizeof out->location, "%s", a.location ? a.location : "");
    snprintf(out->etag, sizeof out->etag, "%s", a.etag);
    if (a.owned) writer_release(a.data);
    exchange_end(&r->x);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->woken);
    return a.status;
}

int request_ask(struct engine *engine, const char *method, const char *path, const char *body,
                struct got *out) {
    struct request r;
    request_begin(&r, engine, method, path, body);
    return request_end(&r, out);
}
