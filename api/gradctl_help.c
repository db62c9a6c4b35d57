/* Help and completion, made from the table of commands and options. */
#include <stdlib.h>
#include <string.h>

#include "api/gradctl.h"
#include "core/op.h"

enum { COLUMN = 28, NAMES_MOST = 128, GROUP = 24 };

static void print_name(const char *heading, const char *name, const char *meaning, FILE *out) {
    if (heading) fprintf(out, "\n%s\n", heading);
    const int width = fprintf(out, "  %s", name);
    fprintf(out, "%*s%s\n", width < COLUMN ? COLUMN - width : 1, "", meaning);
}

static void print_option(const struct ctl_option *o, FILE *out) {
    char text[80];
    snprintf(text, sizeof text, "%c%c%s--%s%s%s", o->letter ? '-' : ' ',
             o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name, o->shape ? " " : "",
             o->shape ? o->shape : "");
    const int width = fprintf(out, "  %s", text);
    if (width >= COLUMN + 6)
        fprintf(out, "\n%*s%s\n", COLUMN + 6, "", o->meaning);
    else
        fprintf(out, "%*s%s\n", COLUMN + 6 - width, "", o->meaning);
}

static void print_options(unsigned sets, FILE *out) {
    for (size_t i = 0; i < ctl_option_count; i++)
        if (ctl_options[i].sets & sets) print_option(&ctl_options[i], out);
}

static const char exits[] = "0 all went well; 1 the server refused (its problem goes to standard "
                            "error); 2 the command line or a\n"
                            "file is wrong; 3 no server answered; 4 an answer, but not the one "
                            "hoped for: not converged, or a\n"
                            "check that failed; 130 interrupted.\n";

static const char values[] =
    "NAME=VALUE binds a name of the graph: 2, 1,2,3 (\"1,\" is a list of one), inf, nan, true, "
    "JSON such as\n"
    "[[1,2],[3,4]], @FILE (JSON, a .npy array, or rows of numbers; @FILE:COLUMN is one column of "
    "them), or -\n"
    "for standard input. GRAPH may be @FILE or - too, and JSON for a list of nodes.\n";

void help_overview(FILE *out) {
    fputs("usage: gradctl COMMAND [WORD...] [OPTION...]\n\n"
          "Asks gradd for exact gradients, minima, fits, and all else that it does:\n\n"
          "  gradctl gradient \"z = (x1 + 5) * x2 ** 2\" x1=2 x2=3\n",
          out);
    const char *heading = "";
    for (size_t i = 0; i < ctl_command_count; i++) {
        const struct ctl_command *c = &ctl_commands[i];
        const bool begins = strcmp(heading, c->heading) != 0;
        print_name(begins ? c->heading : NULL, c->name, c->meaning, out);
        heading = c->heading;
    }
    fputs("\nOptions of every command\n", out);
    print_options(CTL_EVERY, out);
    fprintf(out, "\nValues\n%s", values);
    fprintf(out, "\nIt exits with\n%s", exits);
    fputs("\n\"gradctl COMMAND --help\" says what a command takes; \"gradctl --version\" prints "
          "the version.\n",
          out);
}

void help_command(const struct ctl_command *command, FILE *out) {
    fprintf(out, "usage: gradctl %s%s%s [OPTION...]\n\n%s\n", command->name,
            *command->words ? " " : "", command->words, command->meaning);
    if (command->path) fprintf(out, "(%s %s)\n", command->method, command->path);
    if (command->more) fprintf(out, "\n%s", command->more);
    if (command->sets) fputs("\nOptions\n", out);
    print_options(command->sets, out);
    fputs("\nOptions of every command\n", out);
    print_options(CTL_EVERY, out);
    if (strchr(command->words, '=')) fprintf(out, "\n%s", values);
}

void help_group(const char *group, FILE *out) {
    const size_t n = strlen(group);
    for (size_t i = 0; i < ctl_command_count; i++) {
        const char *name = ctl_commands[i].name;
        if (strncmp(name, group, n) == 0 && name[n] == ' ')
            print_name(NULL, name, ctl_commands[i].meaning, out);
    }
}

