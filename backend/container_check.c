#include "backend/container_check.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { RESTARTS_MANY = 3, MAXMEMORY_PERCENT = 75, MAJOR_LEAST = 9, MAJOR_MOST = 99 };

#define MIB (INT64_C(1) << 20)

static bool runs(const struct container *facts)
{
    return facts->state == CONTAINER_RUNNING || facts->state == CONTAINER_PAUSED;
}

/* ---- the command ---- */

static bool is_on(const char *value)
{
    return value && *value && strcasecmp(value, "no") != 0;
}

/* The word after an option, or NULL. */
static const char *option_value(const struct container *facts, const char *option)
{
    for (char *const *word = facts->command; word && *word; word++)
        if (strcmp(*word, option) == 0)
            return word[1];
    return NULL;
}

/* The last --option, as redis-server takes it, be it in a shell's script. */
static bool redis_option(const struct container *facts, const char *option, char *value,
                         size_t size)
{
    const size_t len = strlen(option);
    bool found = false;

    for (char *const *word = facts->command; word && *word; word++) {
        const char *at = *word;

        if (strcmp(at, option) == 0 && word[1]) {
            snprintf(value, size, "%s", word[1]);
            found = true;
        }
        while ((at = strstr(at, option))) {
            const bool begins = at == *word || isspace((unsigned char)at[-1]);

            at += len;
            if (begins && *at == ' ') {
                at += strspn(at, " '\"");
                snprintf(value, size, "%.*s", (int)strcspn(at, " '\";&|\n"), at);
                found = true;
            }
        }
    }
    return found;
}

/* "128mb", "1g", "1000": bytes as Redis reads them; -1: none. */
static int64_t redis_bytes(const char *text)
{
    static const struct {
        const char *unit;
        int64_t factor;
    } units[] = {{"", 1},        {"b", 1},    {"k", 1000},       {"kb", 1024},
                 {"m", 1000000}, {"mb", MIB}, {"g", 1000000000}, {"gb", MIB << 10}};
    char *end;
    const long long number = strtoll(text, &end, 10);

    if (end == text || number < 0)
        return -1;
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (strcasecmp(end, units[i].unit) == 0)
            return number > INT64_MAX / units[i].factor ? -1 : number * units[i].factor;
    return -1;
}

/* ---- memory ---- */

static int64_t memory_limit(const struct container_row *row)
{
    return row->facts->memory_limit > 0 ? row->facts->memory_limit : row->usage.memory_limit;
}

/* Bytes; 0: there is none (Redis grows without end); -1: unknown. */
static int64_t maxmemory(const struct container_row *row, const struct instance *instance)
{
    char value[32];

    if (instance && instance->kind == INSTANCE_REDIS && instance->redis.info &&
        instance->redis.info->maxmemory >= 0)
        return instance->redis.info->maxmemory;
    return redis_option(row->facts, "--maxmemory", value, sizeof(value)) ? redis_bytes(value) : -1;
}

static bool maxmemory_is_high(const struct container_row *row, const struct instance *instance)
{
    const int64_t limit = memory_limit(row), max = maxmemory(row, instance);

    return limit > 0 && max >= 0 &&
           (max == 0 || (double)max * 100 > (double)limit * MAXMEMORY_PERCENT);
}

/* ---- OOM score ---- */

/* INT_MIN: nobody has asked for one. Rootless engines cannot lower what they inherit, so that 0 of
 * the engine says nothing. */
static int expected_score(const struct container_row *row)
{
    if (row->oom_expected != INT_MIN)
        return row->oom_expected;
    return row->facts->oom_score_adj ? row->facts->oom_score_adj : INT_MIN;
}

static bool score_is_wrong(const struct container_row *row)
{
    const int expected = expected_score(row);

    return expected != INT_MIN && row->usage.oom_score_adj != INT_MIN &&
           row->usage.oom_score_adj != expected;
}

/* ---- ports ---- */

