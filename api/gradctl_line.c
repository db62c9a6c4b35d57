/* The command line: which command it is, its words, and its options, which may stand anywhere behind the
 * command's name. What they mean in a request is not known here. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "api/gradctl.h"

void ctl_wrong(const char *format, ...) {
    va_list values;
    va_start(values, format);
    fputs("gradctl: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
    exit(CTL_USAGE);
}

const char *ctl_said(const struct ctl *ctl, const char *option) {
    for (size_t i = ctl->n_said; i-- > 0;)
        if (strcmp(ctl->said[i].option->name, option) == 0) return ctl->said[i].text;
    return NULL;
}

long ctl_number(const struct ctl *ctl, const char *option, long preset, long least, long most) {
    const char *text = ctl_said(ctl, option);
    if (!text) return preset;
    char *end;
    const long n = strtol(text, &end, 10);
    if (end == text || *end || n < least || n > most)
        ctl_wrong("--%s is \"%s\", expected a whole number from %ld to %ld", option, text, least,
                  most);
    return n;
}

/* ---- the command ---- */

/* Of how many words of argv a command's name is made; 0 where it is another one. */
static int name_matches(const struct ctl_command *command, int argc, char **argv) {
    const char *name = command->name;
    int n = 0;
    for (;; n++) {
        const size_t length = strcspn(name, " ");
        if (n == argc || strlen(argv[n]) != length || strncmp(argv[n], name, length) != 0) return 0;
        if (!name[length]) return n + 1;
        name += length + 1;
    }
}

static bool is_group(const char *word) {
    const size_t n = strlen(word);
    for (size_t i = 0; i < ctl_command_count; i++)
        if (strncmp(ctl_commands[i].name, word, n) == 0 && ctl_commands[i].name[n] == ' ')
            return true;
    return false;
}

/* The command is not there: says what is. */
static _Noreturn void unknown(int argc, char **argv) {
    if (is_group(argv[0])) {
        const bool asked =
            argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
        if (argc > 1 && !asked)
            fprintf(stderr, "gradctl: no command \"%s %s\"\n\n", argv[0], argv[1]);
        help_group(argv[0], asked ? stdout : stderr);
        exit(asked ? CTL_OK : CTL_USAGE);
    }
    const char *near = help_nearest(argv[0]);
    if (near) ctl_wrong("no command \"%s\"; did you mean \"%s\"?", argv[0], near);
    ctl_wrong("no command \"%s\"; \"gradctl help\" lists them", argv[0]);
}

/* ---- options ---- */

static const struct ctl_option *find_option(const struct ctl_command *command, const char *name,
                                            size_t n, char letter) {
    for (size_t i = 0; i < ctl_option_count; i++) {
        const struct ctl_option *o = &ctl_options[i];
        if (!(o->sets & (command->sets | CTL_EVERY))) continue;
        if (letter ? o->letter == letter : strlen(o->name) == n && strncmp(o->name, name, n) == 0)
            return o;
    }
    return NULL;
}

static void say(struct ctl *ctl, const struct ctl_option *option, const char *text) {
    if (ctl->n_said == CTL_SAID_MOST) ctl_wrong("more than %d options", CTL_SAID_MOST);
    ctl->said[ctl->n_said].option = option;
    ctl->said[ctl->n_said++].text = text ? text : "";
}

void ctl_say(struct ctl *ctl, const char *option, const char *text) {
    say(ctl, find_option(ctl->command, option, strlen(option), '\0'), text);
}

/* What takes the options that stand before a command: those of every command. */
static const struct ctl_command before = {.name = "gradctl"};

static _Noreturn void no_option(const struct ctl_command *command, const char *word) {
    const int n = (int)strcspn(word, "=");
    if (command == &before)
        ctl_wrong("%.*s is no option of every command; those of one stand behind its name", n,
                  word);
    if (word[1] == '-')
        ctl_wrong("\"%s\" has no option %.*s; see \"gradctl %s --help\"", command->name, n, word,
                  command->name);
    ctl_wrong("\"%s\" has no option -%c; a word that begins with a minus goes behind \"--\"",
              command->name, word[1]);
}

/* Reads the option at argv[at], with its value, and returns where the next word stands. */
static int read_option(struct ctl *ctl, int argc, char **argv, int at) {
    const char *word = argv[at], *name = word + 2, *value = NULL;
    const bool is_long = word[1] == '-';
    const size_t n = strcspn(name, "=");
    const struct ctl_option *option = find_option(ctl->command, name, n, is_long ? '\0' : word[1]);
    if (!option) no_option(ctl->command, word);
    if (is_long && name[n]) value = name + n + 1;
    if (!is_long && word[2]) value = word + 2;
    if (!option->shape && value) ctl_wrong("--%s takes no value", option->name);
    if (option->shape && !value) {
        if (at + 1 >= argc) ctl_wrong("--%s expects %s", option->name, option->shape);
        value = argv[++at];
    }
    say(ctl, option, value);
    return at + 1;
}

static void read_words(struct ctl *ctl, int argc, char **argv) {
    bool only_words = false;
    for (int i = 0; i < argc;) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
            i++;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1]) {
            i = read_option(ctl, argc, argv, i);
        } else {
            if (ctl->n_words == CTL_WORDS_MOST) ctl_wrong("more than %d words", CTL_WORDS_MOST);
            ctl->words[ctl->n_words++] = argv[i++];
        }
    }
}

/* Options of every command may stand before it; returns where it stands. */
static int read_before(struct ctl *ctl, int argc, char **argv) {
    int at = 0;
    ctl->command = &before;
    while (at < argc && argv[at][0] == '-' && argv[at][1]) at = read_option(ctl, argc, argv, at);
    if (at < argc && !ctl_said(ctl, "help")) return at;
    help_overview(ctl_said(ctl, "help") ? stdout : stderr);
    exit(ctl_said(ctl, "help") ? CTL_OK : CTL_USAGE);
}

void line_read(struct ctl *ctl, int argc, char **argv) {
    int used = 0;
    const int at = read_before(ctl, argc, argv);
    argc -= at, argv += at;
    for (size_t i = 0; i < ctl_command_count && !used; i++) {
        used = name_matches(&ctl_commands[i], argc, argv);
        ctl->command = &ctl_commands[i];
    }
    if (!used) unknown(argc, argv);
    read_words(ctl, argc - used, argv + used);
    if (ctl_said(ctl, "help")) {
        help_command(ctl->command, stdout);
        exit(CTL_OK);
    }
    const char *output = ctl_said(ctl, "output");
    if (output && strcmp(output, "json") != 0 && strcmp(output, "table") != 0)
        ctl_wrong("--output is \"%s\", expected json or table", output);
    ctl->is_json = output && strcmp(output, "json") == 0;
}
