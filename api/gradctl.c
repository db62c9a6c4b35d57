/* gradctl, the command line of gradd. What there is stands in the table; here it begins and ends. */
#include "api/gradctl.h"

#include <locale.h>
#include <string.h>

enum { MEMORY = 1 << 30 };

int main(int argc, char **argv) {
    static struct ctl ctl;
    setlocale(LC_CTYPE, "");
    if (argc > 1 && strcmp(argv[1], "--help-all") == 0) {
        help_all(stdout);
        return CTL_OK;
    }
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("gradctl " GRADD_VERSION);
        return CTL_OK;
    }
    arena_init(&ctl.arena, SIZE_MAX);
    writer_init(&ctl.path, MEMORY);
    writer_init(&ctl.query, MEMORY);
    line_read(&ctl, argc - 1, argv + 1);
    ask_open(&ctl);
    int code = ctl.command->run(&ctl);
    ask_close();
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("gradctl: standard output cannot be written\n", stderr);
        if (code == CTL_OK) code = CTL_USAGE;
    }
    body_free(&ctl.body);
    writer_free(&ctl.path);
    writer_free(&ctl.query);
    arena_free(&ctl.arena);
    return code;
}
