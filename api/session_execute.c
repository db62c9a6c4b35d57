/* POST .../execute: a graph on the session's variables, constants and earlier results. Recording tapes
 * see it; what it names stays. */
#include "api/session_journal.h"
#include "api/session_services.h"
#include "api/session_tape.h"

static bool keep(struct oneshot *o, struct run *run, struct plan *plan, size_t at,
                 struct writer *out, bool *taken) {
    (void)out;
    return session_keep(o, run, plan, at, taken);
}

static bool execute(struct oneshot *o, struct writer *out) {
    struct session_work *w = o->work;
    struct recorder *r = w->session->recorder;
    struct extra extra = {.finish = keep};
    node_id *nodes;
    size_t n;
    w->executes = true;
    if (recorder_is_recording(r)) session_lend(o);
    if (!session_names(o) || !oneshot_build(o) || !oneshot_values(o, &nodes, &n) ||
        !session_collect(o))
        return false;
    if (w->on_program && !recorder_record(r, o->b.begin)) return false;
    if (!session_extra(o, &extra) || !oneshot_answer_with(o, &extra, out)) return false;
    if (w->on_program && !journal_note(o, JOURNAL_EXECUTE, 0)) return false;
    session_commit(o);
    session_changed(o->call);
    return true;
}

bool service_execute(const struct service_call *call, struct writer *out, struct error *error) {
    struct oneshot o;
    struct session_work w;
    const bool ok = session_begin(&o, &w, call, REQUEST_EXECUTE, error) && execute(&o, out);
    session_end(&o);
    return ok;
}
