/* Hooks and words that several panels share. */
#include "panels/data.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *state_text(enum instance_state state)
{
    static const char *const texts[] = {
        [INSTANCE_CONNECTING] = "connecting",
        [INSTANCE_UP] = "up",
        [INSTANCE_STALE] = "stale",
        [INSTANCE_DOWN] = "down",
    };

    return texts[state];
}

enum symbol state_symbol(enum instance_state state)
{
    static const enum symbol symbols[] = {
        [INSTANCE_CONNECTING] = SYMBOL_CONNECTING,
        [INSTANCE_UP] = SYMBOL_UP,
        [INSTANCE_STALE] = SYMBOL_STALE,
        [INSTANCE_DOWN] = SYMBOL_DOWN,
    };

    return symbols[state];
}

enum role state_role(enum instance_state state)
{
    static const enum role roles[] = {
        [INSTANCE_CONNECTING] = ROLE_WARNING,
        [INSTANCE_UP] = ROLE_OK,
        [INSTANCE_STALE] = ROLE_STALE,
        [INSTANCE_DOWN] = ROLE_CRITICAL,
    };

    return roles[state];
}

enum role environment_role(enum environment environment)
{
    static const enum role roles[] = {
        [ENV_UNKNOWN] = ROLE_UNKNOWN,
        [ENV_PRODUCTION] = ROLE_PRODUCTION,
        [ENV_STAGING] = ROLE_STAGING,
        [ENV_DEV] = ROLE_DEV,
    };

    return roles[environment];
}

enum role environment_name_role(enum environment environment)
{
    if (environment == ENV_UNKNOWN)
        return ROLE_TEXT;
    return environment == ENV_PRODUCTION ? ROLE_PRODUCTION_NAME : environment_role(environment);
}

enum role severity_role(enum severity severity)
{
    static const enum role roles[] = {
        [SEVERITY_OK] = ROLE_OK,
        [SEVERITY_WARNING] = ROLE_WARNING,
        [SEVERITY_CRITICAL] = ROLE_CRITICAL,
    };

    return roles[severity];
}

const char *severity_text(enum severity severity)
{
    static const char *const texts[] = {
        [SEVERITY_OK] = "ok",
        [SEVERITY_WARNING] = "warning",
        [SEVERITY_CRITICAL] = "critical",
    };

    return texts[severity];
}

enum role threshold_role(const struct config *config, enum alert_name alert, double value)
{
    const struct alert_config *levels = &config->alerts[alert];

    if (isnan(value))
        return ROLE_TEXT;
    if (levels->critical > 0 && value >= levels->critical)
        return ROLE_CRITICAL;
    if (levels->warning > 0 && value >= levels->warning)
        return ROLE_WARNING;
    return ROLE_TEXT;
}

/* ---- the banner of an instance that is not well ---- */

static const char *source_fault(const struct panel *panel, const struct instance *instance)
{
    for (size_t i = 0; i < sizeof(instance->source_error) / sizeof(char *); i++) {
        if (instance->source_error[i] && (panel->class->needs & SOURCE_BIT(i)))
            return instance->source_error[i];
    }
    return NULL;
}

static void retry_text(const struct panel *panel, const struct instance *instance, char *out,
                       size_t size)
{
    uint64_t now = uv_now(panel_data(panel)->loop);

    if (instance->retry_at > now)
        snprintf(out, size, "; next try in %.0f s",
                 ceil((double)(instance->retry_at - now) / 1000));
    else
        snprintf(out, size, "; trying now");
}

/* The server is up and answers this panel, and keeps something from us for want of rights. */
static bool is_limited(const struct panel *panel, const struct instance *instance)
{
    return instance->state == INSTANCE_UP && instance->hint && !source_fault(panel, instance);
}

