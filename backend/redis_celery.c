#include "backend/redis_celery.h"

#include "backend/base/mem.h"
#include "backend/redis_fault.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEPARATOR "\x06\x16"
#define BINDING   "_kombu.binding."

enum {
    STEPS = 4,            /* of priority: kombu's default */
    SEARCH_MS = 60000,    /* between two searches for queues */
    SEARCH_COUNT = 1000,  /* keys a SCAN looks at */
    SEARCH_SCANS = 4,     /* of them a poll, at most */
    MEMBERS_COUNT = 500,  /* of a binding, at most */
    QUEUES_MAX = 200,     /* of a database */
    STUCK_SECONDS = 3600, /* kombu's default visibility timeout */
};

struct queue {
    char *name;
    int64_t depth;
    bool found; /* in the search that goes on */
};

struct db {
    struct celery *celery;
    int number;
    struct queue *queues; /* in the order they were found; the first is "celery", always */
    size_t queue_count;
    char cursor[24];    /* of the search that goes on; "0": none does */
    bool searched;      /* a search has ended: queues that it has not found can go */
    uint64_t search_at; /* when the next one begins */
    unsigned scans;     /* left in this poll */
    bool refused;       /* SELECT was: what follows went to another database */
    int64_t in_flight, stuck;
    char *error;
};

struct celery {
    void (*done)(void *context, struct redis_celery *sample);
    void *context;
    struct db *dbs;
    size_t db_count;
    size_t pending; /* answers; 0: no poll goes on */
    struct redis_conn *conn;
    const struct redis_address *address;
};

static const char *const steps[STEPS] = {"", SEPARATOR "3", SEPARATOR "6", SEPARATOR "9"};

/* ---- names ---- */

static bool begins(const char *text, size_t len, const char *with)
{
    size_t n = strlen(with);

    return len >= n && memcmp(text, with, n) == 0;
}

static bool holds(const char *text, size_t len, const char *part)
{
    return memmem(text, len, part, strlen(part)) != NULL;
}

bool celery_binding_key(const char *key, size_t len)
{
    return begins(key, len, BINDING) && !holds(key, len, "pidbox") && !holds(key, len, "celeryev");
}

bool celery_binding_queue(const char *member, size_t len, const char **queue, size_t *queue_len)
{
    const char *end = member + len;

    for (int i = 0; i < 2; i++) {
        const char *at = memmem(member, (size_t)(end - member), SEPARATOR, 2);

        if (!at)
            return false;
        member = at + 2;
    }
    *queue = member;
    *queue_len = (size_t)(end - member);
    return *queue_len > 0 && !memchr(member, '\0', *queue_len) &&
           !memmem(member, *queue_len, SEPARATOR, 2);
}

/* ---- queues of a database ---- */

/* True: it is new. */
static bool add_queue(struct db *db, const char *name, size_t len)
{
    for (size_t i = 0; i < db->queue_count; i++) {
        struct queue *queue = &db->queues[i];

        if (strlen(queue->name) == len && memcmp(queue->name, name, len) == 0) {
            queue->found = true;
            return false;
        }
    }
    if (db->queue_count == QUEUES_MAX)
        return false;
    db->queues = mem_array(db->queues, db->queue_count + 1, sizeof(*db->queues));
    db->queues[db->queue_count++] = (struct queue){.name = mem_strndup(name, len), .found = true};
    return true;
}

/* At the end of a whole search: what it has not found is gone. */
static void drop_lost_queues(struct db *db)
{
    size_t kept = 1;

    for (size_t i = 1; i < db->queue_count; i++) {
        struct queue *queue = &db->queues[i];

        if (queue->found)
            db->queues[kept++] = *queue;
        else
            free(queue->name);
    }
    db->queue_count = kept;
}

