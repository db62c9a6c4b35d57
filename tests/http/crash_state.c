/* What a client can see of its state, written down so that the same state reads the same on two
 * servers: without the ids and times that a server gives, and with all the rest, bit for bit. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"

/* ---- answers ---- */

void find_string(const char *body, const char *name, char *out, size_t size) {
    char member[40];
    snprintf(member, sizeof member, "\"%s\":\"", name);
    const char *at = strstr(body, member);
    at = at ? at + strlen(member) : "";
    snprintf(out, size, "%.*s", (int)strcspn(at, "\""), at);
}

/* Where the value of a member begins that another server answers otherwise, or NULL. What a session is
 * charged for depends on what was tried in it too. */
static const char *varying(const char *text) {
    static const char *const members[] = {
        "\"id\":\"",         "\"created_at\":\"",      "\"started_at\":\"", "\"done_at\":\"",
        "\"request_id\":\"", "\"name\":\"operations/", "\"bytes\":",        "\"nodes\":"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const size_t n = strlen(members[i]);
        if (strncmp(text, members[i], n) == 0) return text + n;
    }
    return NULL;
}

/* Of a failure, only which it was: sentences name ids. */
void say_answer(struct text *t, const struct answer *a) {
    char code[40];
    const char *version = strchr(a->etag, '-');
    text_say(t, "%d %s ", a->status, version ? version : "-");
    if (a->status >= 400) {
        find_string(a->body, "code", code, sizeof code);
        text_say(t, "%s", code);
        return;
    }
    for (const char *at = a->body, *value; *at; at++) {
        if (*at == '"' && (value = varying(at))) {
            text_bytes(t, at, (size_t)(value - at));
            at = value + strcspn(value, "\",}");
        }
        text_bytes(t, at, 1);
    }
}

void client_path(const struct client *c, int server, const char *path, char *out, size_t size) {
    size_t n = 0;
    for (const char *at = path; *at && n + ID < size; at++) {
        if (*at == '$') {
            char *end;
            const long serial = strtol(at + 1, &end, 10);
            n += (size_t)snprintf(out + n, size - n, "%s", c->known[serial].id[server]);
            at = end - 1;
        } else if (*at == '@') {
            n += (size_t)snprintf(out + n, size - n, "%s", c->job[server]);
        } else {
            out[n++] = *at;
        }
    }
    out[n] = '\0';
}

/* ---- the state ---- */

static bool say_asked(struct client *c, int server, const char *method, const char *path,
                      const char *body, struct text *out, struct answer *a) {
    text_say(out, "%s %s ", method, path);
    if (!client_ask(c, server, method, path, body, a)) return false;
    say_answer(out, a);
    text_say(out, "\n");
    return true;
}

static bool say_get(struct client *c, int server, const char *path, struct text *out,
                    struct answer *a) {
    return say_asked(c, server, "GET", path, "", out, a);
}

/* The list of the client's sessions, by their serials. */
static void say_list(struct client *c, int server, struct text *out) {
    char path[64], id[ID];
    struct answer a;
    snprintf(path, sizeof path, "/v1/sessions?label=client:%d&limit=1000", c->number);
    if (!say_get(c, server, path, out, &a)) return;
    text_say(out, "  that is");
    for (const char *at = a.body; (at = strstr(at, "{\"id\":\"")); at++) {
        int serial = c->last_serial;
        find_string(at, "id", id, sizeof id);
        while (serial > 0 && strcmp(c->known[serial].id[server], id) != 0) serial--;
        text_say(out, " $%d", serial);
    }
    text_say(out, "\n");
}

/* A session keeps the time that its ETags begin with. */
static void check_made(struct client *c, int serial, const char *etag, struct text *out) {
    char *made = c->known[serial].made, now[sizeof c->known->made];
    snprintf(now, sizeof now, "%.*s", (int)strcspn(etag, "-"), etag);
    if (!made[0]) strcpy(made, now);
    if (strcmp(made, now) != 0) text_say(out, "it was made at %s, and now at %s\n", made, now);
}

/* One program may be written down in several ways; what it makes is asked of the tapes. */
static void cut_program(struct text *out, size_t begin) {
    const char *at = strstr(out->data + begin, ",\"tapes\":{");
    if (!at) return;
    out->length = (size_t)(at - out->data);
    text_say(out, "\n");
}

static void say_session(struct client *c, int server, int serial, struct text *out) {
    static const char *const parts[] = {
        "/export",      "/variables?format=base64", "/variables/n",
        "/variables/x", "/constants?format=base64", "/tensors?format=base64",
        "/tapes",       "/optimizer?slots=true"};
    char path[96];
    struct answer a;
    snprintf(path, sizeof path, "/v1/sessions/$%d", serial);
    if (!say_get(c, server, path, out, &a)) return;
    if (server == DURABLE && a.status == 200) check_made(c, serial, a.etag, out);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const size_t begin = out->length;
        snprintf(path, sizeof path, "/v1/sessions/$%d%s", serial, parts[i]);
        if (!say_get(c, server, path, out, &a)) return;
        if (i == 0) cut_program(out, begin);
    }
}

/* What it says of itself, and what it computes. */
static void say_function(struct client *c, int server, int i, struct text *out) {
    char path[64];
    struct answer a;
    snprintf(path, sizeof path, "/v1/functions/f%d_%d", c->number, i);
    if (!say_get(c, server, path, out, &a)) return;
    strcat(path, "/gradient");
    say_asked(c, server, "POST", path, "{\"variables\":{\"x\":[0.25,-3.5]}}", out, &a);
}

void client_state(struct client *c, int server, struct text *out) {
    out->length = 0;
    say_list(c, server, out);
    for (int i = 0; i < SLOTS; i++)
        if (c->slots[i]) say_session(c, server, c->slots[i], out);
    for (int i = 0; i < FUNCTIONS; i++) say_function(c, server, i, out);
}
