/* Optimizers as they are shown: the flat form, which optimizer_read reads to the same settings, and Keras'
 * serialised one. Knows no state. */
#include "api/optimizer_own.h"

static void write_name(struct writer *out, const char *name) {
    write_text(out, ",");
    write_string(out, name);
    write_text(out, ":");
}

static void write_setting(struct writer *out, const struct setting *s, double value) {
    write_name(out, s->name);
    setting_write(out, s, value);
}

static void write_texts(struct writer *out, const char *name, const char *const *texts, size_t n) {
    write_name(out, name);
    write_text(out, "[");
    for (size_t i = 0; i < n; i++) {
        if (i) write_text(out, ",");
        write_string(out, texts[i]);
    }
    write_text(out, "]");
}

/* Those that both forms have, each with a comma before it. */
static void write_settings(struct writer *out, const struct optimizer_config *c) {
    const struct optimizer *o = c->optimizer;
    for (size_t i = 0; i < COMMON_COUNT && !o->wraps; i++)
        write_setting(out, &optimizer_common[i], c->common[i]);
    for (size_t i = 0; o->settings[i].name; i++) write_setting(out, &o->settings[i], c->own[i]);
    if (o->excludes_layers)
        write_texts(out, "exclude_layers", c->exclude_layers, c->n_exclude_layers);
}

/* ---- flat ------------------------------------------------------------------------------------- */

static void write_object(struct writer *out, const struct optimizer_config *c) {
    write_text(out, "{");
    optimizer_write(out, c);
    write_text(out, "}");
}

static void write_parts(struct writer *out, const struct optimizer_config *c) {
    if (!is_multi(c->optimizer)) {
        write_name(out, "inner_optimizer");
        write_object(out, &c->parts->config);
        return;
    }
    write_name(out, "optimizers");
    for (size_t i = 0; i < c->n_parts; i++) {
        write_text(out, i ? ",{" : "[{");
        if (c->parts[i].pattern) {
            write_text(out, "\"variables\":");
            write_string(out, c->parts[i].pattern);
            write_text(out, ",");
        }
        write_text(out, "\"optimizer\":");
        write_object(out, &c->parts[i].config);
        write_text(out, "}");
    }
    write_text(out, "]");
}

void optimizer_write(struct writer *out, const struct optimizer_config *c) {
    write_text(out, "\"name\":");
    write_string(out, c->optimizer->name);
    if (c->name) {
        write_name(out, "instance_name");
        write_string(out, c->name);
    }
    if (!c->optimizer->wraps) {
        write_name(out, "learning_rate");
        if (c->schedule) {
            schedule_write(out, c->schedule);
        } else {
            write_double(out, c->learning_rate);
        }
    }
    write_settings(out, c);
    if (c->optimizer->wraps) {
        write_parts(out, c);
    } else {
        write_texts(out, "exclude_from_weight_decay", c->exclude_from_weight_decay,
                    c->n_exclude_from_weight_decay);
    }
}

/* ---- Keras' ----------------------------------------------------------------------------------- */

/* A MultiOptimizer's loss_scale_factor is that of all its parts. */
static void write_keras_part(struct writer *out, const struct optimizer_config *outer,
                             const struct optimizer_part *part) {
    struct optimizer_config c = part->config;
    c.common[COMMON_LOSS_SCALE_FACTOR] = parts_loss_scale(outer);
    optimizer_write_keras(out, &c);
}

static void write_keras_map(struct writer *out, const struct optimizer_config *c) {
    const struct optimizer_part *others = c->parts; /* one of them has no pattern */
    bool any = false;
    write_name(out, "optimizer_map");
    write_text(out, "{\"module\":\"keras.optimizers\",\"class_name\":\"OptimizerMap\","
                    "\"config\":{\"optimizer_map\":{");
    for (size_t i = 0; i < c->n_parts; i++) {
        if (!c->parts[i].pattern) {
            others = &c->parts[i];
            continue;
        }
        if (any) write_text(out, ",");
        any = true;
        write_string(out, c->parts[i].pattern);
        write_text(out, ":");
        write_keras_part(out, c, &c->parts[i]);
    }
    write_text(out, "},\"default_optimizer\":");
    write_keras_part(out, c, others);
    write_text(out, "},\"registered_name\":null}");
}

/* Keras keeps the learning rate in float32. */
static void write_keras_rate(struct writer *out, const struct optimizer_config *c) {
    write_name(out, "learning_rate");
    if (c->schedule) {
        schedule_write_keras(out, c->schedule);
    } else {
        write_double(out, (double)(float)c->learning_rate);
    }
}

void optimizer_write_keras(struct writer *out, const struct optimizer_config *c) {
    char snake[SNAKE];
    write_text(out, "{\"module\":\"keras.optimizers\",\"class_name\":");
    write_string(out, c->optimizer->name);
    write_text(out, ",\"config\":{\"name\":");
    write_string(out, c->name ? c->name : snake_case(c->optimizer->name, snake));
    if (!c->optimizer->wraps) write_keras_rate(out, c);
    write_settings(out, c);
    if (is_multi(c->optimizer)) {
        write_keras_map(out, c);
    } else if (c->optimizer->wraps) {
        write_name(out, "inner_optimizer");
        optimizer_write_keras(out, &c->parts->config);
    }
    write_text(out, "},\"registered_name\":null}");
}
