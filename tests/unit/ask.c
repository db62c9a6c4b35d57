/* Services asked directly: one plan cache for all questions of a program, default limits. */
#include "ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct plan_cache *plans;
static char *held;

static const char *failure(const struct error *e) {
    char place[64] = "", pointer[sizeof e->pointer + 8] = "", node[sizeof e->node + 8] = "";
    if (e->line) snprintf(place, sizeof place, " (%u:%u)", e->line, e->column);
    if (e->pointer[0]) snprintf(pointer, sizeof pointer, " [%s]", e->pointer);
    if (e->node[0]) snprintf(node, sizeof node, " <%s>", e->node);
    held = malloc(2048);
    snprintf(held, 2048, "%s: %s%s%s%s", error_name(e->code), e->detail, pointer, place, node);
    return held;
}

static const char *answer(service_function service, const struct service_call *call) {
    struct writer w;
    struct error error;
    free(held);
    held = NULL;
    error_clear(&error);
    writer_init(&w, (size_t)call->limits->max_answer_bytes);
    if (service(call, &w, &error)) {
        held = malloc(w.length + 1);
        if (w.length) memcpy(held, w.data, w.length);
        held[w.length] = '\0';
    } else {
        failure(&error);
    }
    writer_free(&w);
    return held;
}

static struct service_call new_call(const struct service_limits *limits) {
    if (!plans) plans = plan_cache_new(100, 16 << 20, 7);
    return (struct service_call){.plans = plans, .limits = limits, .seed = 11};
}

const char *ask_within(service_function service, const char *body,
                       const struct service_limits *limits) {
    struct service_call call = new_call(limits);
    call.body = body;
    call.body_length = strlen(body);
    return answer(service, &call);
}

const char *ask(service_function service, const char *body) {
    return ask_within(service, body, &service_limits_default);
}

const char *ask_call(service_function service, struct service_call call, const char *body) {
    static struct service_reply reply;
    const struct service_call fresh = new_call(&service_limits_default);
    memset(&reply, 0, sizeof reply);
    call.plans = fresh.plans;
    call.seed = fresh.seed;
    if (!call.limits) call.limits = fresh.limits;
    call.body = body;
    call.body_length = body ? strlen(body) : 0;
    call.reply = &reply;
    return answer(service, &call);
}

const char *ask_session_within(struct session *s, service_function service, const char *place,
                               const char *body, const struct service_limits *limits) {
    const char *places[] = {"s", place};
    return ask_call(service,
                    (struct service_call){.limits = limits, .session = s, .places = places}, body);
}

const char *ask_session(struct session *s, service_function service, const char *place,
                        const char *body) {
    return ask_session_within(s, service, place, body, NULL);
}

const char *ask_session_query(struct session *s, service_function service,
                              const struct service_pair *query, size_t n) {
    const char *places[] = {"s", NULL};
    return ask_call(
        service,
        (struct service_call){.session = s, .places = places, .query = query, .n_query = n}, NULL);
}

struct plan_stats ask_plans(void) {
    return plan_cache_stats(plans);
}

const char *ask_query(service_function service, const struct service_pair *query, size_t n) {
    struct service_call call = new_call(&service_limits_default);
    call.query = query;
    call.n_query = n;
    return answer(service, &call);
}

const char *value_of(const char *graph) {
    static const char format[] =
        "{\"graph\":\"%s\",\"variables\":{\"x\":[[1,2,3],[4,5,6]],\"y\":2,\"w\":1}}";
    const size_t size = sizeof format + strlen(graph);
    char *body = malloc(size);
    snprintf(body, size, format, graph);
    const char *text = ask(service_evaluate, body);
    free(body);
    return text;
}

int ask_end(void **state) {
    (void)state;
    free(held);
    plan_cache_free(plans);
    held = NULL;
    plans = NULL;
    return 0;
}

void ask_check(const char *(*answer_to)(const char *), const struct ask_row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char *found = answer_to(rows[i].asked);
        if (strcmp(found, rows[i].answer) != 0)
            fail_msg("%s\n  expected %s\n  found    %s", rows[i].asked, rows[i].answer, found);
    }
}
