/* The commands of an operator: gradd backup, gradd check. What stands in a store is read here as the server
 * would read it; how the store keeps it is store_tool's. */
#include <stdio.h>
#include <stdlib.h>

#include "api/operation_keep.h"
#include "api/session.h"
#include "api/session_services.h"
#include "server/durable.h"
#include "server/options.h"
#include "server/store_tool.h"

enum { EXIT_BAD = 1, EXIT_OPTIONS = 2 };

static int fail(const char *problem, int code) {
    fprintf(stderr, "gradd: %s\n", problem);
    return code;
}

/* The word, a file where there is one, and options behind that; *file is NULL without one. */
static const char *read_command(int argc, char **argv, struct options *o, const char **file,
                                char *problem, size_t size) {
    *file = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
    const int skipped = *file != NULL;
    if (options_read(o, argc - skipped, argv + skipped, getenv, problem, size) == OPTIONS_RUN)
        return o->data_dir ? o->data_dir : "";
    return NULL;
}

int durable_backup_command(int argc, char **argv) {
    static struct options options;
    char problem[1024] = "";
    const char *file,
        *directory = read_command(argc, argv, &options, &file, problem, sizeof problem);
    if (!directory || !*directory || !file)
        return fail(problem[0] ? problem : "usage: gradd backup FILE --data-dir DIR", EXIT_OPTIONS);
    if (!store_backup(directory, file, problem, sizeof problem)) return fail(problem, EXIT_BAD);
    printf("%s has what was kept in %s\n", file, directory);
    return EXIT_SUCCESS;
}

/* As the server would read it. An answer says nothing that could be checked beyond its being there. */
static bool examine(void *context, enum store_kind kind, const struct writer *bytes,
                    struct error *error) {
    const struct engine *e = context;
    const struct service_call call = {.plans = e->plans,
                                      .known = e->known,
                                      .limits = &e->limits,
                                      .seed = e->seed,
                                      .body = bytes->data,
                                      .body_length = bytes->length};
    struct session *s = NULL;
    struct function *f = NULL;
    struct operation *op = NULL;
    bool was_interrupted;
    if (kind == STORE_SESSION && (s = session_decode(&call, error)))
        session_free(s);
    else if (kind == STORE_FUNCTION && (f = function_decode(&call, error)))
        function_release(f);
    else if (kind == STORE_OPERATION && (op = operation_decode(bytes, &was_interrupted, error)))
        operation_release(op);
    else
        return kind == STORE_ANSWER && bytes->length > 0;
    return true;
}

int durable_check_command(int argc, char **argv) {
    static struct options options;
    static struct engine engine;
    char problem[1024] = "";
    const char *file, *place = read_command(argc, argv, &options, &file, problem, sizeof problem);
    if (place && file) place = file;
    if (!place || !*place)
        return fail(problem[0] ? problem : "usage: gradd check [FILE] --data-dir DIR",
                    EXIT_OPTIONS);
    if (!engine_init(&engine, &options.limits, problem, sizeof problem))
        return fail(problem, EXIT_BAD);
    const bool ok = store_check(place, examine, &engine, problem, sizeof problem);
    engine_free(&engine);
    if (!ok) return fail(problem, EXIT_BAD);
    puts(problem);
    return EXIT_SUCCESS;
}
