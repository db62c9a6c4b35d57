/* Options: the table of what there is, and who says what. How a text becomes a value is not known here,
 * nor what the values do. */
#include "server/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/op.h"
#include "server/options_own.h"

/* Of a limit the kind and what its value looks like are in its name; see spell. */
static struct option_row rows[OPTION_COUNT] = {
#define OPTION_ROW(heading, field, kind, shape, preset, meaning)                                   \
    {heading, #field, shape, preset, meaning, OPTION_##kind, offsetof(struct options, field),      \
     0,       0,      ""},
    OPTIONS(OPTION_ROW)
#undef OPTION_ROW
#define OPTION_ROW(name, preset, least, most, text)                                                \
    {"Limits", #name, "N", NULL, text, OPTION_count, offsetof(struct options, limits.name),        \
     least,    most,  ""},
        SERVICE_LIMITS(OPTION_ROW)
#undef OPTION_ROW
};

static const struct {
    bool adds;
    int64_t least, most;
} kinds[] = {
#define OPTION_KIND(kind, type, adds, least, most, expected) {adds, least, most},
    OPTION_KINDS(OPTION_KIND)
#undef OPTION_KIND
};

/* Names of limits that are as good without their unit. */
static const char *const bare[] = {"max_body_bytes", "max_memory_bytes", "grace_seconds"};

static bool is_limit(const struct option_row *row) { return !row->preset; }

/* A limit that can have one value is told, and nothing that can be said. */
static bool is_fixed(const struct option_row *row) {
    return is_limit(row) && row->least == row->most;
}

static void spell_limit(struct option_row *row, size_t n) {
    static const char bytes[] = "_bytes", seconds[] = "_seconds";
    size_t unit = 0;
    if (n > sizeof bytes && strcmp(row->field + n - (sizeof bytes - 1), bytes) == 0) {
        unit = sizeof bytes - 1, row->kind = OPTION_bytes, row->shape = "BYTES";
    } else if (n > sizeof seconds && strcmp(row->field + n - (sizeof seconds - 1), seconds) == 0) {
        unit = sizeof seconds - 1, row->kind = OPTION_seconds, row->shape = "SECONDS";
    }
    for (size_t i = 0; i < sizeof bare / sizeof *bare; i++)
        if (strcmp(row->field, bare[i]) == 0) row->name[n - unit] = '\0';
}

/* Completes the table. */
static void spell(void) {
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        struct option_row *row = &rows[i];
        const size_t n = strlen(row->field);
        for (size_t k = 0; k <= n; k++) row->name[k] = row->field[k] == '_' ? '-' : row->field[k];
        if (is_limit(row))
            spell_limit(row, n);
        else
            row->least = kinds[row->kind].least, row->most = kinds[row->kind].most;
    }
}

