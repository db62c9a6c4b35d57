/* The command that makes a token. The token goes to whoever looks at the terminal, its line into the
 * file that standard output is; neither is kept here. */
#include <stdio.h>
#include <string.h>

#include "server/token_file.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int fail(const char *problem, int code) {
    fprintf(stderr, "gradd: %s\n", problem);
    return code;
}

int token_print(int n, char *const *arguments) {
    const char *tenant = n > 0 ? arguments[0] : "default",
               *scopes = n > 1 ? arguments[1] : "read,compute,sessions";
    char token[SECRET_TOKEN + 1], hex[SECRET_HEX + 1];
    struct secret_digest digest;
    unsigned bits;
    if (n > 2 || !tenant_name_is_good(tenant) || !scopes_parse(scopes, &bits))
        return fail("usage: gradd token [TENANT [SCOPES]] >>FILE, where SCOPES are some of "
                    "read,compute,sessions,admin",
                    EXIT_USAGE);
    if (!secret_new_token(token)) return fail("the system gave no random bytes", EXIT_FAILED);
    secret_digest(token, strlen(token), &digest);
    secret_write(&digest, hex);
    if (printf("token %s %s %s\n", hex, tenant, scopes) < 0 || fflush(stdout) != 0)
        return fail("cannot write the token's line", EXIT_FAILED);
    fprintf(stderr, "The token, which is shown this once: %s\n", token);
    return EXIT_DONE;
}
