#include "backend/alert.h"

#include "backend/alert_impl.h"
#include "backend/base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STALE_SECONDS 5.0 /* a server that is silent for longer counts as down */

/* One rule looks at one instance; what it leaves alone is no alert. */
struct rule {
    enum alert_name name;
    enum instance_kind kind;
    bool without_data; /* also while the server does not answer */
    void (*look)(const struct instance *instance, const struct alert_config *config, double wall,
                 struct finding *finding);
};

/* ---- helpers ---- */

static void set_detail(struct finding *finding, const char *text)
{
    snprintf(finding->detail, sizeof(finding->detail), "%s", text ? text : "");
}

static bool passes(double value, double level)
{
    return level > 0.0 && value >= level;
}

void alert_compare(struct finding *finding, double value, const struct alert_config *config)
{
    finding->value = value;
    if (passes(value, config->critical)) {
        finding->severity = SEVERITY_CRITICAL;
        finding->threshold = config->critical;
    } else if (passes(value, config->warning)) {
        finding->severity = SEVERITY_WARNING;
        finding->threshold = config->warning;
    }
}

/* The lowest level that counts: both may be off. */
static double lowest_level(const struct alert_config *config)
{
    if (config->warning > 0.0 && (config->critical <= 0.0 || config->warning < config->critical))
        return config->warning;
    return config->critical;
}

/* ---- rules ---- */

/* A first attempt to connect is no alert; a further one is, as nothing has come since. */
static bool is_down(const struct instance *instance, double wall)
{
    switch (instance->state) {
    case INSTANCE_DOWN: return true;
    case INSTANCE_STALE: return wall - instance->state_since > STALE_SECONDS;
    case INSTANCE_CONNECTING: return instance->error != NULL;
    case INSTANCE_UP: return false;
    }
    return false;
}

static void look_down(const struct instance *instance, const struct alert_config *config,
                      double wall, struct finding *finding)
{
    (void)config;
    if (instance->removed || !is_down(instance, wall))
        return;
    finding->severity = SEVERITY_CRITICAL;
    set_detail(finding, instance->error);
}

static void look_connections(const struct instance *instance, const struct alert_config *config,
                             double wall, struct finding *finding)
{
    const struct pg_server *server = instance->pg.server;
    const struct pg_activity *activity = instance->pg.activity;

    (void)wall;
    if (server && activity && server->max_connections > 0)
        alert_compare(finding, 100.0 * activity->counts.total / server->max_connections, config);
}

static bool is_long_query(const struct pg_session *session)
{
    return session->state == PG_STATE_ACTIVE;
}

static bool is_idle_in_transaction(const struct pg_session *session)
{
    return session->state == PG_STATE_IDLE_IN_TRANSACTION ||
           session->state == PG_STATE_IDLE_IN_TRANSACTION_ABORTED;
}

/* The longest of those sessions that some are, and how many pass the lowest level. */
static void look_longest(const struct pg_activity *activity, const struct alert_config *config,
                         bool (*is)(const struct pg_session *session), struct finding *finding)
{
    const struct pg_session *worst = NULL;
    double most = -1.0;
    int count = 0;

    for (size_t i = 0; activity && i < activity->count; i++) {
        const struct pg_session *session = &activity->rows[i];
        double seconds;

        if (session->own || !is(session) || !pg_session_is_client(session))
            continue;
        seconds = pg_session_seconds(session, activity->now);
        count += passes(seconds, lowest_level(config));
        if (seconds > most) {
            most = seconds;
            worst = session;
        }
    }
    if (!worst)
        return;
    alert_compare(finding, most, config);
    finding->count = count;
    finding->pid = worst->pid;
    snprintf(finding->detail, sizeof(finding->detail), "%s %s",
             worst->database ? worst->database : "", worst->user ? worst->user : "");
}

static void look_long_query(const struct instance *instance, const struct alert_config *config,
                            double wall, struct finding *finding)
{
    (void)wall;
    look_longest(instance->pg.activity, config, is_long_query, finding);
}

static void look_idle(const struct instance *instance, const struct alert_config *config,
                      double wall, struct finding *finding)
{
    (void)wall;
    look_longest(instance->pg.activity, config, is_idle_in_transaction, finding);
}

