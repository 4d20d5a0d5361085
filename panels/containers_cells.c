/* The columns of containers. */
#include "panels/containers.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OOM_NEAR 5.0 /* seconds between a kill and the end that it was */

static const struct container_words *words_of(const void *row, const void *context)
{
    const struct containers_context *of = context;

    return &of->words[(const struct container_row *)row - of->containers->rows];
}

/* ---- what it is ---- */

static uint64_t identity(const void *row)
{
    uint64_t hash = 14695981039346656037ULL;

    for (const char *c = ((const struct container_row *)row)->facts->id; c && *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211ULL;
    return hash;
}

static const struct container *facts_of(const void *row)
{
    return ((const struct container_row *)row)->facts;
}

static const struct container_usage *usage_of(const void *row)
{
    return &((const struct container_row *)row)->usage;
}

static bool is_running(const struct container *container)
{
    return container->state == CONTAINER_RUNNING || container->state == CONTAINER_PAUSED;
}

static void name(const void *row, const void *context, struct cell *cell)
{
    const struct container_row *of = row;

    (void)context;
    cell_set_text(cell, of->facts->name);
    cell->role = of->watched ? ROLE_STRONG : is_running(of->facts) ? ROLE_TEXT : ROLE_DIM;
}

static void image(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, facts_of(row)->image);
    if (((const struct container_row *)row)->flaws & (1U << FLAW_IMAGE))
        cell->role = ROLE_WARNING;
}

static void service(const void *row, const void *context, struct cell *cell)
{
    static const char *const texts[] = {
        [SERVICE_OTHER] = NULL, [SERVICE_POSTGRES] = "postgres", [SERVICE_REDIS] = "redis"};

    (void)context;
    cell_set_text(cell, texts[facts_of(row)->service]);
}

/* ---- how it is ---- */

struct look {
    enum symbol symbol;
    enum role role;
};

/* One that ended by itself with 0, or was never started, is nobody's trouble, unless it is watched. */
static struct look ended_look(const struct container_row *row)
{
    bool bad = row->watched || row->facts->oom_killed ||
               (row->facts->exit_code != 0 && row->facts->service != SERVICE_OTHER);

    return bad                          ? (struct look){SYMBOL_DOWN, ROLE_CRITICAL}
           : row->facts->exit_code != 0 ? (struct look){SYMBOL_DOWN, ROLE_WARNING}
                                        : (struct look){SYMBOL_CONNECTING, ROLE_DIM};
}

static struct look running_look(const struct container *container)
{
    switch (container->health) {
    case HEALTH_UNHEALTHY: return (struct look){SYMBOL_CRITICAL, ROLE_CRITICAL};
    case HEALTH_STARTING: return (struct look){SYMBOL_STALE, ROLE_ACTIVE};
    default: return (struct look){SYMBOL_UP, ROLE_OK};
    }
}

static struct look state_look(const struct container_row *row)
{
    switch (row->facts->state) {
    case CONTAINER_RUNNING: return running_look(row->facts);
    case CONTAINER_PAUSED: return (struct look){SYMBOL_PAUSE, ROLE_WARNING};
    case CONTAINER_RESTARTING: return (struct look){SYMBOL_JOB, ROLE_WARNING};
    case CONTAINER_DEAD: return (struct look){SYMBOL_DOWN, ROLE_CRITICAL};
    case CONTAINER_EXITED: return ended_look(row);
    default: return (struct look){SYMBOL_CONNECTING, row->watched ? ROLE_CRITICAL : ROLE_DIM};
    }
}

static void set_look(struct cell *cell, const struct container_row *row, const char *words)
{
    const struct look look = state_look(row);
    char label[sizeof(cell->label)];

    snprintf(label, sizeof(label), "%s %s", text_symbol(look.symbol), words);
    cell_set_label(cell, label);
    cell->role = look.role;
}