static bool is_everywhere(const struct container_port *port)
{
    return port->published && port->address &&
           (strcmp(port->address, "0.0.0.0") == 0 || strcmp(port->address, "::") == 0);
}

static const struct container_port *open_port(const struct container *facts)
{
    for (size_t i = 0; i < facts->port_count && facts->service != SERVICE_OTHER; i++)
        if (is_everywhere(facts->ports + i))
            return facts->ports + i;
    return NULL;
}

/* ---- data ---- */

/* Where the data lies inside, or NULL: unknown. */
static const char *data_path(const struct container *facts, const struct instance *instance)
{
    const char *option;

    if (instance && instance->kind == INSTANCE_POSTGRES && instance->pg.server &&
        instance->pg.server->data_directory)
        return instance->pg.server->data_directory;
    option = option_value(facts, "-D");
    return option && *option == '/' ? option : facts->pgdata;
}

static int plausible_major(long major)
{
    return major >= MAJOR_LEAST && major <= MAJOR_MOST ? (int)major : 0;
}

/* "postgres:18-alpine", "timescaledb:latest-pg16", "postgis:16-3.4"; 0: the name does not tell. */
static int major_of_image(const char *image)
{
    static const char *const names[] = {"postgres", "postgresql", "postgis"};
    const char *base = image ? strrchr(image, '/') : NULL;
    const char *tag, *pg;

    base = base ? base + 1 : image;
    tag = base ? strchr(base, ':') : NULL;
    if (!tag || memchr(base, '@', (size_t)(tag - base)))
        return 0;
    for (pg = strstr(tag, "pg"); pg; pg = strstr(pg + 1, "pg"))
        if (isdigit((unsigned char)pg[2]))
            return plausible_major(strtol(pg + 2, NULL, 10));
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strlen(names[i]) == (size_t)(tag - base) &&
            memcmp(base, names[i], (size_t)(tag - base)) == 0)
            return plausible_major(strtol(tag + 1, NULL, 10));
    return 0;
}

static int major_version(const struct container *facts, const struct instance *instance)
{
    if (instance && instance->kind == INSTANCE_POSTGRES) {
        if (instance->pg.server && instance->pg.server->version > 0)
            return instance->pg.server->version / 10000;
        if (*instance->version)
            return plausible_major(strtol(instance->version, NULL, 10));
    }
    return major_of_image(facts->image);
}

/* Whether one of the numbers in a path is it: "/var/lib/postgresql/18/docker", "/data/pg18". */
static bool has_number(const char *path, int number)
{
    while (*path) {
        char *end;

        if (isdigit((unsigned char)*path)) {
            if (strtol(path, &end, 10) == number)
                return true;
            path = end;
        } else {
            path++;
        }
    }
    return false;
}

static bool lacks_version(const struct container *facts, const struct instance *instance)
{
    const char *path = data_path(facts, instance);
    const int major = major_version(facts, instance);

    return path && major && !has_number(path, major);
}

/* Whether path is destination or below it. */
static bool is_below(const char *path, const char *destination)
{
    size_t len = strlen(destination);

    while (len > 1 && destination[len - 1] == '/')
        len--;
    return strncmp(path, destination, len) == 0 &&
           (path[len] == 0 || path[len] == '/' || (len == 1 && *destination == '/'));
}

/* The deepest mount that holds a path decides. */
static bool is_kept(const struct container *facts, const char *path)
{
    const struct container_mount *found = NULL;

    for (size_t i = 0; i < facts->mount_count; i++) {
        const struct container_mount *mount = facts->mounts + i;

        if (is_below(path, mount->destination) &&
            (!found || strlen(mount->destination) > strlen(found->destination)))
            found = mount;
    }
    return found && (strcmp(found->type, "volume") == 0 || strcmp(found->type, "bind") == 0);
}