static int compare_pids(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

/* All pids that block somebody, sorted, each as often as it does. The caller frees them. */
static int *blocker_pids(const struct pg_activity *activity, size_t *count)
{
    int *pids = NULL;

    *count = 0;
    for (size_t i = 0; i < activity->count; i++) {
        const struct pg_session *session = &activity->rows[i];

        if (!session->blocked_by_count)
            continue;
        pids = mem_array(pids, *count + session->blocked_by_count, sizeof(*pids));
        memcpy(pids + *count, session->blocked_by, session->blocked_by_count * sizeof(*pids));
        *count += session->blocked_by_count;
    }
    if (pids)
        qsort(pids, *count, sizeof(*pids), compare_pids);
    return pids;
}

static const struct pg_session *free_session(const struct pg_activity *activity, int pid)
{
    for (size_t i = 0; i < activity->count; i++) {
        const struct pg_session *session = &activity->rows[i];

        if (session->pid == pid)
            return session->blocked_by_count ? NULL : session;
    }
    return NULL;
}

/* The session that stands in the way of most, of those that are not blocked themselves. */
static const struct pg_session *worst_blocker(const struct pg_activity *activity)
{
    const struct pg_session *worst = NULL;
    size_t count, most = 0;
    int *pids = blocker_pids(activity, &count);

    for (size_t i = 0, run; i < count; i += run) {
        const struct pg_session *session;

        for (run = 1; i + run < count && pids[i + run] == pids[i];)
            run++;
        session = run > most ? free_session(activity, pids[i]) : NULL;
        if (session) {
            most = run;
            worst = session;
        }
    }
    free(pids);
    return worst;
}

static void look_blocked(const struct instance *instance, const struct alert_config *config,
                         double wall, struct finding *finding)
{
    const struct pg_activity *activity = instance->pg.activity;
    const struct pg_session *worst;

    (void)wall;
    if (!activity || !activity->counts.blocked)
        return;
    alert_compare(finding, activity->counts.blocked, config);
    worst = worst_blocker(activity);
    if (!worst)
        return;
    finding->pid = worst->pid;
    snprintf(finding->detail, sizeof(finding->detail), "%s %s",
             worst->database ? worst->database : "", worst->user ? worst->user : "");
}

static void look_memory(const struct instance *instance, const struct alert_config *config,
                        double wall, struct finding *finding)
{
    const struct redis_info *info = instance->redis.info;

    (void)wall;
    if (!info || info->maxmemory <= 0 || info->used_memory < 0)
        return;
    alert_compare(finding, 100.0 * (double)info->used_memory / (double)info->maxmemory, config);
    set_detail(finding, info->policy);
}

static void look_evicting(const struct instance *instance, const struct alert_config *config,
                          double wall, struct finding *finding)
{
    const struct redis_info *info = instance->redis.info;

    (void)wall;
    if (!info || isnan(info->rates.evicted))
        return;
    alert_compare(finding, info->rates.evicted, config);
    set_detail(finding, info->policy);
}

static void look_save(const struct instance *instance, const struct alert_config *config,
                      double wall, struct finding *finding)
{
    const struct redis_info *info = instance->redis.info;
    bool rdb = info && info->rdb_last_bgsave_ok == 0;
    bool aof = info && info->aof_last_write_ok == 0;

    (void)config;
    (void)wall;
    if (!rdb && !aof)
        return;
    finding->severity = SEVERITY_CRITICAL;
    set_detail(finding, rdb && aof ? "RDB and AOF" : rdb ? "RDB" : "AOF");
}

static const struct rule rules[] = {
    {ALERT_POSTGRES_DOWN, INSTANCE_POSTGRES, true, look_down},
    {ALERT_POSTGRES_CONNECTIONS_HIGH, INSTANCE_POSTGRES, false, look_connections},
    {ALERT_LONG_QUERY, INSTANCE_POSTGRES, false, look_long_query},
    {ALERT_IDLE_IN_TRANSACTION, INSTANCE_POSTGRES, false, look_idle},
    {ALERT_BLOCKED_SESSIONS, INSTANCE_POSTGRES, false, look_blocked},
    {ALERT_REDIS_DOWN, INSTANCE_REDIS, true, look_down},
    {ALERT_REDIS_MEMORY_HIGH, INSTANCE_REDIS, false, look_memory},
    {ALERT_REDIS_EVICTING, INSTANCE_REDIS, false, look_evicting},
    {ALERT_REDIS_SAVE_FAILING, INSTANCE_REDIS, false, look_save},
};

/* ---- the list ---- */

const char *alert_subject(const struct alert *alert)
{
    return alert->instance ? alert->instance->name : alert->container;
}

static bool is_about(const struct alert *alert, struct alert_about about)
{
    const size_t len = sizeof(alert->container) - 1;

    return alert->instance == about.instance &&
           strncmp(alert->container, about.container ? about.container : "", len) == 0;
}

static size_t find(const struct alerts *alerts, enum alert_name name, struct alert_about about)
{
    size_t i = 0;

    while (i < alerts->count &&
           (alerts->items[i].name != name || !is_about(&alerts->items[i], about)))
        i++;
    return i;
}

void alert_drop(struct alerts *alerts, size_t at)
{
    if (at >= alerts->count)
        return;
    alerts->count--;
    memmove(&alerts->items[at], &alerts->items[at + 1],
            (alerts->count - at) * sizeof(*alerts->items));
}

static struct alert *add(struct alerts *alerts, enum alert_name name, struct alert_about about,
                         double wall)
{
    struct alert *alert;

    alerts->items = mem_array(alerts->items, alerts->count + 1, sizeof(*alerts->items));
    alert = &alerts->items[alerts->count++];
    *alert = (struct alert){.name = name, .instance = about.instance, .since = wall};
    snprintf(alert->container, sizeof(alert->container), "%s",
             about.container ? about.container : "");
    return alert;
}

void alert_apply(struct alerts *alerts, enum alert_name name, struct alert_about about,
                 const struct alert_config *config, const struct finding *finding, double wall)
{
    size_t at = find(alerts, name, about);
    struct alert *alert;

    if (finding->severity == SEVERITY_OK) {
        alert_drop(alerts, at);
        return;
    }
    alert = at < alerts->count ? &alerts->items[at] : add(alerts, name, about, wall);
    alerts->raised += finding->severity > alert->severity;
    alert->severity = finding->severity;
    alert->value = finding->value;
    alert->threshold = finding->threshold;
    alert->count = finding->count;
    alert->pid = finding->pid;
    alert->runbook = config->runbook;
    memcpy(alert->detail, finding->detail, sizeof(alert->detail));
}

/* Critical first, then the newest: what is new must be seen where few rows are. The rest of the order
 * only makes it the same from one time to the next. */
static int by_urgency(const void *a, const void *b)
{
    const struct alert *x = a, *y = b;

    if (x->severity != y->severity)
        return x->severity > y->severity ? -1 : 1;
    if (x->since != y->since)
        return x->since > y->since ? -1 : 1;
    if (x->name != y->name)
        return x->name < y->name ? -1 : 1;
    return strcmp(alert_subject(x), alert_subject(y));
}

void alert_sort(struct alerts *alerts)
{
    if (alerts->count > 1)
        qsort(alerts->items, alerts->count, sizeof(*alerts->items), by_urgency);
}

void alerts_update(struct alerts *alerts, const struct instance *instance,
                   const struct alert_config *config, double wall)
{
    const bool silent = instance->state != INSTANCE_UP &&
                        (instance->state != INSTANCE_STALE || is_down(instance, wall));

    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        const struct rule *rule = &rules[i];
        struct finding finding = {.value = NAN, .threshold = NAN};

        if (rule->kind != instance->kind)
            continue;
        if (rule->without_data || !silent)
            rule->look(instance, &config[rule->name], wall, &finding);
        alert_apply(alerts, rule->name, (struct alert_about){.instance = instance},
                    &config[rule->name], &finding, wall);
    }
    alert_sort(alerts);
}

void alerts_free(struct alerts *alerts)
{
    free(alerts->items);
    *alerts = (struct alerts){0};
}

enum severity alerts_worst(const struct alerts *alerts)
{
    return alerts->count ? alerts->items[0].severity : SEVERITY_OK;
}
