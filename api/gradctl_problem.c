/* Problems and warnings for people: the sentence, and where in a graph it is. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/gradctl.h"

static bool has_colours(void) {
    const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) && !(no && *no) && terminal && strcmp(terminal, "dumb") != 0;
}

static const char *text_of(struct ctl *ctl, const struct json *object, const char *name) {
    const struct json *v = json_member(object, name);
    return v && json_type(v) == JSON_STRING ? show_text(ctl, v) : NULL;
}

/* The line of the graph, and a caret below the column, which counts characters. */
static void show_place(const char *graph, int64_t line, int64_t column) {
    for (; line > 1; line--) {
        graph = strchr(graph, '\n');
        if (!graph) return;
        graph++;
    }
    const int n = (int)strcspn(graph, "\n");
    fprintf(stderr, "  %.*s\n  ", n, graph);
    const char *c = graph;
    for (int64_t i = 1; i < column; i++) {
        fputc(*c == '\t' ? '\t' : ' ', stderr);
        if (c < graph + n) c++;
        while (c < graph + n && ((unsigned char)*c & 0xC0) == 0x80) c++;
    }
    fputs(has_colours() ? "\033[1;31m^\033[0m\n" : "^\n", stderr);
}

void problem_show(struct ctl *ctl, const struct json *problem) {
    const bool colours = has_colours();
    const char *detail = text_of(ctl, problem, "detail"), *code = text_of(ctl, problem, "code"),
               *pointer = text_of(ctl, problem, "pointer");
    const struct json *line = json_member(problem, "line"),
                      *column = json_member(problem, "column");
    int64_t row, place;
    fflush(stdout);
    fprintf(stderr, "%sgradctl:%s %s (%s%s%s)\n", colours ? "\033[1;31m" : "",
            colours ? "\033[0m" : "", detail ? detail : "the server refused",
            code ? code : "no code", pointer && *pointer ? " at " : "", pointer ? pointer : "");
    if (ctl->graph && pointer && strstr(pointer, "/graph") && line && column &&
        json_int(line, &row) && json_int(column, &place))
        show_place(ctl->graph, row, place);
}

void problem_warnings(struct ctl *ctl, const struct json *answer) {
    const struct json *warnings = json_member(answer, "warnings");
    fflush(stdout);
    for (const struct json *w = warnings ? json_first(warnings) : NULL; w; w = json_next(w)) {
        const char *detail = text_of(ctl, w, "detail");
        if (detail) fprintf(stderr, "gradctl: warning: %s\n", detail);
    }
}