/* Whether a Redis is told to write what it holds to disk. */
static bool persists(const struct container *facts)
{
    char value[32];

    if (redis_option(facts, "--appendonly", value, sizeof(value)) && is_on(value))
        return true;
    return redis_option(facts, "--save", value, sizeof(value)) && isdigit((unsigned char)*value);
}

/* The path of data that is not on a volume, in path; false: there is none, or it is unknown. */
static bool unkept_path(const struct container *facts, const struct instance *instance, char *path,
                        size_t size)
{
    const char *data;

    if (facts->service == SERVICE_POSTGRES) {
        data = data_path(facts, instance);
        snprintf(path, size, "%s", data ? data : "");
    } else if (facts->service != SERVICE_REDIS || !persists(facts)) {
        return false;
    } else if (!redis_option(facts, "--dir", path, size)) {
        snprintf(path, size, "/data");
    }
    return *path == '/' && !is_kept(facts, path);
}

/* ---- all of them ---- */

static bool has_flaw(const struct container_row *row, enum container_flaw flaw,
                     const struct instance *instance)
{
    const struct container *facts = row->facts;
    const bool redis = facts->service == SERVICE_REDIS;
    char path[256];

    switch (flaw) {
    case FLAW_PUBLISHED: return open_port(facts) != NULL;
    case FLAW_NO_LIMIT: return redis && memory_limit(row) <= 0;
    case FLAW_MAXMEMORY: return redis && maxmemory_is_high(row, instance);
    case FLAW_OOM_SCORE: return runs(facts) && score_is_wrong(row);
    case FLAW_RESTART_LOOP:
        return facts->state == CONTAINER_RESTARTING || row->recent_restarts >= RESTARTS_MANY;
    case FLAW_DATA_VERSION:
        return facts->service == SERVICE_POSTGRES && lacks_version(facts, instance);
    case FLAW_DATA_VOLUME: return unkept_path(facts, instance, path, sizeof(path));
    case FLAW_IMAGE:
        return facts->tag_id && facts->image_id && strcmp(facts->tag_id, facts->image_id) != 0;
    case FLAW_UNHEALTHY: return runs(facts) && facts->health == HEALTH_UNHEALTHY;
    case CONTAINER_FLAWS: break;
    }
    return false;
}

unsigned container_flaws(const struct container_row *row, const struct instance *instance)
{
    unsigned flaws = 0;

    for (unsigned i = 0; i < CONTAINER_FLAWS; i++)
        if (has_flaw(row, (enum container_flaw)i, instance))
            flaws |= 1U << i;
    return flaws;
}

/* ---- texts ---- */

static void published_text(const struct container *facts, char *out, size_t size)
{
    const struct container_port *port = open_port(facts);
    const bool v6 = port && strchr(port->address, ':');

    if (!port)
        snprintf(out, size, "published on all addresses: bind it to 127.0.0.1");
    else
        snprintf(out, size,
                 "published on %s%s%s:%d, for everybody who reaches the host: bind it to "
                 "127.0.0.1 (-p 127.0.0.1:%d:%d)",
                 v6 ? "[" : "", port->address, v6 ? "]" : "", port->published, port->published,
                 port->port);
}

static void maxmemory_text(const struct container_row *row, const struct instance *instance,
                           char *out, size_t size)
{
    const int64_t limit = memory_limit(row) > 0 ? memory_limit(row) : 0;
    const int64_t max = maxmemory(row, instance);
    const int64_t best = limit * MAXMEMORY_PERCENT / 100 / MIB;

    if (max == 0)
        snprintf(out, size,
                 "no maxmemory, so that the kernel kills it at %" PRId64 " MiB instead of it "
                 "evicting keys: set maxmemory to %" PRId64 "mb or less",
                 limit / MIB, best);
    else
        snprintf(out, size,
                 "maxmemory %" PRId64 " MiB is over %d %% of the limit of %" PRId64
                 " MiB, and a fork to save needs more: set it to %" PRId64
                 "mb or less, or raise the limit",
                 max > 0 ? max / MIB : 0, MAXMEMORY_PERCENT, limit / MIB, best);
}

