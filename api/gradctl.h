/* gradctl, the command line: what its parts share. One table says which commands and options there are
 * (gradctl_table.c); help, completion and reading of the command line come out of it, and most commands
 * are a row of it and nothing else: a path, and where each word and option goes in the request. */
#ifndef GRADD_API_GRADCTL_H
#define GRADD_API_GRADCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "api/json.h"
#include "api/writer.h"
#include "core/arena.h"

/* What gradctl exits with. */
enum {
    CTL_OK = 0,
    CTL_REFUSED = 1,     /* the server answered with a problem */
    CTL_USAGE = 2,       /* the command line, or a file that it names */
    CTL_UNREACHABLE = 3, /* no server answered */
    CTL_UNMET = 4, /* an answer, but not the one hoped for: not converged, a check that failed */
    CTL_INTERRUPTED = 130
};

/* ---- the table (gradctl_table.c) ---- */

/* What an option's text becomes. */
enum ctl_kind {
    CTL_LOCAL,      /* nothing in the request: it is for gradctl itself */
    CTL_FLAG,       /* true */
    CTL_UNSET,      /* false */
    CTL_TEXT,       /* a string; what begins with { is an object as it stands */
    CTL_VALUE,      /* a value: 2, 1,2,3, JSON or @FILE */
    CTL_NAMES,      /* a name, or names with commas between them, or JSON */
    CTL_ENTRY,      /* NAME=VALUE, one more of an object */
    CTL_WORDS,      /* NAME=TEXT, one more of an object; what is no value is a string */
    CTL_BATCH,      /* NAME=VALUE of a batch */
    CTL_BOUNDS,     /* NAME=LOW,HIGH */
    CTL_CONSTRAINT, /* EXPRESSION <= EXPRESSION */
    CTL_QUERY       /* NAME=TEXT of the URL */
};

/* Sets of commands that take an option. */
enum ctl_set {
    CTL_EVERY = 1 << 0,
    CTL_GRAPH = 1 << 1,   /* bind a graph's names */
    CTL_SHOWN = 1 << 2,   /* answer tensors */
    CTL_DERIVED = 1 << 3, /* differentiate */
    CTL_REVERSE = 1 << 4, /* with respect to sources */
    CTL_FETCHES = 1 << 5, /* answer further nodes */
    CTL_BATCHED = 1 << 6, /* take many points */
    CTL_SPARSE = 1 << 7,  /* jacobian, hessian */
    CTL_JVP = 1 << 8,     /* tangents */
    CTL_VJP = 1 << 9,
    CTL_HVP = 1 << 10,
    CTL_CHECK = 1 << 11,
    CTL_RUNS = 1 << 12, /* minimize and fit */
    CTL_MINIMIZE = 1 << 13,
    CTL_FIT = 1 << 14,
    CTL_SESSION = 1 << 15, /* make a session */
    CTL_PAGES = 1 << 16,   /* lists that come in pages */
    CTL_LABELS = 1 << 17,  /* a list of sessions */
    CTL_TAPE = 1 << 18,    /* open a tape */
    CTL_NAMED = 1 << 19,   /* name their results */
    CTL_SLOTS = 1 << 20,
    CTL_JOB = 1 << 21,
    CTL_OF_SESSION = 1 << 22, /* a list of operations */
    CTL_BENCH = 1 << 23,
    CTL_DTYPE = 1 << 24,     /* say a dtype */
    CTL_OPTIMIZER = 1 << 25, /* take an optimizer */
    CTL_DIAGNOSE = 1 << 26,
    CTL_SEEDED = 1 << 27, /* take output gradients */
    CTL_SQUARES = 1 << 28,
    CTL_MATCH = 1 << 29, /* change what has an entity tag */
    CTL_TAGGED = 1 << 30 /* answer one */
};

struct ctl_option {
    unsigned sets;
    const char *name;
    char letter;       /* 0: none */
    const char *shape; /* what its value looks like; NULL: it takes none */
    enum ctl_kind kind;
    const char *member; /* of the request, "optimizer.name" for one of an object; or of the URL */
    const char *meaning;
};
extern const struct ctl_option ctl_options[];
extern const size_t ctl_option_count;

struct ctl;
struct ctl_command {
    const char *heading;
    const char *name;   /* one word, or two: "sessions create" */
    const char *words;  /* what stands behind it: "GRAPH [NAME=VALUE...]"; see gradctl_words.c */
    const char *method; /* "PUT|POST": the second where the last place of the path is left out */
    const char *path;   /* "/v1/sessions/{SESSION}/tapes"; NULL where `run` does all */
    const char *into;   /* the member that NAME=VALUE and NAME... go to; "": the request itself */
    unsigned sets;
    const char *columns; /* of a list's table, with commas; NULL: all */
    int (*run)(struct ctl *ctl);
    const char *meaning;
    const char *more; /* examples and what is not said by the options; NULL: nothing */
};
extern const struct ctl_command ctl_commands[];
extern const size_t ctl_command_count;

