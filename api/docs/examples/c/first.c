/* gradd from C, with its client. Usage: first [URL]
 * Build: cc first.c -o first $(pkg-config --cflags --libs gradd-client) */

#include <gradd/client.h>
#include <stdio.h>

/* A number of an answer; NaN where it is not there. */
static double number(struct gradd_answer *answer, const char *pointer) {
    double found = 0.0 / 0.0;
    gradd_answer_double(answer, pointer, &found);
    return found;
}

/* One slope of a tape that has recorded z. */
static double ask_tape(struct gradd_client *client, const char *session, const char *tape,
                       const char *source) {
    struct gradd_answer *answer = gradd_tape_gradient(
        client, session, tape,
        &(struct gradd_request){.target = "z", .sources = (const char *[]){source, NULL}});
    const double slope = number(answer, "/gradient/0");
    gradd_answer_free(answer);
    return slope;
}

int main(int argc, char **argv) {
    const struct gradd_options options = {.url = argc > 1 ? argv[1] : NULL};
    const char *reason;
    struct gradd_client *client = gradd_client_new(&options, &reason);
    if (!client) {
        fprintf(stderr, "%s\n", reason);
        return 1;
    }

    /* One request: the value of a graph and its gradient. */
    const char *graph = "z = (x1 + 5) * x2 ** 2";
    const struct gradd_binding variables[] = {
        {.name = "x1", .value.number = 2}, {.name = "x2", .value.number = 3}, {0}};
    struct gradd_answer *answer =
        gradd_gradient(client, &(struct gradd_request){.graph = graph, .variables = variables});
    printf("z = %.1f, dz/dx1 = %.1f, dz/dx2 = %.1f\n", number(answer, "/value"),
           number(answer, "/gradient/x1"), number(answer, "/gradient/x2"));
    gradd_answer_free(answer);

    /* A session keeps variables. A persistent tape in it answers as often as it is asked. */
    struct gradd_answer *created =
        gradd_session_create(client, &(struct gradd_request){.variables = variables});
    const char *session = gradd_answer_string(created, "/id");
    struct gradd_answer *opened = gradd_tape_open(
        client, session, &(struct gradd_request){.graph = graph, .persistent = true});
    const char *tape = gradd_answer_string(opened, "/tape");
    const double by_x1 = ask_tape(client, session, tape, "x1");
    printf("the tape, asked twice: %.1f and %.1f\n", by_x1, ask_tape(client, session, tape, "x2"));
    gradd_answer_free(gradd_session_delete(client, session));
    gradd_answer_free(opened);
    gradd_answer_free(created);

    /* A hundred steps of gradient descent are one request. */
    answer = gradd_minimize(client, &(struct gradd_request){
                                        .graph = "y = 3 * x ** 2 + 2 * x - 1",
                                        .variables = (struct gradd_binding[]){{.name = "x"}, {0}},
                                        .optimizer = "{\"name\": \"SGD\", \"learning_rate\": 0.1}",
                                        .steps = 100,
                                    });
    printf("after %.0f steps x = %.4f, y = %.4f\n", number(answer, "/steps"),
           number(answer, "/variables/x"), number(answer, "/loss"));
    gradd_answer_free(answer);

    /* What is refused says what was found and what was expected. */
    answer = gradd_gradient(client, &(struct gradd_request){
                                        .graph = "y = redcue_sum(x)",
                                        .variables = (struct gradd_binding[]){{.name = "x"}, {0}},
                                    });
    if (gradd_answer_status(answer) == GRADD_REFUSED) {
        const struct gradd_problem *problem = gradd_answer_problem(answer);
        printf("refused with %d %s: %s\n", problem->status, problem->code, problem->detail);
    }
    gradd_answer_free(answer);
    gradd_client_free(client);
}
