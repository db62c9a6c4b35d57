/* gradctl, the command line of gradd. What there is stands in the table; here it begins and ends. */
#include "api/gradctl.h"

#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MEMORY = 1 << 30 };

/* A standard stream that is closed stays of no use: no connection gets its number, to be written into. */
static void keep_closed(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* However gradctl ends: what it could not print has failed. */
static void check_output(void) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return;
    fputs("gradctl: standard output cannot be written\n", stderr);
    _exit(CTL_USAGE);
}

int main(int argc, char **argv) {
    static struct ctl ctl;
    keep_closed();
    atexit(check_output);
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
    if (ctl.command->run != run_help && ctl.command->run != run_completion) ask_open(&ctl);
    const int code = ctl.command->run(&ctl);
    ask_close();
    body_free(&ctl.body);
    writer_free(&ctl.path);
    writer_free(&ctl.query);
    arena_free(&ctl.arena);
    return code;
}