static void banner_text(const struct panel *panel, const struct instance *instance, char *out,
                        size_t size)
{
    char raw[1024], retry[48] = "";
    const char *fault = source_fault(panel, instance);

    if (instance->state == INSTANCE_UP && fault)
        snprintf(raw, sizeof(raw), "%s; asked again at each refresh", fault);
    else if (is_limited(panel, instance))
        snprintf(raw, sizeof(raw), "%s: %s", instance->error ? instance->error : "limited view",
                 instance->hint);
    else if (instance->state == INSTANCE_STALE)
        snprintf(raw, sizeof(raw), "the server does not answer; what is shown is its last word");
    else {
        retry_text(panel, instance, retry, sizeof(retry));
        snprintf(raw, sizeof(raw), "%s: %s%s", state_text(instance->state),
                 instance->error     ? instance->error
                 : instance->address ? instance->address
                                     : "",
                 retry);
    }
    text_sanitise(out, size, raw, strlen(raw), false, NULL);
}

static bool has_banner(const struct panel *panel, const struct instance *instance)
{
    return instance && (instance->state == INSTANCE_DOWN || instance->state == INSTANCE_STALE ||
                        (instance->state == INSTANCE_CONNECTING && instance->error) ||
                        (instance->state == INSTANCE_UP && source_fault(panel, instance)) ||
                        is_limited(panel, instance));
}

/* The mend has a line of its own unless the banner's text ends with it. */
static bool has_hint(const struct panel *panel, const struct instance *instance)
{
    const char *fault = source_fault(panel, instance);

    if (!instance->hint || instance->state == INSTANCE_STALE || is_limited(panel, instance))
        return false;
    return instance->state != INSTANCE_UP || (fault && !strstr(fault, instance->hint));
}

int banner_rows(const struct panel *panel, int columns)
{
    const struct instance *instance = panel_instance(panel);
    char text[1024];
    int rows;

    if (!has_banner(panel, instance))
        return 0;
    banner_text(panel, instance, text, sizeof(text));
    rows = overlay_text_lines(text, columns - 3);
    return (rows > 3 ? 3 : rows) + has_hint(panel, instance);
}

int banner_rows_full(const struct panel *panel, int columns)
{
    const struct instance *instance = panel_instance(panel);

    if (panel->tile && instance && (instance->state != INSTANCE_UP || is_limited(panel, instance)))
        return 0;
    return banner_rows(panel, columns);
}

void banner_draw(const struct panel *panel, struct rect area)
{
    const struct instance *instance = panel_instance(panel);
    enum role role = instance->state == INSTANCE_STALE ? ROLE_STALE
                     : is_limited(panel, instance)     ? ROLE_WARNING
                                                       : ROLE_CRITICAL;
    char text[1024], hint[512];
    int rows = area.h - has_hint(panel, instance);

    banner_text(panel, instance, text, sizeof(text));
    draw_text(area.y, area.x + 1, 2, role,
              text_symbol(instance->state == INSTANCE_UP ? SYMBOL_WARNING
                                                         : state_symbol(instance->state)));
    overlay_text(text, (struct rect){area.y, area.x + 3, rows > 0 ? rows : 1, area.w - 3}, 0, role);
    if (!has_hint(panel, instance) || rows < 1)
        return;
    text_sanitise(hint, sizeof(hint), instance->hint, strlen(instance->hint), false, NULL);
    draw_text(area.y + rows, area.x + 3, area.w - 3, ROLE_STRONG, hint);
}

/* ---- title and note ---- */

void instance_caption(const struct panel *panel, char *out, size_t size)
{
    const struct instance *instance = panel_instance(panel);
    const struct view_data *data = panel_data(panel);
    size_t count;

    if (!instance)
        return;
    count = backend_count(data->backend, instance->kind);
    if (count > 1)
        snprintf(out, size, "%s [%zu/%zu]", instance->name, data->current[instance->kind] + 1,
                 count);
    else
        snprintf(out, size, "%s", instance->name);
}

void stale_note(const struct panel *panel, const struct sample *sample, char *out, size_t size)
{
    const struct view_data *data = panel_data(panel);
    double age = data_age(data, sample);
    char text[TEXT_UNIT_SIZE];

    if (isnan(age) || age <= 2 * backend_interval(data->backend))
        return;
    snprintf(out, size, "%s %s", app_paused(panel->app) ? "paused, data is" : "stale",
             text_duration(text, floor(age)));
}