struct celery *celery_new(const struct redis_config *config,
                          void (*done)(void *context, struct redis_celery *sample), void *context)
{
    struct celery *celery = mem_zalloc(sizeof(*celery));

    celery->done = done;
    celery->context = context;
    celery->dbs = mem_array(NULL, config->database_count, sizeof(*celery->dbs));
    for (size_t i = 0; i < config->database_count; i++) {
        struct db *db = &celery->dbs[celery->db_count];

        if (!config->databases[i].celery)
            continue;
        *db = (struct db){.celery = celery, .number = config->databases[i].db, .cursor = "0"};
        add_queue(db, "celery", strlen("celery"));
        celery->db_count++;
    }
    return celery;
}

void celery_free(struct celery *celery)
{
    for (size_t i = 0; i < celery->db_count; i++) {
        struct db *db = &celery->dbs[i];

        for (size_t j = 0; j < db->queue_count; j++)
            free(db->queues[j].name);
        free(db->queues);
        free(db->error);
    }
    free(celery->dbs);
    free(celery);
}

void celery_reset(struct celery *celery)
{
    celery->pending = 0;
    for (size_t i = 0; i < celery->db_count; i++) {
        memcpy(celery->dbs[i].cursor, "0", 2);
        celery->dbs[i].searched = false;
        celery->dbs[i].search_at = 0;
    }
}

/* ---- the sample ---- */

static void destroy_sample(struct sample *sample)
{
    struct redis_celery *celery = (struct redis_celery *)sample;

    for (size_t i = 0; i < celery->queue_count; i++)
        free(celery->queues[i].name);
    for (size_t i = 0; i < celery->db_count; i++)
        free(celery->dbs[i].error);
    free(celery->queues);
    free(celery->dbs);
    free(celery);
}

static int compare_queues(const void *a, const void *b)
{
    const struct celery_queue *left = a, *right = b;

    return strcmp(left->name, right->name);
}

static void copy_db(struct redis_celery *sample, const struct db *db)
{
    struct celery_db *to = &sample->dbs[sample->db_count++];
    struct celery_queue *first = &sample->queues[sample->queue_count];
    int64_t depth = 0;

    for (size_t i = 0; !db->error && i < db->queue_count; i++) {
        sample->queues[sample->queue_count++] = (struct celery_queue){
            .db = db->number, .name = mem_strdup(db->queues[i].name), .depth = db->queues[i].depth};
        depth += db->queues[i].depth;
    }
    qsort(first, (size_t)(&sample->queues[sample->queue_count] - first), sizeof(*first),
          compare_queues);
    *to = (struct celery_db){.db = db->number,
                             .depth = db->error ? -1 : depth,
                             .in_flight = db->error ? -1 : db->in_flight,
                             .stuck = db->error ? -1 : db->stuck,
                             .error = mem_strdup(db->error)};
}

static void publish(struct celery *celery)
{
    struct redis_celery *sample = mem_zalloc(sizeof(*sample));
    size_t queues = 0;

    for (size_t i = 0; i < celery->db_count; i++)
        queues += celery->dbs[i].queue_count;
    sample->sample = (struct sample){.refs = 1, .destroy = destroy_sample};
    sample->dbs = mem_array(NULL, celery->db_count, sizeof(*sample->dbs));
    sample->queues = mem_array(NULL, queues, sizeof(*sample->queues));
    for (size_t i = 0; i < celery->db_count; i++)
        copy_db(sample, &celery->dbs[i]);
    celery->done(celery->context, sample);
}

/* ---- asking ---- */

static void ask(struct db *db, redis_reply_fn *fn, unsigned tag, int argc, const char **argv)
{
    db->celery->pending++;
    redis_conn_command(db->celery->conn, fn, db, tag, argc, argv);
}

/* The last thing in every answer's function. */
static void answered(struct celery *celery)
{
    if (--celery->pending == 0)
        publish(celery);
}

static void set_error(struct db *db, const redisReply *reply, const char *command)
{
    struct redis_fault fault = {.error = ""};

    if (db->error)
        return;
    if (begins(reply->str, reply->len, "WRONGTYPE")) {
        db->error = mem_strdup("a key that has a name of Celery's is of another type: is this "
                               "database a broker? (celery = true in databases)");
        return;
    }
    redis_fault_reply(reply->str, reply->len, command, db->celery->address, &fault);
    db->error =
        fault.hint[0] ? mem_printf("%s: %s", fault.error, fault.hint) : mem_strdup(fault.error);
}