static const char *state_words(const struct container *facts, char *out, size_t size)
{
    if (facts->state == CONTAINER_EXITED && facts->oom_killed)
        snprintf(out, size, "OOM-killed");
    else if (facts->state == CONTAINER_EXITED)
        snprintf(out, size, "exited %d", facts->exit_code);
    else
        snprintf(out, size, "%s", container_state_text(facts->state));
    return out;
}

static void state(const void *row, const void *context, struct cell *cell)
{
    const struct container *facts = facts_of(row);
    char words[20];

    (void)context;
    if (facts->state == CONTAINER_UNKNOWN)
        return;
    cell_set_text(cell, container_state_text(facts->state));
    set_look(cell, row, state_words(facts, words, sizeof(words)));
}

static double uptime_of(const void *row, const void *context)
{
    const struct container *facts = facts_of(row);
    double seconds = ((const struct containers_context *)context)->now - facts->started;

    if (!is_running(facts) || isnan(seconds))
        return NAN;
    return seconds > 0 ? seconds : 0;
}

/* The overview's: how long it is up, or what is the matter. */
/* The engine's flag may be missing for a kill that its events, or the kernel's count, have told. */
static bool ended_by_oom(const struct container_row *row)
{
    const double apart = row->oom_at - row->facts->ended;

    return row->facts->oom_killed || (apart > -OOM_NEAR && apart < OOM_NEAR);
}

static void status(const void *row, const void *context, struct cell *cell)
{
    const struct container *facts = facts_of(row);
    char words[TEXT_UNIT_SIZE];

    if (facts->state == CONTAINER_UNKNOWN)
        return;
    cell_set_text(cell, container_state_text(facts->state));
    if (facts->state == CONTAINER_EXITED && ended_by_oom(row))
        snprintf(words, sizeof(words), "OOM");
    else if (facts->state != CONTAINER_RUNNING)
        state_words(facts, words, sizeof(words));
    else if (facts->health == HEALTH_UNHEALTHY || facts->health == HEALTH_STARTING)
        snprintf(words, sizeof(words), "%s", container_health_text(facts->health));
    else
        uptime_text(uptime_of(row, context), words);
    set_look(cell, row, words);
}

static void health(const void *row, const void *context, struct cell *cell)
{
    static const enum role roles[] = {[HEALTH_NONE] = ROLE_TEXT,
                                      [HEALTH_STARTING] = ROLE_ACTIVE,
                                      [HEALTH_HEALTHY] = ROLE_OK,
                                      [HEALTH_UNHEALTHY] = ROLE_CRITICAL};
    const struct container *facts = facts_of(row);

    (void)context;
    if (facts->health == HEALTH_NONE || !is_running(facts))
        return;
    cell_set_text(cell, container_health_text(facts->health));
    cell->role = roles[facts->health];
}

/* In its greatest unit: 59m ago, 2h ago. */
static void set_ended(struct cell *cell, double seconds)
{
    char text[TEXT_UNIT_SIZE], label[TEXT_UNIT_SIZE + 8];

    uptime_text(seconds > 0 ? seconds : 0, text);
    text[strcspn(text, "mhd") + 1] = '\0';
    snprintf(label, sizeof(label), "%s ago", text);
    cell_set_label(cell, label);
    cell->role = ROLE_DIM;
}

static void uptime(const void *row, const void *context, struct cell *cell)
{
    const struct container *facts = facts_of(row);
    double seconds = uptime_of(row, context);
    char text[TEXT_UNIT_SIZE];

    cell_set_number(cell, CELL_DURATION, seconds);
    if (!isnan(seconds))
        cell_set_label(cell, uptime_text(seconds, text));
    else if (facts->state == CONTAINER_EXITED && facts->ended > 0)
        set_ended(cell, ((const struct containers_context *)context)->now - facts->ended);
}

static void restarts(const void *row, const void *context, struct cell *cell)
{
    const struct container_row *of = row;

    (void)context;
    cell_set_number(cell, CELL_INTEGER, of->facts->restarts);
    if (of->recent_restarts > 0)
        cell->role = of->flaws & (1U << FLAW_RESTART_LOOP) ? ROLE_CRITICAL : ROLE_WARNING;
}

