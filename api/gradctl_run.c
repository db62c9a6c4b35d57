/* Commands: those that are a row of the table and no more, and those whose answer is looked at or goes
 * elsewhere than to the terminal. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/gradctl.h"

enum { BODY_MOST = 1 << 30 };

int run_refused(struct ctl *ctl, const struct ctl_answer *answer) {
    if (answer->status < 400) return CTL_OK;
    if (answer->is_json) {
        problem_show(ctl, show_parse(ctl, answer->text, answer->length));
        if (ctl->is_json) show_answer(ctl, answer);
    } else {
        fprintf(stderr, "gradctl: the answer is %d\n", answer->status);
    }
    return CTL_REFUSED;
}

static int send_request(struct ctl *ctl, const char *method, const char *path, const char *json,
                        struct ctl_answer *answer) {
    *answer = ask(method, path, json);
    return run_refused(ctl, answer);
}

const char *run_path(struct ctl *ctl) {
    write_bytes(&ctl->path, ctl->query.data, ctl->query.length);
    write_bytes(&ctl->path, "", 1);
    if (ctl->path.full) ctl_wrong("no memory for the request");
    return ctl->path.data;
}

int run_ask(struct ctl *ctl, struct ctl_answer *answer) {
    struct writer body;
    writer_init(&body, BODY_MOST);
    const bool has_body = strcmp(ctl->method, "GET") != 0 && strcmp(ctl->method, "DELETE") != 0;
    if (!body_write(&ctl->body, &body)) ctl_wrong("no memory for the request");
    write_bytes(&body, "", 1);
    const char *json = ctl->raw ? ctl->raw : body.data;
    const int code = send_request(ctl, ctl->method, run_path(ctl), has_body ? json : NULL, answer);
    writer_free(&body);
    return code;
}

/* Shows what was asked for, or its entity tag. */
static int show(struct ctl *ctl, const struct ctl_answer *answer) {
    if (!ctl_said(ctl, "etag"))
        show_answer(ctl, answer);
    else if (answer->etag)
        puts(answer->etag);
    else
        fputs("gradctl: what was asked for has no entity tag\n", stderr);
    return ctl_said(ctl, "etag") && !answer->etag ? CTL_UNMET : CTL_OK;
}

int run_request(struct ctl *ctl) {
    struct ctl_answer answer;
    words_place(ctl);
    const int code = run_ask(ctl, &answer);
    return code == CTL_OK ? show(ctl, &answer) : code;
}

int run_check(struct ctl *ctl) {
    struct ctl_answer answer;
    words_place(ctl);
    const int code = run_ask(ctl, &answer);
    if (code != CTL_OK) return code;
    show_answer(ctl, &answer);
    const struct json *ok = json_member(show_parse(ctl, answer.text, answer.length), "ok");
    return ok && json_type(ok) == JSON_BOOL && json_bool(ok) ? CTL_OK : CTL_UNMET;
}

/* mode 0: what a new file has. */
static bool write_all(const char *name, mode_t mode, const char *text, size_t n) {
    FILE *file = fopen(name, "w");
    if (!file) return false;
    const bool whole = (!mode || fchmod(fileno(file), mode) == 0) &&
                       fwrite(text, 1, n, file) == n && fflush(file) == 0;
    return fclose(file) == 0 && whole;
}

/* An export that was there stays until all of the new one is: the disk may be full. What is no plain file
 * is written into. */
static bool replace_file(struct ctl *ctl, const char *name, const char *text, size_t n) {
    struct stat was;
    const bool is_there = lstat(name, &was) == 0;
    if (is_there && !S_ISREG(was.st_mode)) return write_all(name, 0, text, n);
    char *part = arena_alloc(&ctl->arena, strlen(name) + sizeof ".part");
    if (!part) ctl_wrong("no memory for the answer");
    sprintf(part, "%s.part", name);
    const mode_t mode = is_there ? was.st_mode & 07777 : 0;
    if (write_all(part, mode, text, n) && rename(part, name) == 0) return true;
    const int why = errno;
    unlink(part);
    errno = why;
    return false;
}

int run_export(struct ctl *ctl) {
    struct ctl_answer answer;
    words_place(ctl);
    const int code = run_ask(ctl, &answer);
    if (code != CTL_OK) return code;
    const char *name = ctl->n_words > 1 ? ctl->words[1] : "-";
    if (strcmp(name, "-") == 0) {
        fwrite(answer.text, 1, answer.length, stdout);
        putchar('\n');
    } else if (!replace_file(ctl, name, answer.text, answer.length)) {
        ctl_wrong("%s: %s", name, strerror(errno));
    }
    return CTL_OK;
}

int run_call(struct ctl *ctl) {
    if (ctl->n_words < 2 || ctl->n_words > 3) ctl_wrong("usage: gradctl call METHOD PATH [BODY]");
    const char *body = ctl->n_words == 3 ? ctl->words[2] : NULL;
    size_t n;
    if (body && (*body == '@' || strcmp(body, "-") == 0))
        body = value_file(ctl, *body == '@' ? body + 1 : body, &n);
    struct ctl_answer answer;
    const int code = send_request(ctl, ctl->words[0], ctl->words[1], body, &answer);
    return code == CTL_OK ? show(ctl, &answer) : code;
}

int run_completion(struct ctl *ctl) {
    if (ctl->n_words != 1 || strcmp(ctl->words[0], "bash") != 0)
        ctl_wrong("usage: gradctl completion bash");
    help_completion(stdout);
    return CTL_OK;
}

int run_help(struct ctl *ctl) {
    char name[64];
    if (ctl->n_words == 0) {
        help_overview(stdout);
        return CTL_OK;
    }
    snprintf(name, sizeof name, "%s%s%s", ctl->words[0], ctl->n_words > 1 ? " " : "",
             ctl->n_words > 1 ? ctl->words[1] : "");
    const size_t n = strlen(name);
    for (size_t i = 0; i < ctl_command_count; i++) {
        if (strcmp(ctl_commands[i].name, name) == 0) {
            help_command(&ctl_commands[i], stdout);
            return CTL_OK;
        }
        if (strncmp(ctl_commands[i].name, name, n) == 0 && ctl_commands[i].name[n] == ' ') {
            help_group(name, stdout);
            return CTL_OK;
        }
    }
    ctl_wrong("no command \"%s\"; \"gradctl help\" lists them", name);
}
