#include "backend/plan.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const part_names[] = {
    [PLAN_COMMAND] = "commands",
    [PLAN_EVIDENCE] = "evidence",
    [PLAN_LOSS] = "losses",
    [PLAN_WARNING] = "warnings",
};

void plan_add(struct plan *plan, enum plan_part part, const char *label, const char *format, ...)
{
    struct plan_line *line;
    va_list args;

    plan->lines = mem_array(plan->lines, plan->count + 1, sizeof(*plan->lines));
    line = &plan->lines[plan->count++];
    line->part = part;
    line->label = mem_strdup(label);
    va_start(args, format);
    line->text = mem_vprintf(format, args);
    va_end(args);
}

void plan_veto(struct plan *plan, enum veto veto, const char *detail)
{
    plan->vetoes |= veto;
    plan_add(plan, PLAN_WARNING, "", "%s%s%s", veto_text(veto), detail ? ": " : "",
             detail ? detail : "");
}

/* ---- JSON ---- */

/* The length of the UTF-8 character at s, or 0 if there is none. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
    const size_t len = s[0] < 0x80   ? 1
                       : s[0] < 0xC2 ? 0
                       : s[0] < 0xE0 ? 2
                       : s[0] < 0xF0 ? 3
                       : s[0] < 0xF5 ? 4
                                     : 0;

    if (!len || len > left)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    }
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return len;
}

json_t *json_bytes(const char *text)
{
    struct strbuf clean = {0};
    size_t left = text ? strlen(text) : 0;
    json_t *string;

    if (!text)
        return json_null();
    for (const char *s = text; left;) {
        size_t len = utf8_len((const unsigned char *)s, left);

        if (len)
            strbuf_add(&clean, s, len);
        else
            strbuf_adds(&clean, "\xEF\xBF\xBD");
        s += len ? len : 1;
        left -= len ? len : 1;
    }
    string = json_stringn(clean.s ? clean.s : "", clean.len);
    strbuf_free(&clean);
    return string;
}

/* Commands and losses are strings; what has a label is an object. */
static json_t *part_json(const struct plan *plan, enum plan_part part)
{
    json_t *array = json_array();

    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_line *line = &plan->lines[i];

        if (line->part != part)
            continue;
        if (part == PLAN_EVIDENCE) {
            json_t *object = json_object();

            json_object_set_new(object, "label", json_bytes(line->label));
            json_object_set_new(object, "text", json_bytes(line->text));
            json_array_append_new(array, object);
        } else {
            json_array_append_new(array, json_bytes(line->text));
        }
    }
    return array;
}

json_t *plan_json(const struct plan *plan)
{
    static const char *const asks[] = {
        [POLICY_YES] = "yes", [POLICY_NAME] = "name", [POLICY_REFUSED] = "refused"};
    json_t *object = json_object();

    json_object_set_new(object, "act", json_string(act_name(plan->act)));
    json_object_set_new(object, "title", json_bytes(plan->title));
    json_object_set_new(object, "instance", json_bytes(plan->instance));
    json_object_set_new(object, "address", json_bytes(plan->address));
    json_object_set_new(object, "environment", json_string(environment_name(plan->environment)));
    json_object_set_new(object, "target", json_bytes(plan->target));
    for (enum plan_part part = PLAN_COMMAND; part <= PLAN_WARNING; part++)
        json_object_set_new(object, part_names[part], part_json(plan, part));
    json_object_set_new(object, "asks", json_string(asks[plan->verdict.ask]));
    json_object_set_new(object, "confirm", json_bytes(plan->confirm));
    json_object_set_new(object, "reason", json_bytes(plan->verdict.reason));
    return object;
}

/* ---- text ---- */

static void add_part(const struct plan *plan, enum plan_part part, const char *heading,
                     struct strbuf *text)
{
    bool first = true;

    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_line *line = &plan->lines[i];

        if (line->part != part)
            continue;
        if (first)
            strbuf_addf(text, "%s%s\n", text->len ? "\n" : "", heading);
        first = false;
        if (line->label[0])
            strbuf_addf(text, "  %-14s %s\n", line->label, line->text);
        else
            strbuf_addf(text, "  %s\n", line->text);
    }
}

char *plan_text(const struct plan *plan)
{
    struct strbuf text = {0};

    strbuf_addf(&text, "%s (%s), %s, %s\n", plan->instance ? plan->instance : "-",
                plan->address ? plan->address : "address unknown",
                plan->target ? plan->target : "-", environment_name(plan->environment));
    add_part(plan, PLAN_LOSS, "What will be lost", &text);
    add_part(plan, PLAN_WARNING, "Warnings", &text);
    add_part(plan, PLAN_COMMAND, "What will run", &text);
    add_part(plan, PLAN_EVIDENCE, "Evidence", &text);
    return strbuf_take(&text);
}

void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        free(plan->lines[i].label);
        free(plan->lines[i].text);
    }
    free(plan->lines);
    free(plan->title);
    free(plan->instance);
    free(plan->address);
    free(plan->target);
    free(plan->confirm);
    *plan = (struct plan){0};
}
