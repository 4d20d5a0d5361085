/* The rules over containers. */
#include "backend/alert_impl.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define KILL_TOLD 600.0 /* seconds for which a kill is an alert */

struct container_rule {
    enum alert_name name;
    void (*look)(const struct container_row *row, const struct alert_config *config, double wall,
                 struct finding *finding);
};

static bool is_on(const struct alert_config *config)
{
    return config->warning > 0.0 || config->critical > 0.0;
}

static bool runs(const struct container *facts)
{
    return facts->state == CONTAINER_RUNNING || facts->state == CONTAINER_PAUSED;
}

/* ---- why it ended ---- */

static void add_detail(struct finding *finding, const char *text)
{
    const size_t len = strlen(finding->detail);

    snprintf(finding->detail + len, sizeof(finding->detail) - len, "%s%s", len ? ", " : "", text);
}

static void detail_end(const struct container *facts, struct finding *finding)
{
    char text[32];

    if (facts->state == CONTAINER_PAUSED || facts->state == CONTAINER_CREATED ||
        facts->state == CONTAINER_REMOVING) {
        add_detail(finding, container_state_text(facts->state));
    } else {
        snprintf(text, sizeof(text), "exit code %d", facts->exit_code);
        add_detail(finding, text);
    }
    if (facts->oom_killed)
        add_detail(finding, "OOM killed");
    if (facts->error && *facts->error)
        add_detail(finding, facts->error);
}

/* ---- rules ---- */

static bool is_to_run(const struct container *facts)
{
    const char *policy = facts->restart_policy;

    return policy && (strcmp(policy, "always") == 0 || strcmp(policy, "unless-stopped") == 0);
}

/* Between two tries of its restart policy ContainerRestarting speaks of it. */
static void look_down(const struct container_row *row, const struct alert_config *config,
                      double wall, struct finding *finding)
{
    const struct container *facts = row->facts;

    (void)config;
    (void)wall;
    if (facts->state == CONTAINER_RUNNING || facts->state == CONTAINER_RESTARTING ||
        facts->state == CONTAINER_UNKNOWN)
        return;
    if (row->watched)
        finding->severity = SEVERITY_CRITICAL;
    else if (!runs(facts) && facts->exit_code && is_to_run(facts))
        finding->severity = SEVERITY_WARNING;
    else
        return;
    detail_end(facts, finding);
}

static void look_restarting(const struct container_row *row, const struct alert_config *config,
                            double wall, struct finding *finding)
{
    const bool between = row->facts->state == CONTAINER_RESTARTING;

    (void)wall;
    alert_compare(finding, row->recent_restarts, config);
    if (finding->severity == SEVERITY_OK && between && is_on(config))
        finding->severity = SEVERITY_WARNING;
    if (between)
        detail_end(row->facts, finding);
}

static void look_memory(const struct container_row *row, const struct alert_config *config,
                        double wall, struct finding *finding)
{
    const int64_t used = row->usage.memory;
    const int64_t limit =
        row->usage.memory_limit > 0 ? row->usage.memory_limit : row->facts->memory_limit;

    (void)wall;
    if (runs(row->facts) && used >= 0 && limit > 0)
        alert_compare(finding, 100.0 * (double)used / (double)limit, config);
}

static void look_killed(const struct container_row *row, const struct alert_config *config,
                        double wall, struct finding *finding)
{
    (void)config;
    if (isnan(row->oom_at) || wall - row->oom_at >= KILL_TOLD)
        return;
    finding->severity = SEVERITY_CRITICAL;
    finding->value = (double)row->facts->memory_limit;
}

/* Unless somebody has said what is expected, what a service was started with is. */
static int expected_score(const struct container_row *row)
{
    if (row->oom_expected != INT_MIN)
        return row->oom_expected;
    return row->watched || row->facts->service != SERVICE_OTHER ? row->facts->oom_score_adj
                                                                : INT_MIN;
}

static void look_score(const struct container_row *row, const struct alert_config *config,
                       double wall, struct finding *finding)
{
    const int expected = expected_score(row), score = row->usage.oom_score_adj;

    (void)config;
    (void)wall;
    if (!runs(row->facts) || expected == INT_MIN || score == INT_MIN || score == expected)
        return;
    finding->severity = SEVERITY_WARNING;
    finding->value = score;
    finding->threshold = expected;
}

static const struct container_rule rules[] = {
    {ALERT_CONTAINER_DOWN, look_down},          {ALERT_CONTAINER_RESTARTING, look_restarting},
    {ALERT_CONTAINER_MEMORY_HIGH, look_memory}, {ALERT_OOM_KILLED, look_killed},
    {ALERT_OOM_SCORE_WRONG, look_score},
};

/* ---- the list ---- */

/* What an engine has that does not answer for now is not known: all goes on as it was. */
static bool is_there(const struct containers *containers, const struct alert *alert)
{
    if (containers->state == CONTAINERS_STALE)
        return true;
    if (containers->state != CONTAINERS_UP)
        return false;
    for (size_t i = 0; i < containers->count; i++) {
        if (strncmp(containers->rows[i].facts->name, alert->container,
                    sizeof(alert->container) - 1) == 0)
            return true;
    }
    return false;
}

static void drop_gone(struct alerts *alerts, const struct containers *containers)
{
    for (size_t i = alerts->count; i-- > 0;) {
        if (!alerts->items[i].instance && !is_there(containers, &alerts->items[i]))
            alert_drop(alerts, i);
    }
}

static void update_row(struct alerts *alerts, const struct container_row *row,
                       const struct alert_config *config, double wall)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        const struct container_rule *rule = &rules[i];
        struct finding finding = {.value = NAN, .threshold = NAN};

        rule->look(row, &config[rule->name], wall, &finding);
        alert_apply(alerts, rule->name, (struct alert_about){.container = row->facts->name},
                    &config[rule->name], &finding, wall);
    }
}

void alerts_update_containers(struct alerts *alerts, const struct containers *containers,
                              const struct alert_config *config, double wall)
{
    drop_gone(alerts, containers);
    for (size_t i = 0; containers->state == CONTAINERS_UP && i < containers->count; i++)
        update_row(alerts, &containers->rows[i], config, wall);
    alert_sort(alerts);
}