static void exit_code(const void *row, const void *context, struct cell *cell)
{
    const struct container *facts = facts_of(row);
    bool ended = facts->state == CONTAINER_EXITED || facts->state == CONTAINER_DEAD;

    (void)context;
    cell_set_number(cell, CELL_INTEGER, ended ? facts->exit_code : NAN);
}

static void watched(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_BOOL, ((const struct container_row *)row)->watched);
}

/* ---- what it uses ---- */

static double known(int64_t value)
{
    return value < 0 ? NAN : (double)value;
}

static void cpu(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_PERCENT, usage_of(row)->cpu);
}

/* The kernel's word counts; the engine's, as long as that is not known. -1: neither is. */
static int64_t limit_of(const void *row)
{
    const struct container_usage *usage = usage_of(row);

    return usage->memory_limit >= 0 ? usage->memory_limit : facts_of(row)->memory_limit;
}

static double fraction_of(const void *row)
{
    int64_t limit = limit_of(row), used = usage_of(row)->memory;

    return limit > 0 && used >= 0 ? (double)used / (double)limit : NAN;
}

static enum role memory_role(const void *row, const void *context)
{
    return threshold_role(((const struct containers_context *)context)->config,
                          ALERT_CONTAINER_MEMORY_HIGH, 100 * fraction_of(row));
}

static void memory(const void *row, const void *context, struct cell *cell)
{
    cell_set_number(cell, CELL_BYTES, known(usage_of(row)->memory));
    cell->role = memory_role(row, context);
}

static void memory_cache(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_BYTES, known(usage_of(row)->memory_cache));
}

static void limit(const void *row, const void *context, struct cell *cell)
{
    int64_t bytes = limit_of(row);

    (void)context;
    cell_set_number(cell, CELL_BYTES, known(bytes));
    if (bytes == 0)
        cell_set_label(cell, "none");
    if (((const struct container_row *)row)->flaws & (1U << FLAW_NO_LIMIT))
        cell->role = ROLE_WARNING;
}

static double level(double percent)
{
    return percent > 0 ? percent / 100 : NAN;
}

static void memory_fraction(const void *row, const void *context, struct cell *cell)
{
    const struct containers_context *of = context;
    const struct alert_config *levels = &of->config->alerts[ALERT_CONTAINER_MEMORY_HIGH];

    cell_set_gauge(cell, fraction_of(row), level(levels->warning), level(levels->critical));
}

/* At most four columns, for want of room: 36.7M → 37M. */
static const char *short_bytes(char *out, double bytes)
{
    size_t len = strlen(text_bytes(out, bytes));
    char unit = out[len - 1];

    if (len == 5 && strchr(out, '.'))
        snprintf(out, TEXT_UNIT_SIZE, "%.0f%c", strtod(out, NULL), unit);
    return out;
}

/* The overview's: used of allowed. */
static void memory_of_limit(const void *row, const void *context, struct cell *cell)
{
    int64_t used = usage_of(row)->memory, bytes = limit_of(row);
    char text[2][TEXT_UNIT_SIZE], label[24];

    memory(row, context, cell);
    if (used < 0)
        return;
    snprintf(label, sizeof(label), "%s/%s", short_bytes(text[0], (double)used),
             bytes > 0 ? short_bytes(text[1], (double)bytes) : text_symbol(SYMBOL_ABSENT));
    cell_set_label(cell, label);
}

/* Percent of the last 10 s, as the kernel says it. */
#define PRESSURE_CELL(function, field)                                                             \
    static void function(const void *row, const void *context, struct cell *cell)                  \
    {                                                                                              \
        (void)context;                                                                             \
        cell_set_number(cell, CELL_PERCENT, usage_of(row)->field / 100);                           \
        if (usage_of(row)->field >= 10)                                                            \
            cell->role = ROLE_WARNING;                                                             \
    }