static const char *variable_name(const struct option_row *row, char out[OPTION_NAME + 8]) {
    char *at = out + sprintf(out, "GRADD_");
    for (const char *c = row->name; *c; c++)
        *at++ = *c == '-' ? '_' : (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    *at = '\0';
    return out;
}

/* The row of a name of n bytes. */
static const struct option_row *find(const char *name, size_t n) {
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (!is_fixed(&rows[i]) && strncmp(name, rows[i].name, n) == 0 && !rows[i].name[n])
            return &rows[i];
    return NULL;
}

const struct option_row *option_row(size_t i) { return &rows[i]; }

void option_source(const struct options *o, const struct option_row *row, char *out, size_t size) {
    const struct option_said *said = &o->said[row - rows];
    char variable[OPTION_NAME + 8];
    if (said->by == OPTION_FILE)
        snprintf(out, size, "%s:%d: %s", o->config, said->line, row->name);
    else if (said->by == OPTION_VARIABLE)
        snprintf(out, size, "%s", variable_name(row, variable));
    else
        snprintf(out, size, "--%s", row->name);
}

/* ---- who says what ---- */

/* One more text of a row, behind a comma. */
static const char *join(struct options *o, const char *a, const char *b) {
    const size_t n = strlen(a) + strlen(b) + 2;
    if (n > sizeof o->memory - o->used) return NULL;
    char *out = o->memory + o->used;
    snprintf(out, n, "%s,%s", a, b);
    o->used += n;
    return out;
}

/* False where a source says too much. Sources come in the order of their rank, the first one first. */
static bool say(struct options *o, const struct option_row *row, const char *text,
                enum option_source by, int line) {
    struct option_said *said = &o->said[row - rows];
    if (said->text && said->by != by) return true;
    if (said->text && kinds[row->kind].adds) text = join(o, said->text, text);
    *said = (struct option_said){text, by, said->text ? said->line : line};
    return text;
}

static bool bad(char *problem, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool bad(char *problem, size_t size, const char *format, ...) {
    va_list values;
    va_start(values, format);
    vsnprintf(problem, size, format, values);
    va_end(values);
    return false;
}

/* `place` and `dashes` stand before the name: of a file, or "" and "--". */
static bool bad_name(const char *place, const char *dashes, const char *name, char *problem,
                     size_t size) {
    const char *names[OPTION_COUNT + 3] = {"help", "version", "check-config"};
    size_t n = *dashes ? 3 : 0;
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (!is_fixed(&rows[i])) names[n++] = rows[i].name;
    const size_t skipped = strncmp(name, dashes, strlen(dashes)) == 0 ? strlen(dashes) : 0;
    const char *near = name_nearest(name + skipped, names, n);
    if (near)
        return bad(problem, size, "%sunknown option \"%s\"; did you mean \"%s%s\"?", place, name,
                   dashes, near);
    return bad(problem, size, "%sunknown option \"%s\"; --help lists the options", place, name);
}

/* A word that is none of the commands of main.c. */
static bool bad_word(const char *word, char *problem, size_t size) {
    const char *words[] = {"backup", "check", "health", "token"};
    const char *near = name_nearest(word, words, sizeof words / sizeof *words);
    if (near) return bad(problem, size, "no command \"%s\"; did you mean \"%s\"?", word, near);
    return bad(problem, size, "no command \"%s\"; gradd alone serves, --help lists the commands",
               word);
}

static bool bad_memory(char *problem, size_t size) {
    return bad(problem, size, "the options have more than %d bytes", OPTION_MEMORY);
}

/* Sets *outcome where the line asks for something else than to run. */
static bool read_line(struct options *o, int argc, char *const *argv, enum options_outcome *outcome,
                      char *problem, size_t size) {
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) *outcome = OPTIONS_HELP;
        if (strcmp(name, "--version") == 0) *outcome = OPTIONS_VERSION;
        if (*outcome == OPTIONS_HELP || *outcome == OPTIONS_VERSION) return true;
        if (strcmp(name, "--check-config") == 0) {
            *outcome = OPTIONS_CHECK;
            continue;
        }
        const size_t n = strcspn(name, "=");
        const struct option_row *row =
            n > 2 && strncmp(name, "--", 2) == 0 ? find(name + 2, n - 2) : NULL;
        if (!row && *name != '-') return bad_word(name, problem, size);
        if (!row) return bad_name("", "--", name, problem, size);
        const char *value = name[n] ? name + n + 1 : *row->shape ? argv[++i] : "1";
        if (!value)
            return bad(problem, size, "--%s: found nothing behind it, expected %s", row->name,
                       row->shape);
        if (!say(o, row, value, OPTION_ARGUMENT, 0)) return bad_memory(problem, size);
    }
    return true;
}

/* A variable that is empty is as good as unset, as compose files want it. */
static void read_variables(struct options *o, char *(*variable)(const char *name)) {
    char name[OPTION_NAME + 8];
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *text = is_fixed(&rows[i]) ? NULL : variable(variable_name(&rows[i], name));
        if (text && *text) say(o, &rows[i], text, OPTION_VARIABLE, 0);
    }
}