/* The number in an answer; false: none, since an error is noted or the database is another one. */
static bool take_integer(struct db *db, const redisReply *reply, const char *command,
                         int64_t *value)
{
    if (db->refused)
        return false;
    if (reply->type == REDIS_REPLY_ERROR)
        set_error(db, reply, command);
    else if (reply->type == REDIS_REPLY_INTEGER)
        *value = reply->integer;
    return reply->type == REDIS_REPLY_INTEGER;
}

/* Looking a key up counts as a hit or a miss on the server. */
static void count_lookup(struct celery *celery, bool hit)
{
    struct redis_own *own = redis_conn_own(celery->conn);

    *(hit ? &own->hits : &own->misses) += 1;
}

static void on_select(void *context, const redisReply *reply, unsigned tag)
{
    struct db *db = context;

    (void)tag;
    if (reply->type == REDIS_REPLY_ERROR) {
        db->refused = true;
        if (begins(reply->str, reply->len, "ERR DB index") ||
            begins(reply->str, reply->len, "ERR invalid DB"))
            db->error = mem_printf("the server has no database %d (see databases in redis.conf)",
                                   db->number);
        set_error(db, reply, "select");
    }
    answered(db->celery);
}

/* tag: the queue */
static void on_length(void *context, const redisReply *reply, unsigned tag)
{
    struct db *db = context;
    int64_t length = 0;

    if (take_integer(db, reply, "llen", &length)) {
        count_lookup(db->celery, length > 0);
        db->queues[tag].depth += length;
    }
    answered(db->celery);
}

static void on_in_flight(void *context, const redisReply *reply, unsigned tag)
{
    struct db *db = context;

    (void)tag;
    if (take_integer(db, reply, "hlen", &db->in_flight))
        count_lookup(db->celery, db->in_flight > 0);
    answered(db->celery);
}

static void on_stuck(void *context, const redisReply *reply, unsigned tag)
{
    struct db *db = context;

    (void)tag;
    /* kombu fills and empties both keys together. */
    if (take_integer(db, reply, "zcount", &db->stuck))
        count_lookup(db->celery, db->in_flight > 0);
    answered(db->celery);
}

static void ask_select(struct db *db)
{
    char number[16];
    const char *argv[] = {"SELECT", number};

    snprintf(number, sizeof(number), "%d", db->number);
    ask(db, on_select, 0, 2, argv);
}

static void ask_lengths(struct db *db, unsigned index)
{
    char *key;
    const char *argv[] = {"LLEN", NULL};

    for (size_t i = 0; i < STEPS; i++) {
        key = mem_printf("%s%s", db->queues[index].name, steps[i]);
        argv[1] = key;
        ask(db, on_length, index, 2, argv);
        free(key);
    }
    db->queues[index].depth = 0;
}

static void ask_in_flight(struct db *db, double now)
{
    char before[32];
    const char *hlen[] = {"HLEN", "unacked"};
    const char *zcount[] = {"ZCOUNT", "unacked_index", "0", before};

    snprintf(before, sizeof(before), "%.0f", now - STUCK_SECONDS);
    ask(db, on_in_flight, 0, 2, hlen);
    ask(db, on_stuck, 0, 4, zcount);
}

/* ---- the search for queues ---- */

static void ask_scan(struct db *db);

static const redisReply *element(const redisReply *array, size_t i, int type)
{
    if (array->type != REDIS_REPLY_ARRAY || i >= array->elements || array->element[i]->type != type)
        return NULL;
    return array->element[i];
}