PRESSURE_CELL(psi_memory, psi_some)
PRESSURE_CELL(psi_memory_full, psi_full)
PRESSURE_CELL(psi_cpu, psi_cpu)
PRESSURE_CELL(psi_io, psi_io)

/* ---- the kernel's choice of victims ---- */

static void oom_score_adj(const void *row, const void *context, struct cell *cell)
{
    const struct container_row *of = row;
    int is = of->usage.oom_score_adj;
    char label[32];

    (void)context;
    if (is == INT_MIN)
        return;
    cell_set_number(cell, CELL_INTEGER, is);
    if (of->oom_expected == INT_MIN || of->oom_expected == is)
        return;
    snprintf(label, sizeof(label), "%d%s%d", is, text_ascii() ? "!=" : "≠", of->oom_expected);
    cell_set_label(cell, label);
    cell->role = ROLE_WARNING;
}

/* The overview's: ≠ says that something else is expected, and there is no room for what. */
static void oom_score_adj_short(const void *row, const void *context, struct cell *cell)
{
    char label[24];

    oom_score_adj(row, context, cell);
    if (!cell->label[0])
        return;
    snprintf(label, sizeof(label), "%s%.0f", text_ascii() ? "!=" : "≠", cell->number);
    cell_set_label(cell, label);
}

static void oom_expected(const void *row, const void *context, struct cell *cell)
{
    int expected = ((const struct container_row *)row)->oom_expected;

    (void)context;
    cell_set_number(cell, CELL_INTEGER, expected == INT_MIN ? NAN : expected);
}

static void oom_score(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_INTEGER, known(usage_of(row)->oom_score));
}

static void oom_kills(const void *row, const void *context, struct cell *cell)
{
    int64_t kills = usage_of(row)->oom_kills;

    (void)context;
    cell_set_number(cell, CELL_INTEGER, known(kills));
    if (kills > 0)
        cell->role = ROLE_CRITICAL;
}

static void pid(const void *row, const void *context, struct cell *cell)
{
    pid_t of = usage_of(row)->pid > 0 ? usage_of(row)->pid : facts_of(row)->pid;

    (void)context;
    cell_set_number(cell, CELL_INTEGER, of > 0 ? (double)of : NAN);
}

/* ---- where it is ---- */

static void ports(const void *row, const void *context, struct cell *cell)
{
    cell_set_text(cell, words_of(row, context)->ports);
    if (((const struct container_row *)row)->flaws & (1U << FLAW_PUBLISHED))
        cell->role = ROLE_WARNING;
}

static void networks(const void *row, const void *context, struct cell *cell)
{
    cell_set_text(cell, words_of(row, context)->networks);
}

static void warnings(const void *row, const void *context, struct cell *cell)
{
    const unsigned grave = 1U << FLAW_RESTART_LOOP | 1U << FLAW_UNHEALTHY | 1U << FLAW_PUBLISHED;
    const struct container_row *of = row;

    cell_set_text(cell, words_of(row, context)->warnings);
    if (of->flaws)
        cell->role = of->flaws & grave ? ROLE_CRITICAL : ROLE_WARNING;
}

/* The overview's: how many. */
static void warning_count(const void *row, const void *context, struct cell *cell)
{
    int count = __builtin_popcount(((const struct container_row *)row)->flaws);
    char label[24];

    if (!count)
        return;
    warnings(row, context, cell);
    snprintf(label, sizeof(label), "%s%d", text_symbol(SYMBOL_WARNING), count);
    cell_set_label(cell, label);
}

#define TEXT_CELL(function, field)                                                                 \
    static void function(const void *row, const void *context, struct cell *cell)                  \
    {                                                                                              \
        (void)context;                                                                             \
        cell_set_text(cell, facts_of(row)->field);                                                 \
    }
TEXT_CELL(restart_policy, restart_policy)
TEXT_CELL(id, id)
TEXT_CELL(image_id, image_id)
TEXT_CELL(project, project)

/* ---- the tables ---- */