/* The file's text, in the options' memory. */
static char *load(struct options *o, const char *name, char *problem, size_t size) {
    FILE *f = fopen(name, "r");
    char *text = o->memory + o->used;
    const size_t most = sizeof o->memory - o->used;
    const size_t n = f ? fread(text, 1, most, f) : 0;
    const bool read = f && !ferror(f), whole = read && n < most;
    const int number = errno;
    if (f) fclose(f);
    if (!read) return bad(problem, size, "cannot read %s: %s", name, strerror(number)), NULL;
    if (!whole) return bad_memory(problem, size), NULL;
    if (memchr(text, 0, n)) return bad(problem, size, "%s: found a byte 0", name), NULL;
    text[n] = '\0';
    o->used += n + 1;
    return text;
}

static bool read_config_line(struct options *o, const char *name, const char *value, int line,
                             char *problem, size_t size) {
    char place[512];
    snprintf(place, sizeof place, "%s:%d: ", o->config, line);
    const struct option_row *row = find(name, strlen(name));
    if (!row) return bad_name(place, "", name, problem, size);
    const struct option_said *said = &o->said[row - rows];
    if (row->at == offsetof(struct options, config))
        return bad(problem, size, "%sthe file cannot name another one", place);
    if (!*value)
        return bad(problem, size, "%s%s: found nothing behind it, expected %s", place, name,
                   *row->shape ? row->shape : "1 or 0");
    if (said->text && said->by == OPTION_FILE && !kinds[row->kind].adds)
        return bad(problem, size, "%s%s: line %d says it already", place, name, said->line);
    return say(o, row, value, OPTION_FILE, line) || bad_memory(problem, size);
}

static bool read_config(struct options *o, char *problem, size_t size) {
    char *text = load(o, o->config, problem, size);
    if (!text) return false;
    const char *name, *value;
    int line = 0, found;
    while ((found = option_line(&text, &line, &name, &value)) > 0)
        if (!read_config_line(o, name, value, line, problem, size)) return false;
    return !found ||
           bad(problem, size, "%s:%d: found \"%s\", expected a line such as max-body = 64M",
               o->config, line, name);
}

/* ---- values ---- */

static bool set(struct options *o, const struct option_row *row, char *problem, size_t size) {
    struct option_said *said = &o->said[row - rows];
    char expected[OPTION_EXPECTED], source[512];
    if (!said->text) return true;
    if (option_value(row, said->text, o)) return true;
    option_source(o, row, source, sizeof source);
    return bad(problem, size, "%s: found \"%s\", expected %s", source, said->text,
               option_expected(row, expected));
}

static void set_presets(struct options *o) {
    memset(o, 0, sizeof *o);
    o->limits = service_limits_default;
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (!is_limit(&rows[i]) && *rows[i].preset != '(')
            option_value(&rows[i], rows[i].preset, o);
}

static bool set_all(struct options *o, char *problem, size_t size) {
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (!set(o, &rows[i], problem, size)) return false;
    return true;
}

bool options_check_reach(const struct options *o, const struct listen_list *addresses,
                         char *problem, size_t size) {
    char url[LISTEN_URL];
    for (int i = 0; i < addresses->n && !o->tokens && !o->insecure; i++)
        if (!listen_is_loopback(&addresses->at[i]))
            return bad(
                problem, size,
                "%s can be reached from other machines, and without --tokens whoever reaches it "
                "may use it; --insecure says that this is meant",
                listen_url(&addresses->at[i], url));
    return true;
}

static bool check_tls(const struct options *o, char *problem, size_t size) {
    if (!o->tls_cert == !o->tls_key && (o->tls_cert || !o->tls_client_ca)) return true;
    return bad(problem, size, "%s wants %s beside it",
               o->tls_cert  ? "--tls-cert"
               : o->tls_key ? "--tls-key"
                            : "--tls-client-ca",
               o->tls_cert ? "--tls-key" : "--tls-cert");
}

enum options_outcome options_read(struct options *o, int argc, char *const *argv,
                                  char *(*variable)(const char *name), char *problem, size_t size) {
    enum options_outcome outcome = OPTIONS_RUN;
    spell();
    set_presets(o);
    if (!read_line(o, argc, argv, &outcome, problem, size)) return OPTIONS_BAD;
    if (outcome == OPTIONS_HELP || outcome == OPTIONS_VERSION) return outcome;
    read_variables(o, variable);
    if (!set(o, find("config", 6), problem, size)) return OPTIONS_BAD;
    if (o->config && !read_config(o, problem, size)) return OPTIONS_BAD;
    if (!set_all(o, problem, size) || !check_tls(o, problem, size) ||
        !options_check_reach(o, &o->listen, problem, size))
        return OPTIONS_BAD;
    return outcome;
}