/* ---- the request's body (gradctl_body.c) ---- */

enum { CTL_MEMBERS = 48 };

struct ctl_body {
    struct ctl_member {
        char *name;
        char brackets[3]; /* "{}" or "[]" around what is collected; "": one text */
        struct writer text;
    } members[CTL_MEMBERS];
    size_t n;
};

/* Sets a member, "a.b" for one of the object a, to a JSON text. Here and below: exits where a member is
 * set as a whole and has parts too. */
void body_set(struct ctl_body *body, const char *member, const char *json, size_t n);
/* The same to a string. */
void body_set_string(struct ctl_body *body, const char *member, const char *text);
/* Adds name: json to the object `member`, or to the request where that is "". */
void body_entry(struct ctl_body *body, const char *member, const char *name, size_t n_name,
                const char *json, size_t n);
/* Adds to the list `member`. */
void body_item(struct ctl_body *body, const char *member, const char *json, size_t n);
/* Writes all of it; false where memory is short. */
bool body_write(const struct ctl_body *body, struct writer *out);
void body_free(struct ctl_body *body);

/* ---- one run ---- */

enum { CTL_WORDS_MOST = 512, CTL_SAID_MOST = 512 };

struct ctl {
    const struct ctl_command *command;
    struct arena arena;
    const char *words[CTL_WORDS_MOST]; /* what is no option, behind the command's name */
    size_t n_words;
    struct {
        const struct ctl_option *option;
        const char *text;
    } said[CTL_SAID_MOST];
    size_t n_said;
    struct ctl_body body;
    struct writer path, query;
    const char *method;
    const char *graph; /* the text that was sent, for a caret below it; NULL: none */
    const char *raw;   /* a body that is sent as it stands; NULL: `body` is sent */
    bool is_json;      /* the answer is to be printed as it came */
    bool read_input;   /* standard input was read */
};

/* What was said last of an option that is gradctl's own, or NULL. */
const char *ctl_said(const struct ctl *ctl, const char *option);
/* Says an option that the command takes, as if it stood on the command line. */
void ctl_say(struct ctl *ctl, const char *option, const char *text);
/* A whole number that was said, or `preset`; exits where it is none of least..most. */
long ctl_number(const struct ctl *ctl, const char *option, long preset, long least, long most);

/* Prints a sentence to standard error and exits with CTL_USAGE. */
_Noreturn void ctl_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- the command line (gradctl_line.c), and what its words say (gradctl_words.c) ---- */

void line_read(struct ctl *ctl, int argc, char **argv);
/* Puts words and options where they belong in the request. */
void words_place(struct ctl *ctl);
/* A graph from the command line, as JSON and as text: itself, @FILE, or - for standard input. */
void words_graph(struct ctl *ctl, const char *word);

/* ---- help (gradctl_help.c) ---- */

void help_overview(FILE *out);
void help_command(const struct ctl_command *command, FILE *out);
void help_group(const char *group, FILE *out);
void help_all(FILE *out);
void help_completion(FILE *out);
/* The command or group that is nearest to a word, or NULL. */
const char *help_nearest(const char *word);

/* ---- values (gradctl_value.c) ---- */

/* Reads a whole file of text, "-" for standard input, which can be read once; exits where it cannot. */
const char *value_file(struct ctl *ctl, const char *name, size_t *n);
/* Writes what stands for a value as JSON; `what` is its name for messages. */
void value_write(struct ctl *ctl, struct writer *out, const char *what, const char *text);
/* A number of any usual form as JSON has it; false, with nothing written, where it is none. */
bool value_number(struct writer *out, const char *text, size_t n);
/* Whether a name stands at `text`; its length. */
size_t value_name(const char *text);

/* ---- tables of numbers (gradctl_csv.c) ---- */

struct csv {
    size_t rows, columns;
    bool has_names;
    char **names; /* of the columns, such as graphs can use */
    char **cells; /* row by row */
    long *lines;  /* of the file, of each row */
    const char *file;
};

/* Reads text of n bytes with commas, semicolons, tabs or spaces between its cells; exits where a row has
 * another number of cells than the first. */