static const struct column columns[] = {
    {.name = "name",
     .title = "NAME",
     .width = 15,
     .max = 30,
     .fit = true,
     .cell = name,
     .help = "of the container; bold: an instance that is watched"},
    {.name = "image",
     .title = "IMAGE",
     .width = 14,
     .max = 48,
     .fit = true,
     .tail = true,
     .priority = 8,
     .cell = image,
     .help = "as it was asked for, with its tag"},
    {.name = "state",
     .title = "STATE",
     .width = 12,
     .fit = true,
     .cell = state,
     .help = "of the container; exited with its code, OOM-killed when that was why"},
    {.name = "health",
     .title = "HEALTH",
     .width = 9,
     .fit = true,
     .priority = 9,
     .cell = health,
     .help = "what its own health check says"},
    {.name = "uptime_seconds",
     .title = "UPTIME",
     .width = 7,
     .fit = true,
     .right = true,
     .descending = true,
     .priority = 7,
     .cell = uptime,
     .help = "since its last start; when it ended"},
    {.name = "restarts",
     .title = "RESTARTS",
     .width = 8,
     .right = true,
     .descending = true,
     .priority = 10,
     .cell = restarts,
     .help = "by its restart policy since it was created; marked when some are of late"},
    {.name = "cpu",
     .title = "CPU",
     .width = 5,
     .right = true,
     .descending = true,
     .priority = 6,
     .cell = cpu,
     .help = "100% is one processor (cgroup cpu.stat, cpuacct.usage)"},
    {.name = "memory_bytes",
     .title = "MEM",
     .width = 5,
     .right = true,
     .descending = true,
     .cell = memory,
     .help = "without the file cache that can be dropped (cgroup)"},
    {.name = "limit_bytes",
     .title = "LIMIT",
     .width = 5,
     .right = true,
     .descending = true,
     .priority = 5,
     .cell = limit,
     .help = "of its memory; 0 in JSON: none"},
    {.name = "memory_fraction",
     .title = "OF LIMIT",
     .width = 10,
     .right = true,
     .descending = true,
     .priority = 4,
     .cell = memory_fraction,
     .help = "memory against its limit; levels are in the config's alerts"},
    {.name = CONTAINERS_PSI_COLUMN,
     .title = "PSI",
     .width = 5,
     .right = true,
     .descending = true,
     .priority = 11,
     .hidden = true,
     .cell = psi_memory,
     .help = "share of 10 s in which something waited for memory (memory.pressure some)"},
    {.name = "oom_score_adj",
     .title = "OOM ADJ",
     .width = 8,
     .max = 10,
     .fit = true,
     .right = true,
     .descending = true,
     .priority = 2,
     .cell = oom_score_adj,
     .help = "of the main process; is≠expected when the config says otherwise"},
    {.name = "oom_score_adj_expected",
     .title = "EXPECTED",
     .width = 8,
     .right = true,
     .hidden = true,
     .cell = oom_expected,
     .help = "oom_score_adj in the config"},
    {.name = "oom_score",
     .title = "SCORE",
     .width = 5,
     .right = true,
     .descending = true,
     .priority = 12,
     .cell = oom_score,
     .help = "the kernel's: the process with the highest is killed first"},
    {.name = "oom_kills",
     .title = "KILLS",
     .width = 5,
     .right = true,
     .descending = true,
     .priority = 11,
     .cell = oom_kills,
     .help = "processes in it that the kernel has killed for want of memory"},
    {.name = "ports",
     .title = "PORTS",
     .width = 15,
     .max = 48,
     .fit = true,
     .priority = 3,
     .cell = ports,
     .help = "published ones with the address they are bound to; 6379/tcp: only on its networks"},
    {.name = "networks",
     .title = "NETWORK",
     .width = 18,
     .max = 48,
     .fit = true,
     .priority = 13,
     .cell = networks,
     .help = "its networks and its address there"},
    {.name = "restart_policy",
     .title = "POLICY",
     .width = 9,
     .max = 14,
     .fit = true,
     .priority = 14,
     .cell = restart_policy,
     .help = "when the engine starts it again by itself"},
    {.name = "warnings",
     .title = "WARNINGS",
     .width = 12,
     .max = 60,
     .fit = true,
     .grow = 1,
     .priority = 1,
     .cell = warnings,
     .help = "what is wrong with how it is set up; Enter says what, and the mend"},
    {.name = "service",
     .title = "SERVICE",
     .width = 8,
     .hidden = true,
     .cell = service,
     .help = "what runs in it, by image and command"},
    {.name = "watched",
     .title = "WATCHED",
     .width = 7,
     .hidden = true,
     .cell = watched,
     .help = "an instance of ours runs in it"},
    {.name = "exit_code",
     .title = "EXIT",
     .width = 4,
     .right = true,
     .hidden = true,
     .cell = exit_code,
     .help = "of its last end"},
    {.name = "memory_cache_bytes",
     .title = "CACHE",
     .width = 5,
     .right = true,
     .descending = true,
     .hidden = true,
     .cell = memory_cache,
     .help = "file cache on top of MEM that can be dropped (cgroup inactive_file)"},
    {.name = "psi_memory_full",
     .title = "PSI FULL",
     .width = 8,
     .right = true,
     .descending = true,
     .hidden = true,
     .cell = psi_memory_full,
     .help = "share of 10 s in which all of it waited for memory"},
    {.name = "psi_cpu",
     .title = "PSI CPU",
     .width = 7,
     .right = true,
     .descending = true,
     .hidden = true,
     .cell = psi_cpu,
     .help = "the same for processors (cpu.pressure some)"},
    {.name = "psi_io",
     .title = "PSI IO",
     .width = 6,
     .right = true,
     .descending = true,
     .hidden = true,
     .cell = psi_io,
     .help = "the same for disks (io.pressure some)"},
    {.name = "pid",
     .title = "PID",
     .width = 7,
     .right = true,
     .hidden = true,
     .cell = pid,
     .help = "of the main process on the engine's host"},
    {.name = "project",
     .title = "PROJECT",
     .width = 12,
     .max = 20,
     .hidden = true,
     .cell = project,
     .help = "of compose"},
    {.name = "id", .title = "ID", .width = 12, .hidden = true, .cell = id, .help = "its id"},
    {.name = "image_id",
     .title = "IMAGE ID",
     .width = 19,
     .hidden = true,
     .cell = image_id,
     .help = "the image that runs"},
};

