/* A request's body while it is put together: members in the order in which they came, each a JSON text or
 * an object or list that grows. Whether the texts are JSON is for the writers of them to see. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/gradctl.h"

enum { BODY_MOST = 1 << 30 };

/* The member of a name of n bytes, made where it is new. */
static struct ctl_member *member_of(struct ctl_body *body, const char *name, size_t n) {
    for (size_t i = 0; i < body->n; i++)
        if (strlen(body->members[i].name) == n && strncmp(body->members[i].name, name, n) == 0)
            return &body->members[i];
    char *copy = strndup(name, n);
    if (body->n == CTL_MEMBERS || !copy) ctl_wrong("too many members in one request");
    struct ctl_member *member = &body->members[body->n++];
    *member = (struct ctl_member){.name = copy};
    writer_init(&member->text, BODY_MOST);
    return member;
}

static _Noreturn void mixed(const struct ctl_member *member) {
    ctl_wrong("\"%s\" is said as a whole and in parts", member->name);
}

static void add(struct ctl_member *member, const char *brackets, const char *name, size_t n_name,
                const char *json, size_t n) {
    if (member->text.length && !member->brackets[0]) mixed(member);
    memcpy(member->brackets, brackets, sizeof member->brackets);
    if (member->text.length) write_text(&member->text, ",");
    if (name) {
        write_string_n(&member->text, name, n_name);
        write_text(&member->text, ":");
    }
    write_bytes(&member->text, json, n);
}

void body_set(struct ctl_body *body, const char *member, const char *json, size_t n) {
    const size_t outer = strcspn(member, ".");
    struct ctl_member *m = member_of(body, member, outer);
    if (member[outer]) {
        add(m, "{}", member + outer + 1, strlen(member + outer + 1), json, n);
    } else {
        if (m->brackets[0]) mixed(m);
        m->text.length = 0;
        write_bytes(&m->text, json, n);
    }
}

void body_set_string(struct ctl_body *body, const char *member, const char *text) {
    struct writer json;
    writer_init(&json, BODY_MOST);
    write_string(&json, text);
    body_set(body, member, json.data, json.length);
    writer_free(&json);
}

void body_entry(struct ctl_body *body, const char *member, const char *name, size_t n_name,
                const char *json, size_t n) {
    if (*member) {
        add(member_of(body, member, strlen(member)), "{}", name, n_name, json, n);
        return;
    }
    struct ctl_member *m = member_of(body, name, n_name);
    m->text.length = 0;
    write_bytes(&m->text, json, n);
}

void body_item(struct ctl_body *body, const char *member, const char *json, size_t n) {
    add(member_of(body, member, strlen(member)), "[]", NULL, 0, json, n);
}

bool body_write(const struct ctl_body *body, struct writer *out) {
    write_text(out, "{");
    for (size_t i = 0; i < body->n; i++) {
        const struct ctl_member *m = &body->members[i];
        if (m->text.full) return false;
        if (i) write_text(out, ",");
        write_string(out, m->name);
        write_text(out, ":");
        write_bytes(out, m->brackets, m->brackets[0] ? 1 : 0);
        write_bytes(out, m->text.data, m->text.length);
        write_bytes(out, m->brackets + 1, m->brackets[0] ? 1 : 0);
    }
    write_text(out, "}");
    return !out->full;
}

void body_free(struct ctl_body *body) {
    for (size_t i = 0; i < body->n; i++) {
        writer_free(&body->members[i].text);
        free(body->members[i].name);
    }
    body->n = 0;
}