const char *uptime_text(double seconds, char *out)
{
    if (isnan(seconds) || seconds < 0)
        return text_symbol(SYMBOL_ABSENT);
    if (seconds < 60)
        snprintf(out, TEXT_UNIT_SIZE, "<1m");
    else if (seconds < 3600)
        snprintf(out, TEXT_UNIT_SIZE, "%.0fm", floor(seconds / 60));
    else
        text_duration(out, seconds);
    return out;
}

/* ---- alerts in words ---- */

static void worst_session(const struct alert *alert, const char *what, char *out, size_t size)
{
    char duration[TEXT_UNIT_SIZE], raw[512], more[48] = "";

    if (alert->count > 1)
        snprintf(more, sizeof(more), "; %d sessions in all", alert->count);
    snprintf(raw, sizeof(raw), "%s for %s: pid %d, %s%s", what,
             text_duration(duration, alert->value), alert->pid, alert->detail, more);
    text_sanitise(out, size, raw, strlen(raw), false, NULL);
}

static void restarting(const struct alert *alert, char *out, size_t size)
{
    if (alert->value >= 1)
        snprintf(out, size, "restarted %.0f time%s in 10 minutes", alert->value,
                 alert->value > 1 ? "s" : "");
    else
        snprintf(out, size, "it ends and is started again");
}

static void killed(const struct alert *alert, char *out, size_t size)
{
    char limit[TEXT_UNIT_SIZE];

    if (alert->value > 0)
        snprintf(out, size, "memory limit of %s reached: killed by the kernel",
                 text_bytes(limit, alert->value));
    else
        snprintf(out, size, "the host ran out of memory: killed by the kernel");
}

/* What a narrow column would show of it is the cause: the name of the alert says the rest. */
static void not_there(const struct alert *alert, const char *what, char *out, size_t size)
{
    if (alert->detail[0])
        text_sanitise(out, size, alert->detail, strlen(alert->detail), false, NULL);
    else
        snprintf(out, size, "%s", what);
}

const char *alert_message(const struct alert *alert, char *out, size_t size)
{
    char text[TEXT_UNIT_SIZE];

    switch (alert->name) {
    case ALERT_LONG_QUERY: worst_session(alert, "a query runs", out, size); return out;
    case ALERT_IDLE_IN_TRANSACTION:
        worst_session(alert, "idle in transaction", out, size);
        return out;
    case ALERT_POSTGRES_CONNECTIONS_HIGH:
        snprintf(out, size, "%.0f %% of max_connections are used", alert->value);
        break;
    case ALERT_REDIS_MEMORY_HIGH:
        snprintf(out, size, "%.0f %% of maxmemory are used", alert->value);
        break;
    case ALERT_REDIS_EVICTING:
        snprintf(out, size, "keys are evicted: %s a second", text_rate(text, alert->value));
        break;
    case ALERT_BLOCKED_SESSIONS:
        snprintf(out, size, "%.0f session%s wait%s for a lock that another one holds", alert->value,
                 alert->value > 1 ? "s" : "", alert->value > 1 ? "" : "s");
        break;
    case ALERT_CONTAINER_DOWN:
        not_there(alert, "the container does not run", out, size);
        return out;
    case ALERT_CONTAINER_RESTARTING: restarting(alert, out, size); break;
    case ALERT_CONTAINER_MEMORY_HIGH:
        snprintf(out, size, "%.0f %% of the container's memory limit are used", alert->value);
        break;
    case ALERT_OOM_KILLED: killed(alert, out, size); break;
    case ALERT_OOM_SCORE_WRONG:
        snprintf(out, size, "oom_score_adj is %.0f in place of %.0f: the kernel kills it %s",
                 alert->value, alert->threshold,
                 alert->value > alert->threshold ? "too early" : "too late");
        break;
    case ALERT_REDIS_SAVE_FAILING: snprintf(out, size, "the last save to disk failed"); break;
    default: not_there(alert, "the server is not there", out, size); return out;
    }
    if (alert->detail[0]) {
        size_t len = strlen(out);
        char clean[160];

        text_sanitise(clean, sizeof(clean), alert->detail, strlen(alert->detail), false, NULL);
        snprintf(out + len, size - len, ": %s", clean);
    }
    return out;
}
