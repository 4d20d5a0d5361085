/* Lists of the acting sub-commands: jobs and the record of acts. */
#include "panels/act_run_impl.h"

#include "backend/audit.h"
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/plan.h"
#include "tui/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define AUDIT_MOST 1000

void act_print_text(FILE *out, const char *text)
{
    char *clean = text_clean(text, true);

    fputs(clean, out);
    free(clean);
}

void act_print_json(FILE *out, json_t *value)
{
    json_dumpf(value, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(value);
}

/* ---- jobs ---- */

static json_t *number_json(double value)
{
    return isnan(value) || value < 0 ? json_null() : json_real(value);
}

json_t *job_json(const struct job_info *job)
{
    json_t *object = json_object();

    json_object_set_new(object, "id", json_bytes(job->id));
    json_object_set_new(object, "act", json_string(act_name(job->act)));
    json_object_set_new(object, "state", json_string(job_state_text(job->state)));
    json_object_set_new(object, "instance", json_bytes(job->instance));
    json_object_set_new(object, "target", json_bytes(job->target));
    json_object_set_new(object, "phase", json_bytes(job->phase));
    json_object_set_new(object, "result", json_bytes(job->result));
    json_object_set_new(object, "file", json_bytes(job->file));
    json_object_set_new(object, "made", json_bytes(job->made));
    json_object_set_new(object, "offer", json_bytes(job->offer));
    json_object_set_new(object, "started", number_json(job->started));
    json_object_set_new(object, "ended", number_json(job->ended));
    json_object_set_new(object, "bytes", number_json(job->bytes));
    json_object_set_new(object, "bytes_total", number_json(job->bytes_total));
    json_object_set_new(object, "items", number_json(job->items));
    json_object_set_new(object, "items_total", number_json(job->items_total));
    return object;
}

static void add_amount(struct strbuf *text, double done, double total, bool bytes)
{
    char one[TEXT_UNIT_SIZE], other[TEXT_UNIT_SIZE];

    if (isnan(done) || done < 0)
        return;
    strbuf_addf(text, "  %s", bytes ? text_bytes(one, done) : text_count(one, done));
    if (isnan(total) || total <= 0)
        return;
    strbuf_addf(text, bytes ? " of ~%s" : " of %s",
                bytes ? text_bytes(other, total) : text_count(other, total));
}

char *job_progress_text(const struct job_info *job)
{
    struct strbuf text = {0};

    strbuf_adds(&text, job->phase ? job->phase : job_state_text(job->state));
    add_amount(&text, job->bytes, job->bytes_total, true);
    add_amount(&text, job->items, job->items_total, false);
    return strbuf_take(&text);
}

/* One line, whatever names hold. */
static void print_line(FILE *out, const char *text)
{
    char *clean = text_clean(text, false);

    fprintf(out, "%s\n", clean);
    free(clean);
}

static void print_job(const struct job_info *job, FILE *out)
{
    char *progress = job_state_ended(job->state) ? NULL : job_progress_text(job);
    char *line =
        mem_printf("%-28s %-10s %-9s %-24s %s", job->id ? job->id : "-", act_name(job->act),
                   job_state_text(job->state), job->target ? job->target : "-",
                   progress      ? progress
                   : job->result ? job->result
                                 : "-");

    print_line(out, line);
    free(progress);
    free(line);
}

void job_print_list(const struct job_list *list, bool json, FILE *out)
{
    if (json) {
        json_t *array = json_array();

        for (size_t i = 0; i < list->count; i++)
            json_array_append_new(array, job_json(&list->items[i]));
        act_print_json(out, array);
        return;
    }
    if (!list->count)
        fputs("no jobs\n", out);
    for (size_t i = 0; i < list->count; i++)
        print_job(&list->items[i], out);
}

/* ---- audit ---- */

static json_t *entry_json(const struct audit_entry *entry)
{
    json_t *object = json_object();

    json_object_set_new(object, "time", json_bytes(entry->time));
    json_object_set_new(object, "id", json_bytes(entry->id));
    json_object_set_new(object, "user", json_bytes(entry->user));
    json_object_set_new(object, "host", json_bytes(entry->host));
    json_object_set_new(object, "act", json_bytes(entry->act));
    json_object_set_new(object, "instance", json_bytes(entry->instance));
    json_object_set_new(object, "target", json_bytes(entry->target));
    json_object_set_new(object, "environment", json_bytes(entry->environment));
    json_object_set_new(object, "command", json_bytes(entry->command));
    json_object_set_new(object, "status", json_bytes(entry->status));
    json_object_set_new(object, "outcome", json_bytes(entry->outcome));
    return object;
}

static const char *or_dash(const char *text)
{
    return text ? text : "-";
}

static void print_entry(const struct audit_entry *entry, FILE *out)
{
    char *line = mem_printf("%-24s %-10s %-10s %s/%s (%s): %s%s%s", or_dash(entry->time),
                            or_dash(entry->user), or_dash(entry->act), or_dash(entry->instance),
                            or_dash(entry->target), or_dash(entry->environment),
                            entry->status ? entry->status : "no outcome on record",
                            entry->outcome ? ": " : "", entry->outcome ? entry->outcome : "");

    print_line(out, line);
    free(line);
}

static void print_entries(const struct audit_entries *entries, bool json, FILE *out)
{
    json_t *array = json_array();

    for (size_t i = 0; i < entries->count; i++) {
        if (json)
            json_array_append_new(array, entry_json(&entries->items[i]));
        else
            print_entry(&entries->items[i], out);
    }
    if (json)
        act_print_json(out, array);
    else
        json_decref(array);
    if (entries->unreadable)
        fprintf(stderr, "sharedtop: %zu lines of the audit file are no records\n",
                entries->unreadable);
}

enum act_run_status act_run_audit(const struct config *config, bool json, FILE *out)
{
    struct audit_entries entries = {0};
    char *error = NULL, *path = audit_path(config, &error);
    enum act_run_status status = ACT_RUN_DONE;

    if (!path || !audit_read(path, AUDIT_MOST, &entries, &error)) {
        fprintf(stderr, "sharedtop: %s\n", error);
        status = ACT_RUN_FAILED;
    } else {
        print_entries(&entries, json, out);
        if (!entries.count && !json)
            fprintf(out, "no act is on record in %s\n", path);
    }
    audit_entries_free(&entries);
    free(error);
    free(path);
    return status;
}