/* Members of a binding: each new queue is asked for in the same poll. */
static void on_members(void *context, const redisReply *reply, unsigned tag)
{
    struct db *db = context;
    const redisReply *members = element(reply, 1, REDIS_REPLY_ARRAY);
    bool selected = false;

    (void)tag;
    for (size_t i = 0; members && i < members->elements; i++) {
        const redisReply *member = element(members, i, REDIS_REPLY_STRING);
        const char *queue;
        size_t len;

        if (!member || !celery_binding_queue(member->str, member->len, &queue, &len) ||
            !add_queue(db, queue, len))
            continue;
        if (!selected)
            ask_select(db);
        selected = true;
        ask_lengths(db, (unsigned)db->queue_count - 1);
    }
    if (members)
        count_lookup(db->celery, true);
    if (reply->type == REDIS_REPLY_ERROR)
        set_error(db, reply, "sscan");
    answered(db->celery);
}

static void ask_members(struct db *db, const char *key)
{
    char count[16];
    const char *argv[] = {"SSCAN", key, "0", "COUNT", count};

    snprintf(count, sizeof(count), "%d", MEMBERS_COUNT);
    ask(db, on_members, 0, 5, argv);
}

/* The cursor that a SCAN gives; anything else ends the search. */
static void take_cursor(struct db *db, const redisReply *cursor)
{
    bool good = cursor && cursor->len > 0 && cursor->len < sizeof(db->cursor) &&
                strspn(cursor->str, "0123456789") == cursor->len;

    snprintf(db->cursor, sizeof(db->cursor), "%s", good ? cursor->str : "0");
    db->searched = good && strcmp(db->cursor, "0") == 0;
}

static void on_scan(void *context, const redisReply *reply, unsigned tag)
{
    struct db *db = context;
    const redisReply *keys = element(reply, 1, REDIS_REPLY_ARRAY);
    bool selected = false;

    (void)tag;
    if (reply->type == REDIS_REPLY_ERROR && !db->refused)
        set_error(db, reply, "scan");
    take_cursor(db, db->refused ? NULL : element(reply, 0, REDIS_REPLY_STRING));
    for (size_t i = 0; !db->refused && keys && i < keys->elements; i++) {
        const redisReply *key = element(keys, i, REDIS_REPLY_STRING);

        if (!key || strlen(key->str) != key->len || !celery_binding_key(key->str, key->len))
            continue;
        if (!selected)
            ask_select(db);
        selected = true;
        ask_members(db, key->str);
    }
    if (strcmp(db->cursor, "0") != 0 && db->scans > 0) {
        ask_select(db);
        ask_scan(db);
    }
    answered(db->celery);
}

static void ask_scan(struct db *db)
{
    static const char pattern[] = BINDING "*";
    char count[16];
    const char *argv[] = {"SCAN", db->cursor, "MATCH", pattern, "COUNT", count};

    snprintf(count, sizeof(count), "%d", SEARCH_COUNT);
    db->scans--;
    ask(db, on_scan, 0, 6, argv);
}

/* Begins a search when one is due, or goes on with the one that has begun. */
static void search(struct db *db, uint64_t ms)
{
    if (strcmp(db->cursor, "0") == 0) {
        if (db->search_at > ms)
            return;
        db->search_at = ms + SEARCH_MS;
        for (size_t i = 0; i < db->queue_count; i++)
            db->queues[i].found = false;
    }
    db->scans = SEARCH_SCANS;
    ask_scan(db);
}

static void poll_db(struct db *db, double now, uint64_t ms)
{
    free(db->error);
    db->error = NULL;
    db->refused = false;
    if (db->searched)
        drop_lost_queues(db);
    db->searched = false;
    ask_select(db);
    for (size_t i = 0; i < db->queue_count; i++)
        ask_lengths(db, (unsigned)i);
    ask_in_flight(db, now);
    search(db, ms);
}

void celery_poll(struct celery *celery, struct redis_conn *conn,
                 const struct redis_address *address, double now, uint64_t ms)
{
    assert(celery->pending == 0);
    celery->conn = conn;
    celery->address = address;
    if (celery->db_count == 0)
        publish(celery);
    for (size_t i = 0; i < celery->db_count; i++)
        poll_db(&celery->dbs[i], now, ms);
}