static void score_text(const struct container_row *row, char *out, size_t size)
{
    const int expected = expected_score(row);

    if (expected == INT_MIN || row->usage.oom_score_adj == INT_MIN)
        snprintf(out, size, "oom_score_adj is not what is expected: set it and create it anew");
    else
        snprintf(out, size,
                 "oom_score_adj is %d, expected %d: set oom_score_adj: %d (--oom-score-adj) and "
                 "create it anew",
                 row->usage.oom_score_adj, expected, expected);
}

static void restart_text(const struct container_row *row, char *out, size_t size)
{
    const struct container *facts = row->facts;

    if (row->recent_restarts > 0)
        snprintf(out, size,
                 "started anew %d times in 10 minutes, ended with status %d: read its log",
                 row->recent_restarts, facts->exit_code);
    else
        snprintf(out, size, "ends with status %d and is started again and again: read its log",
                 facts->exit_code);
}

static void version_text(const struct container *facts, const struct instance *instance, char *out,
                         size_t size)
{
    const char *path = data_path(facts, instance);
    const int major = major_version(facts, instance);

    snprintf(out, size,
             "the data directory %s does not name version %d, so that another image would "
             "start on it: set PGDATA to a path with %d (/var/lib/postgresql/%d/docker)",
             path ? path : "", major, major, major);
}

static void volume_text(const struct container *facts, const struct instance *instance, char *out,
                        size_t size)
{
    char path[256];

    if (!unkept_path(facts, instance, path, sizeof(path)))
        *path = 0;
    snprintf(out, size,
             "the data in %s is not on a volume and goes with the container: mount a volume there",
             path);
}

static void image_text(const struct container *facts, char *out, size_t size)
{
    snprintf(out, size,
             "%s stands for another image than the one that runs: create it anew "
             "(docker compose up -d)",
             facts->image ? facts->image : "its tag");
}

const char *container_flaw_text(const struct container_row *row, enum container_flaw flaw,
                                const struct instance *instance, char *out, size_t size)
{
    const struct container *facts = row->facts;

    assert(size > 0);
    *out = 0;
    switch (flaw) {
    case FLAW_PUBLISHED: published_text(facts, out, size); break;
    case FLAW_NO_LIMIT:
        snprintf(out, size,
                 "no memory limit, so that it can take all of the host's: set mem_limit "
                 "(--memory) and maxmemory below it");
        break;
    case FLAW_MAXMEMORY: maxmemory_text(row, instance, out, size); break;
    case FLAW_OOM_SCORE: score_text(row, out, size); break;
    case FLAW_RESTART_LOOP: restart_text(row, out, size); break;
    case FLAW_DATA_VERSION: version_text(facts, instance, out, size); break;
    case FLAW_DATA_VOLUME: volume_text(facts, instance, out, size); break;
    case FLAW_IMAGE: image_text(facts, out, size); break;
    case FLAW_UNHEALTHY:
        snprintf(out, size, "its health check fails: read its log, and docker inspect %s",
                 facts->name ? facts->name : facts->id);
        break;
    case CONTAINER_FLAWS: break;
    }
    return out;
}

const char *container_flaw_word(enum container_flaw flaw)
{
    static const char *const words[] = {
        [FLAW_PUBLISHED] = "published",       [FLAW_NO_LIMIT] = "no limit",
        [FLAW_MAXMEMORY] = "maxmemory",       [FLAW_OOM_SCORE] = "oom score",
        [FLAW_RESTART_LOOP] = "restart loop", [FLAW_DATA_VERSION] = "data version",
        [FLAW_DATA_VOLUME] = "no volume",     [FLAW_IMAGE] = "image",
        [FLAW_UNHEALTHY] = "unhealthy",
    };

    return flaw < CONTAINER_FLAWS ? words[flaw] : "";
}