/* ---- for people ---- */

/* The preset as it is said; one in words keeps its parentheses. */
static const char *preset(const struct option_row *row, char out[24]) {
    if (!is_limit(row)) return row->preset;
    const int64_t n = *(const int64_t *)((const char *)&service_limits_default + row->at -
                                         offsetof(struct options, limits));
    if (row->kind == OPTION_bytes) return option_size(n, out);
    snprintf(out, 24, "%" PRId64, n);
    return out;
}

/* Whether it is not itself without quotation marks: a blank at an end, or a #, which may begin a comment. */
static bool needs_quotes(const char *text) {
    const size_t n = strlen(text);
    return strchr(text, '#') || (n && (strchr(" \t\r", text[0]) || strchr(" \t\r", text[n - 1])));
}

void options_print(const struct options *o, FILE *out) {
    char number[24], variable[OPTION_NAME + 8];
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &rows[i];
        const struct option_said *said = &o->said[i];
        if (is_fixed(row)) continue;
        const char *text = said->text ? said->text : preset(row, number);
        const bool comment =
            (!said->text && *text == '(') || row->at == offsetof(struct options, config);
        const char *quote = needs_quotes(text) ? "\"" : "";
        int width =
            fprintf(out, "%s%s = %s%s%s", comment ? "# " : "", row->name, quote, text, quote);
        fprintf(out, "%*s# ", width < 44 ? 44 - width : 1, "");
        if (!said->text)
            fputs("preset\n", out);
        else if (said->by == OPTION_FILE)
            fprintf(out, "%s:%d\n", o->config, said->line);
        else if (said->by == OPTION_VARIABLE)
            fprintf(out, "%s\n", variable_name(row, variable));
        else
            fputs("command line\n", out);
    }
}

static void print_row(const struct option_row *row, FILE *out) {
    enum { COLUMN = 34 };
    char number[24];
    const char *text = preset(row, number);
    const bool words = *text == '(';
    int width = fprintf(out, "  --%s%s%s", row->name, *row->shape ? " " : "", row->shape);
    fprintf(out, "%*s%s ", width < COLUMN ? COLUMN - width : 1, "", row->meaning);
    fprintf(out, "%s%s%s\n", words ? "" : "(", text, words ? "" : ")");
}

void options_help(FILE *out) {
    fputs(
        "usage: gradd [OPTION...]\n"
        "       gradd health [/PATH | URL] [OPTION...]\n"
        "       gradd backup FILE [OPTION...]\n"
        "       gradd check [FILE] [OPTION...]\n"
        "       gradd token [TENANT [SCOPES]] >>FILE\n\n"
        "Computes exact gradients of expression graphs over HTTP. `health` asks a running server\n"
        "how it is (/healthz, /readyz), and exits with 0 where it is well; `token` makes one.\n"
        "`backup` copies the store of --data-dir while a server uses it or not, `check` reads all\n"
        "of it, or of a backup.\n\n"
        "--max-body 64M is GRADD_MAX_BODY=64M in the environment, and max-body = 64M in the file\n"
        "of --config: the command line wins over the environment, and that over the file. BYTES\n"
        "may have k, M or G behind them, for 2^10, 2^20 and 2^30. Presets are in parentheses.\n",
        out);
    const char *heading = "";
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (is_fixed(&rows[i])) continue;
        if (strcmp(rows[i].heading, heading) != 0)
            fprintf(out, "\n%s\n", heading = rows[i].heading);
        print_row(&rows[i], out);
    }
    fputs("\nOthers\n"
          "  --check-config                  show every option's value and who says so, and exit\n"
          "  --help                          show this text and exit\n"
          "  --version                       show the version and exit\n",
          out);
}