const struct table_class containers_table = {
    .columns = columns, .count = sizeof(columns) / sizeof(columns[0]), .identity = identity};

static const struct column tile_columns[] = {
    {.name = "name",
     .title = "NAME",
     .width = 15,
     .max = 20,
     .fit = true,
     .cell = name,
     .help = "of the container; bold: an instance that is watched"},
    {.name = "state",
     .title = "STATE",
     .width = 7,
     .max = 12,
     .cell = status,
     .help = "how long it is up, or what is the matter"},
    {.name = "memory_bytes",
     .title = "MEM",
     .width = 9,
     .max = 11,
     .fit = true,
     .right = true,
     .descending = true,
     .cell = memory_of_limit,
     .help = "used of its limit"},
    {.name = "warnings",
     .title = "",
     .width = 2,
     .max = 2,
     .right = true,
     .descending = true,
     .priority = 3,
     .cell = warning_count,
     .help = "warnings about how it is set up: Containers (8) names them"},
    {.name = "oom_score_adj",
     .title = "OOM ADJ",
     .width = 7,
     .right = true,
     .descending = true,
     .priority = 1,
     .cell = oom_score_adj_short,
     .help = "of the main process; ≠ when the config expects another one"},
    {.name = "ports",
     .title = "PORTS",
     .width = 14,
     .grow = 1,
     .priority = 2,
     .cell = ports,
     .help = "published ones with the address they are bound to"},
};

const struct table_class containers_tile_table = {.columns = tile_columns,
                                                  .count = sizeof(tile_columns) /
                                                           sizeof(tile_columns[0]),
                                                  .identity = identity};
