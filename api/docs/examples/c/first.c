/* gradd from C, with libcurl and cJSON. Usage: first [URL]
 * Build: cc first.c -o first $(pkg-config --cflags --libs libcurl libcjson) */

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
    char *bytes;
    size_t length;
};

static size_t take(char *bytes, size_t size, size_t count, void *to) {
    struct text *text = to;
    char *longer = realloc(text->bytes, text->length + size * count + 1);
    if (!longer) return 0;
    memcpy(longer + text->length, bytes, size * count);
    text->bytes = longer;
    text->length += size * count;
    longer[text->length] = '\0';
    return size * count;
}

static CURL *curl;
static const char *gradd = "http://127.0.0.1:8080";

/* Sends one request and returns its answer, which is the caller's to cJSON_Delete; NULL where it has no body.
 * What gradd refuses (application/problem+json, RFC 9457) has a "code". */
static cJSON *ask(const char *method, const char *path, const char *body) {
    char url[512];
    struct text text = {0};
    snprintf(url, sizeof url, "%s%s", gradd, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &text);
    CURLcode status = curl_easy_perform(curl);
    if (status != CURLE_OK) {
        fprintf(stderr, "%s: %s\n", url, curl_easy_strerror(status));
        exit(1);
    }
    cJSON *answer = text.bytes ? cJSON_Parse(text.bytes) : NULL;
    free(text.bytes);
    return answer;
}

/* What stands under a name; of a name that is not there the number is NaN and the string NULL. */
#define MEMBER(object, name) cJSON_GetObjectItemCaseSensitive(object, name)
#define NUMBER(object, name) cJSON_GetNumberValue(MEMBER(object, name))
#define STRING(object, name) cJSON_GetStringValue(MEMBER(object, name))

int main(int argc, char **argv) {
    char session[128], path[256];
    if (argc > 1) gradd = argv[1];
    curl_global_init(CURL_GLOBAL_DEFAULT);
    curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);

    /* One request: the value of a graph and its gradient. */
    cJSON *answer =
        ask("POST", "/v1/gradient",
            "{\"graph\": \"z = (x1 + 5) * x2 ** 2\", \"variables\": {\"x1\": 2.0, \"x2\": 3.0}}");
    const cJSON *gradient = MEMBER(answer, "gradient");
    printf("z = %.1f, dz/dx1 = %.1f, dz/dx2 = %.1f\n", NUMBER(answer, "value"),
           NUMBER(gradient, "x1"), NUMBER(gradient, "x2"));
    cJSON_Delete(answer);

    /* A session keeps variables. A persistent tape in it answers as often as it is asked. */
    answer = ask("POST", "/v1/sessions", "{\"variables\": {\"x1\": 2.0, \"x2\": 3.0}}");
    snprintf(session, sizeof session, "/v1/sessions/%s", STRING(answer, "id"));
    cJSON_Delete(answer);
    snprintf(path, sizeof path, "%s/tapes", session);
    answer = ask("POST", path, "{\"graph\": \"z = (x1 + 5) * x2 ** 2\", \"persistent\": true}");
    snprintf(path, sizeof path, "%s/tapes/%s/gradient", session, STRING(answer, "tape"));
    cJSON_Delete(answer);
    cJSON *by_x1 = ask("POST", path, "{\"target\": \"z\", \"sources\": \"x1\"}");
    cJSON *by_x2 = ask("POST", path, "{\"target\": \"z\", \"sources\": \"x2\"}");
    printf("the tape, asked twice: %.1f and %.1f\n", NUMBER(by_x1, "gradient"),
           NUMBER(by_x2, "gradient"));
    cJSON_Delete(by_x1);
    cJSON_Delete(by_x2);
    cJSON_Delete(ask("DELETE", session, NULL));

    /* A hundred steps of gradient descent are one request. */
    answer = ask(
        "POST", "/v1/minimize",
        "{\"graph\": \"y = 3 * x ** 2 + 2 * x - 1\", \"variables\": {\"x\": 0.0}, \"steps\": 100,"
        " \"optimizer\": {\"name\": \"SGD\", \"learning_rate\": 0.1}}");
    printf("after %.0f steps x = %.4f, y = %.4f\n", NUMBER(answer, "steps"),
           NUMBER(MEMBER(answer, "variables"), "x"), NUMBER(answer, "loss"));
    cJSON_Delete(answer);

    /* What is refused says what was found and what was expected. */
    answer = ask("POST", "/v1/gradient",
                 "{\"graph\": \"y = redcue_sum(x)\", \"variables\": {\"x\": [1, 2]}}");
    if (STRING(answer, "code")) {
        printf("refused with %.0f %s: %s\n", NUMBER(answer, "status"), STRING(answer, "code"),
               STRING(answer, "detail"));
    }
    cJSON_Delete(answer);

    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    curl_global_cleanup();
}
