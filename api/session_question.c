/* Questions that are asked again: kept beside the tape, charged to the session. */
#include "api/session_question.h"

#include <string.h>

/* Longer ones are read again. */
enum { BODY_MOST = 64 << 10 };

struct question {
    struct oneshot o; /* the request, as it was when its answer had been written */
    struct plan *plan;
    uint64_t changes; /* of the session, when it was asked */
    enum request_route route;
    size_t charged, length;
    char body[];
};

static void forget(struct account *account, void *question) {
    struct question *q = question;
    plan_release(q->plan);
    account_discharge(account, q->charged);
    oneshot_end(&q->o);
    account_free(account, q, sizeof *q + q->length);
}

bool question_fits(const struct recording *tape, const struct oneshot *o) {
    return tape->persistent && o->work->scratch && !o->work->n_results && !o->warnings &&
           o->call->body_length <= BODY_MOST;
}

void question_keep(struct recording *tape, struct oneshot *o, const struct service_call *call,
                   enum request_route route) {
    struct account *account = &call->session->account;
    struct plan *plan = o->plan;
    if (!plan) return;
    const size_t charged = o->arena.held + plan_bytes(plan);
    struct question *q = account_alloc(account, sizeof *q + call->body_length);
    if (q && !account_charge(account, charged)) {
        account_free(account, q, sizeof *q + call->body_length);
        q = NULL;
    }
    if (!q) {
        plan_release(plan);
        return;
    }
    *q = (struct question){.o = *o,
                           .plan = plan,
                           .changes = call->session->changes,
                           .route = route,
                           .charged = charged,
                           .length = call->body_length};
    memcpy(q->body, call->body, call->body_length);
    writer_init(&q->o.query, 0);
    q->o.work = NULL;
    arena_init(&o->arena, o->arena.ceiling); /* it is the question's now */
    if (tape->question) tape->forget(account, tape->question);
    tape->question = q;
    tape->forget = forget;
}

bool question_answered(const struct recording *tape, const struct service_call *call,
                       enum request_route route, struct writer *out, struct error *error) {
    struct question *q = tape->question;
    if (!q || q->changes != call->session->changes || q->route != route ||
        q->length != call->body_length || memcmp(q->body, call->body, q->length) != 0)
        return false;
    q->o.call = call;
    q->o.error = error;
    q->o.request.deadline = call->control.deadline;
    return plan_work(q->plan) <= call->limits->max_work &&
           plan_run_bytes(q->plan) <= (size_t)call->limits->max_request_bytes &&
           (oneshot_answer_again(&q->o, q->plan, out) || error->code);
}
