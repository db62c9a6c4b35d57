/* Optimizers and schedules as they are sent and shown: every form, every refusal, and back again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/optimizer.h"
#include "ask.h"
#include "document.h"

static char answer[1 << 16];

static const char *finish(struct writer *out, const struct error *error, bool ok) {
    if (ok) {
        assert_false(out->full);
        snprintf(answer, sizeof answer, "%.*s", (int)out->length, out->data ? out->data : "");
    } else {
        snprintf(answer, sizeof answer, "%s: %s%s%s%s", error_name(error->code), error->detail,
                 *error->pointer ? " [" : "", error->pointer, *error->pointer ? "]" : "");
    }
    writer_free(out);
    return answer;
}

static void write_flat(struct writer *out, const struct optimizer_sent *sent) {
    write_text(out, "{");
    optimizer_write(out, &sent->config);
    write_text(out, "}");
}

/* The flat form of what is read, or the failure. */
static const char *flat_of(const char *text) {
    struct document d;
    struct optimizer_sent sent;
    struct error error = {0};
    struct writer out;
    document_open_valid(&d, text);
    writer_init(&out, sizeof answer - 1);
    const bool ok = optimizer_read(d.root, &d.arena, &sent, &error);
    if (ok) write_flat(&out, &sent);
    finish(&out, &error, ok);
    document_close(&d);
    return answer;
}

static const char *keras_of(const char *text) {
    struct document d;
    struct optimizer_sent sent;
    struct error error = {0};
    struct writer out;
    document_open_valid(&d, text);
    writer_init(&out, sizeof answer - 1);
    const bool ok = optimizer_read(d.root, &d.arena, &sent, &error);
    if (ok) optimizer_write_keras(&out, &sent.config);
    finish(&out, &error, ok);
    document_close(&d);
    return answer;
}
int main(void){
 static const char *t[]={"\"sgd\"","\"adam\"","{\"name\":\"Muon\"}","\"foo\"","{\"name\":\"adam\",\"lr\":1,\"beta_3\":[1,2.5,null,\"it's\"],\"foo\":{\"a\":true}}",
 "{\"name\":\"SGD\",\"learning_rate\":{\"name\":\"cosinedecay\",\"initial_learning_rate\":0.1,\"decay_steps\":1000}}", "{\"name\":\"LossScaleOptimizer\",\"inner_optimizer\":\"sgd\"}","{\"name\":\"MultiOptimizer\",\"optimizers\":[{\"variables\":\"a.*\",\"optimizer\":\"sgd\"},{\"optimizer\":\"adam\"}]}"};
 for(size_t i=0;i<sizeof t/sizeof*t;i++){ printf("%s\n",flat_of(t[i])); printf("%s\n",keras_of(t[i]));}
 return 0; }
