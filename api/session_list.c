/* GET /v1/sessions: a page of what there is, from the registry, without touching a session. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/registry.h"
#include "api/session_io.h"
#include "api/session_services.h"
#include "core/plan.h"

enum { PAGE = 100, PAGE_MOST = 1000 };

/* label=team:a */
static bool read_label(struct asked *a, struct registry_page *page) {
    const char *text = asked_parameter(a, "label"), *colon = text ? strchr(text, ':') : NULL;
    page->key = page->value = NULL;
    if (!text) return true;
    if (!colon)
        return error_set(a->error, ERROR_INVALID_VALUE,
                         "label is \"%.80s\", expected a key and a value as in team:a", text);
    page->key = arena_copy_text(&a->arena, text, (size_t)(colon - text));
    page->value = colon + 1;
    return page->key || asked_fail_memory(a);
}

static void write_row(struct writer *out, const struct registry_row *row) {
    write_text(out, "{\"id\":");
    write_string(out, row->id);
    write_text(out, ",\"created_at\":");
    write_time(out, row->created_at);
    write_text(out, ",\"dtype\":");
    write_string(out, dtype_name((enum dtype)row->dtype));
    write_text(out, ",\"ttl_seconds\":");
    if (row->ttl_seconds > 0)
        write_double(out, row->ttl_seconds);
    else
        write_text(out, "null");
    write_text(out, ",\"labels\":{");
    for (const char *at = row->labels; *at;) {
        if (at != row->labels) write_text(out, ",");
        write_string(out, at);
        write_text(out, ":");
        at += strlen(at) + 1;
        write_string(out, at);
        at += strlen(at) + 1;
    }
    write_text(out, "},\"bytes\":");
    write_int(out, (int64_t)row->bytes);
    write_text(out, "}");
}

/* No session may have the label, and then all are looked at: of many that is no small work. */
static bool check_work(struct asked *a, const struct registry_page *page) {
    enum { LOOK = 200 }; /* operations a session: it stands anywhere in memory */
    const int64_t most = a->call->limits->max_work,
                  n = page->key ? registry_stats(a->call->registry).sessions : 0;
    return n <= most / LOOK ||
           error_set(a->error, ERROR_TOO_MUCH_WORK,
                     "looking for a label among %" PRId64 " sessions takes about %" PRId64
                     " operations; the limit is %" PRId64 " (max_work)",
                     n, n * LOOK, most);
}

static bool list(struct asked *a) {
    struct registry_page page;
    uint64_t limit;
    if (!asked_number(a, "limit", 1, PAGE_MOST, PAGE, &limit) ||
        !asked_number(a, "after", 0, UINT64_MAX, 0, &page.after) || !read_label(a, &page) ||
        !check_work(a, &page))
        return false;
    page.most = (size_t)limit;
    page.rows = arena_alloc(&a->arena, page.most * sizeof *page.rows);
    if (!page.rows || !registry_list(a->call->registry, clock_now(), &a->arena, &page))
        return asked_fail_memory(a);
    write_text(a->out, "{\"sessions\":[");
    for (size_t i = 0; i < page.n; i++) {
        if (i) write_text(a->out, ",");
        write_row(a->out, &page.rows[i]);
    }
    char next[32] = "null";
    if (page.more) snprintf(next, sizeof next, "\"%" PRIu64 "\"", page.rows[page.n - 1].order);
    write_text(a->out, "],\"next\":");
    write_text(a->out, next);
    write_text(a->out, "}");
    return asked_written(a);
}

bool service_sessions_list(const struct service_call *call, struct writer *out,
                           struct error *error) {
    static const struct takes takes = {.parameters = {"limit", "after", "label"}};
    struct asked a;
    const bool ok = asked_begin(&a, call, &takes, out, error) && list(&a);
    asked_end(&a);
    return ok;
}