void csv_read(struct csv *csv, struct arena *arena, const char *file, const char *text, size_t n);
/* The column of a name, or csv->columns; exits where two have it. */
size_t csv_column(const struct csv *csv, const char *name);
/* Writes a column as an array; exits at a cell that is no number. */
void csv_write_column(const struct csv *csv, size_t column, struct writer *out);
/* Writes all of it: an array of rows, or of numbers where there is one column. */
void csv_write(const struct csv *csv, struct writer *out);

/* ---- asking (gradctl_ask.c), which alone knows the client ---- */

struct ctl_answer {
    int status;       /* of HTTP */
    const char *text; /* NUL-terminated */
    size_t length;
    bool is_json;
    const char *etag; /* of what it shows, or NULL */
};

/* Makes the client that the options and the environment describe, and ends it. */
void ask_open(struct ctl *ctl);
void ask_close(void);
/* Asks, with a body or NULL. Exits with CTL_UNREACHABLE where nobody answers; what is returned lives
 * until the next one is asked. */
struct ctl_answer ask(const char *method, const char *path, const char *json);
/* The same for any thread; how long it took is the caller's to see. False where it was not answered with
 * success. */
bool ask_once(const char *method, const char *path, const char *json, int *status);
/* Called now and then with the step, its loss and the gradient's norm. */
typedef void ask_progress(void *user, long step, double loss, double gradient_norm);
/* The answer of an operation, once it is done. SIGINT cancels the operation, whose answer is then what it
 * has by then; *interrupted says that it came. So do SIGTERM and SIGHUP where it is this run's own. */
struct ctl_answer ask_follow(const char *operation, bool is_own, ask_progress *progress, void *user,
                             bool *interrupted);

/* ---- showing (gradctl_show.c, gradctl_problem.c, gradctl_plot.c) ---- */

/* Parses an answer; exits where it is no JSON. */
const struct json *show_parse(struct ctl *ctl, const char *text, size_t n);
/* Prints an answer as it came, or as tables. */
void show_answer(struct ctl *ctl, const struct ctl_answer *answer);
/* Prints a table: rows * columns texts; those of columns whose letter in `align` is r end together. */
void show_table(const char *const *cells, size_t rows, size_t columns, const char *align);
/* A value in one line: a string without quotes, and everything else as it came. */
const char *show_text(struct ctl *ctl, const struct json *v);
/* How many columns of a terminal a text takes. */
size_t show_width(const char *text);
/* Prints a problem with its place, and the graph's line with a caret where it has one. */
void problem_show(struct ctl *ctl, const struct json *problem);
/* Prints the warnings of an answer to standard error. */
void problem_warnings(struct ctl *ctl, const struct json *answer);

/* Draws y over x[0..n). */
void plot_draw(const double *x, const double *y, size_t n, const char *title, FILE *out);
bool plot_is_utf8(void);
/* A line of progress on a terminal; `steps` is 0 where nobody knows how many there will be. */
void plot_progress(long step, long steps, double loss, double gradient_norm);
void plot_progress_end(void);

/* ---- commands that are more than a row (gradctl_run.c, gradctl_fit.c, gradctl_jobs.c, gradctl_bench.c) */

/* CTL_OK, or CTL_REFUSED for a problem, which is shown. */
int run_refused(struct ctl *ctl, const struct ctl_answer *answer);
/* Sends what was put together; the same. */
int run_ask(struct ctl *ctl, struct ctl_answer *answer);
/* Its path with its query. */
const char *run_path(struct ctl *ctl);

int run_request(struct ctl *ctl);
int run_check(struct ctl *ctl);
int run_export(struct ctl *ctl);
int run_call(struct ctl *ctl);
int run_help(struct ctl *ctl);
int run_completion(struct ctl *ctl);
int run_minimize(struct ctl *ctl);
int run_fit(struct ctl *ctl);
int run_least_squares(struct ctl *ctl);
int run_job(struct ctl *ctl);
int run_follow(struct ctl *ctl);
int run_wait(struct ctl *ctl);
int run_bench(struct ctl *ctl);

/* The operation's answer, with its progress shown where that is wanted; for the rest see ask_follow. */
struct ctl_answer jobs_follow(struct ctl *ctl, const char *name, bool is_own, bool *interrupted);
/* Sends the request as a job of a method, and returns the operation's name. */
const char *jobs_start(struct ctl *ctl, const char *method);
/* Forgets an operation that is done. */
void jobs_forget(const char *name);
/* Whether progress can be shown. */
bool jobs_shows(const struct ctl *ctl);
/* Student's t distribution with n degrees of freedom (gradctl_student.c): P(|T| <= t), and its inverse. */
double student_within(double t, long n);
double student_quantile(double within, long n);

#endif