void help_all(FILE *out) {
    help_overview(out);
    for (size_t i = 0; i < ctl_command_count; i++) {
        fputs("\n----\n\n", out);
        help_command(&ctl_commands[i], out);
    }
}

/* Collects the first words of all commands, each once; or the second ones of a group. */
static size_t list_names(const char *group, const char **names, char (*texts)[GROUP]) {
    const size_t n = group ? strlen(group) : 0;
    size_t count = 0;
    for (size_t i = 0; i < ctl_command_count && count < NAMES_MOST; i++) {
        const char *name = ctl_commands[i].name;
        if (group && (strncmp(name, group, n) != 0 || name[n] != ' ')) continue;
        if (group) name += n + 1;
        char *text = texts[count];
        snprintf(text, GROUP, "%.*s", (int)strcspn(name, " "), name);
        if (!count || strcmp(texts[count - 1], text) != 0) names[count++] = text;
    }
    return count;
}

const char *help_nearest(const char *word) {
    static char texts[NAMES_MOST][GROUP];
    const char *names[NAMES_MOST];
    return name_nearest(word, names, list_names(NULL, names, texts));
}

static void print_list(const char *group, FILE *out) {
    char texts[NAMES_MOST][GROUP];
    const char *names[NAMES_MOST];
    const size_t n = list_names(group, names, texts);
    for (size_t i = 0; i < n; i++) fprintf(out, "%s%s", i ? " " : "", names[i]);
}

static void print_option_names(unsigned sets, FILE *out) {
    for (size_t i = 0; i < ctl_option_count; i++)
        if (ctl_options[i].sets & sets) fprintf(out, " --%s", ctl_options[i].name);
}

void help_completion(FILE *out) {
    char texts[NAMES_MOST][GROUP];
    const char *names[NAMES_MOST];
    const size_t n = list_names(NULL, names, texts);
    fputs("# Completion of gradctl for bash, written by \"gradctl completion bash\".\n"
          "_gradctl() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} list=\n"
          "    case $before in\n"
          "    -o | --output) list=\"json table\" ;;\n"
          "    --dtype) list=\"float32 float64 int32 int64 bool\" ;;\n"
          "    --method | -m) list=\"lbfgs slsqp mma ccsaq tnewton var2 trust_newton\" ;;\n"
          "    --unconnected) list=\"none zero\" ;;\n"
          "    --format) list=\"nested typed base64\" ;;\n"
          "    --mode) list=\"reverse forward\" ;;\n"
          "    --token-file | --cacert | --cert | --key)\n"
          "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
          "        return\n"
          "        ;;\n"
          "    esac\n"
          "    if [ -z \"$list\" ] && [ \"$COMP_CWORD\" = 1 ]; then\n        list=\"",
          out);
    print_list(NULL, out);
    fputs("\"\n    elif [ -z \"$list\" ] && [ \"$COMP_CWORD\" = 2 ] && [[ $word != -* ]]; then\n"
          "        case ${COMP_WORDS[1]} in\n",
          out);
    for (size_t i = 0; i < n; i++) {
        char inner[NAMES_MOST][GROUP];
        const char *ignored[NAMES_MOST];
        if (list_names(names[i], ignored, inner) == 0) continue;
        fprintf(out, "        %s) list=\"", names[i]);
        print_list(names[i], out);
        fputs("\" ;;\n", out);
    }
    fputs("        esac\n    fi\n    if [[ $word == -* ]]; then\n"
          "        case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n",
          out);
    for (size_t i = 0; i < ctl_command_count; i++) {
        const bool two = strchr(ctl_commands[i].name, ' ');
        fprintf(out, "        \"%s%s) list=\"", ctl_commands[i].name, two ? "\"" : " \"*");
        print_option_names(ctl_commands[i].sets | CTL_EVERY, out);
        fputs("\" ;;\n", out);
    }
    fputs("        esac\n    fi\n"
          "    if [ -n \"$list\" ]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$list\" -- \"$word\")\n"
          "    else\n"
          "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
          "    fi\n"
          "}\n"
          "complete -F _gradctl gradctl\n",
          out);
}
