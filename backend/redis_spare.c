#include "backend/redis_spare.h"

#include "backend/base/mem.h"
#include "backend/redis_fault.h"
#include "backend/redis_script.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct spare {
    int db, home;
    void (*done)(void *context, struct redis_spare *sample, const char *error);
    void *context;
    struct redis_conn *conn;
    const struct redis_address *address;
    struct redis_spare *sample; /* of the poll that goes on */
    char *error;
};

/* ---- the marker ---- */

static bool take_number(const json_t *object, const char *name, double least, double *value)
{
    const json_t *member = json_object_get(object, name);

    *value = json_is_integer(member) ? (double)json_integer_value(member) : NAN;
    return *value >= least;
}

static bool take_marker(const json_t *object, struct redis_spare *spare)
{
    const char *by = json_string_value(json_object_get(object, "by"));
    double db, keys;

    if (!take_number(object, "db", 0, &db) || !take_number(object, "keys", 0, &keys) ||
        !take_number(object, "since", 0, &spare->since) ||
        !take_number(object, "until", 0, &spare->until) ||
        !json_is_string(json_object_get(object, "token")) || !by || db > 1e6 || keys > 1e15)
        return false;
    spare->db = (int)db;
    spare->keys = (int64_t)keys;
    spare->by = mem_strdup(by);
    spare->undone = json_is_true(json_object_get(object, "undone"));
    return true;
}

bool spare_parse(const char *text, size_t len, struct redis_spare *spare)
{
    json_t *object = json_loadb(text, len, 0, NULL);
    double since = spare->since, until = spare->until;

    spare->present =
        object && len < SPARE_MARKER_SIZE && !memchr(text, '\0', len) && take_marker(object, spare);
    json_decref(object);
    if (spare->present) {
        spare->marker = mem_strndup(text, len);
    } else {
        spare->since = since;
        spare->until = until;
    }
    return spare->present;
}

void spare_clear(struct redis_spare *spare)
{
    free(spare->by);
    free(spare->marker);
    spare->by = spare->marker = NULL;
    spare->present = false;
}

static void destroy_sample(struct sample *sample)
{
    struct redis_spare *spare = (struct redis_spare *)sample;

    spare_clear(spare);
    free(spare);
}

/* ---- polling ---- */

struct spare *spare_new(int db, int home,
                        void (*done)(void *context, struct redis_spare *sample, const char *error),
                        void *context)
{
    struct spare *spare = mem_zalloc(sizeof(*spare));

    spare->db = db;
    spare->home = home;
    spare->done = done;
    spare->context = context;
    return spare;
}

void spare_reset(struct spare *spare)
{
    sample_unref(spare->sample);
    spare->sample = NULL;
    free(spare->error);
    spare->error = NULL;
}

void spare_free(struct spare *spare)
{
    spare_reset(spare);
    free(spare);
}

/* The first error counts: after it the answers are another database's. */
static bool refused(struct spare *spare, const redisReply *reply, const char *command)
{
    struct redis_fault fault = {.error = ""};

    if (spare->error || reply->type != REDIS_REPLY_ERROR)
        return spare->error != NULL;
    if (memmem(reply->str, reply->len, "DB index", 8)) {
        spare->error = mem_printf("the server has no database %d: correct trash_db", spare->db);
        return true;
    }
    redis_fault_reply(reply->str, reply->len, command, spare->address, &fault);
    spare->error =
        fault.hint[0] ? mem_printf("%s: %s", fault.error, fault.hint) : mem_strdup(fault.error);
    return true;
}

static void on_select(void *context, const redisReply *reply, unsigned tag)
{
    (void)tag;
    refused(context, reply, "select");
}

static void on_marker(void *context, const redisReply *reply, unsigned tag)
{
    struct spare *spare = context;
    struct redis_own *own = redis_conn_own(spare->conn);

    (void)tag;
    /* A key of another type under this name is not ours. */
    if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "WRONGTYPE", 9) == 0)
        return;
    if (refused(spare, reply, "getrange") || reply->type != REDIS_REPLY_STRING)
        return;
    *(reply->len ? &own->hits : &own->misses) += 1;
    if (reply->len)
        spare_parse(reply->str, reply->len, spare->sample);
}

static void on_time(void *context, const redisReply *reply, unsigned tag)
{
    struct spare *spare = context;

    (void)tag;
    if (refused(spare, reply, "time"))
        return;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
        reply->element[0]->type == REDIS_REPLY_STRING)
        spare->sample->now = strtod(reply->element[0]->str, NULL);
    else
        spare->error = mem_strdup("the server does not tell its time (TIME)");
}

static void on_home(void *context, const redisReply *reply, unsigned tag)
{
    struct spare *spare = context;
    struct redis_spare *sample = spare->sample;
    char *error = spare->error;

    (void)tag;
    (void)reply;
    spare->sample = NULL;
    spare->error = NULL;
    if (error) {
        sample_unref(sample);
        sample = NULL;
    }
    spare->done(spare->context, sample, error);
    free(error);
}

void spare_poll(struct spare *spare, struct redis_conn *conn, const struct redis_address *address)
{
    char number[16], home[16], last[16];
    const char *select[] = {"SELECT", number}, *back[] = {"SELECT", home}, *time[] = {"TIME"};
    const char *get[] = {"GETRANGE", SPARE_MARKER, "0", last};

    snprintf(number, sizeof(number), "%d", spare->db);
    snprintf(home, sizeof(home), "%d", spare->home);
    snprintf(last, sizeof(last), "%d", SPARE_MARKER_SIZE - 1);
    spare->conn = conn;
    spare->address = address;
    spare->sample = mem_zalloc(sizeof(*spare->sample));
    spare->sample->sample = (struct sample){.refs = 1, .destroy = destroy_sample};
    spare->sample->spare = spare->db;
    redis_conn_command(conn, on_select, spare, 0, 2, select);
    redis_conn_command(conn, on_marker, spare, 0, 4, get);
    redis_conn_command(conn, on_time, spare, 0, 1, time);
    redis_conn_command(conn, on_home, spare, 0, 2, back);
}
