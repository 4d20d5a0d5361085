/* What the app asks of the panels as a whole: the header line, completeness, what to poll. */
#include "panels/acts.h"
#include "panels/containers.h"
#include "panels/monitor.h"

#include "backend/base/strbuf.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- what to poll ---- */

static void add_needs(struct panel *panel, void *context)
{
    unsigned *needs = context;

    needs[panel->class->kind] |= panel->class->needs;
}

static void shown(void *context)
{
    struct view_data *data = context;
    unsigned needs[PANEL_REDIS + 1] = {0};

    if (!data->app)
        return;
    app_each_panel(data->app, add_needs, needs);
    for (size_t i = 0; i < backend_count(data->backend, INSTANCE_POSTGRES); i++)
        backend_want(data->backend, INSTANCE_POSTGRES, i,
                     i == data->current[INSTANCE_POSTGRES] ? needs[PANEL_POSTGRES] : 0);
    for (size_t i = 0; i < backend_count(data->backend, INSTANCE_REDIS); i++)
        backend_want(data->backend, INSTANCE_REDIS, i,
                     i == data->current[INSTANCE_REDIS] ? needs[PANEL_REDIS] : 0);
}

static unsigned pending(void *context)
{
    return backend_pending(((const struct view_data *)context)->backend);
}

static bool filled(void *context)
{
    return backend_filled(((const struct view_data *)context)->backend);
}

/* ---- what was discovered ---- */

#define FOUND_TOLD 4U /* by name; the others are counted */

static void add_found(const struct container *facts, size_t index, size_t all, struct strbuf *text)
{
    const char *before = !index ? "" : index + 1 == all ? " and " : ", ";

    if (index < FOUND_TOLD)
        strbuf_addf(text, "%s%s (%s)", before, facts->name ? facts->name : facts->id,
                    facts->image ? facts->image : "?");
}

/* What runs without a configuration must say once what it took. */
static void tell_found(struct view_data *data)
{
    const struct containers *containers = data->containers;
    struct strbuf text = {0};
    size_t all = 0, told = 0;

    for (size_t i = 0; i < containers->count; i++)
        all += containers->rows[i].watched;
    if (!all)
        return;
    strbuf_adds(&text, "found ");
    for (size_t i = 0; i < containers->count; i++) {
        if (containers->rows[i].watched)
            add_found(containers->rows[i].facts, told++, all, &text);
    }
    if (all > FOUND_TOLD)
        strbuf_addf(&text, " and %zu more", all - FOUND_TOLD);
    strbuf_addf(&text, " by %s at %s; 'sharedtop config init' writes a configuration",
                containers->engine.name, containers->socket ? containers->socket : "its socket");
    app_notice(data->app, ROLE_OK, text.s, NULL);
    strbuf_free(&text);
    data->found_told = true;
}

/* Once, at the start: an engine that is lost later has its alerts. */
static void tell_engine(struct view_data *data)
{
    char *problem;

    if (data->engine_told || data->containers->state == CONTAINERS_SEARCHING)
        return;
    data->engine_told = true;
    problem = containers_problem(data->containers, data->config);
    if (problem)
        app_notice(data->app, ROLE_WARNING, problem, NULL);
    free(problem);
}

static size_t count_instances(const struct backend *backend)
{
    return backend_count(backend, INSTANCE_POSTGRES) + backend_count(backend, INSTANCE_REDIS);
}

/* An instance that was not there at the last one has not been asked for what is shown. */
static void adopt(void *context)
{
    struct view_data *data = context;
    size_t count = count_instances(data->backend);

    data_adopt(data);
    if (count != data->instance_count)
        shown(data);
    data->instance_count = count;
    if (data->app && backend_filled(data->backend))
        tell_engine(data);
    if (data->app && data->config->discover && !data->found_told &&
        data->containers->state == CONTAINERS_UP && backend_filled(data->backend))
        tell_found(data);
}

static void suspend_panel(struct panel *panel, void *context)
{
    (void)context;
    if (panel->class == &monitor_panel)
        monitor_suspend(panel);
}

static void suspending(void *context)
{
    app_each_panel(((const struct view_data *)context)->app, suspend_panel, NULL);
}

/* The screen has been given back when this is written. */
static void tell_jobs(unsigned running)
{
    struct pollfd ready = {.fd = STDOUT_FILENO, .events = POLLOUT};

    if (!running || poll(&ready, 1, 100) != 1)
        return;
    dprintf(STDOUT_FILENO, "sharedtop: %u job%s on; 'sharedtop jobs' shows %s\n", running,
            running == 1 ? " goes" : "s go", running == 1 ? "it" : "them");
}

static void quit(void *context)
{
    const struct view_data *data = context;
    unsigned running = data->jobs ? jobs_running(data->jobs) : 0;

    data->quit(data->quit_context);
    tell_jobs(running);
}

static void uncovered(void *context)
{
    acts_uncovered(context);
}

/* ---- the header line ---- */

struct bar {
    int y, x, end;
};

static void bar_words(struct bar *bar, enum role role, const char *text)
{
    int width = text_width(text);

    if (bar->x + width >= bar->end)
        return;
    bar->x += draw_text(bar->y, bar->x, width, role, text) + 1;
}

static void bar_separator(struct bar *bar)
{
    bar_words(bar, ROLE_BAR, text_symbol(SYMBOL_SEPARATOR));
}

/* The gravest environment that an instance serves; what the config does not name is production. */
static enum environment instance_environment(const struct instance *instance)
{
    enum environment worst = ENV_DEV;
    const struct postgres_config *pg = instance->postgres_config;
    const struct redis_config *redis = instance->redis_config;
    size_t count = pg ? pg->environment_count : redis->database_count;

    for (size_t i = 0; i < count; i++) {
        enum environment of =
            pg ? pg->environments[i].environment : redis->databases[i].environment;

        if (of != ENV_UNKNOWN && of < worst)
            worst = of;
    }
    return count ? worst : ENV_UNKNOWN;
}

static enum environment shown_environment(const struct view_data *data)
{
    enum environment worst = ENV_UNKNOWN;

    for (int kind = 0; kind < INSTANCE_KINDS; kind++) {
        const struct instance *instance = data_instance(data, (enum instance_kind)kind);
        enum environment of = instance ? instance_environment(instance) : ENV_UNKNOWN;

        if (of != ENV_UNKNOWN && (worst == ENV_UNKNOWN || of < worst))
            worst = of;
    }
    return worst;
}

static const char *environment_label(enum environment environment, char *out, size_t size)
{
    snprintf(out, size, " %s ",
             environment == ENV_UNKNOWN ? "environment unknown" : environment_name(environment));
    return out;
}

/* ---- the instances: those that do not fit are counted, and what is not up comes first then ---- */

enum bar_rank { RANK_TROUBLE, RANK_CURRENT, RANK_OTHER };

#define MORE_COLUMNS 5 /* for "+12" */

static const char *instance_label(const struct instance *instance, bool versions, char *out,
                                  size_t size)
{
    char raw[128];

    snprintf(raw, sizeof(raw), "%s%s%s%s", instance->name,
             versions && instance->version[0] ? " " : "", versions ? instance->version : "",
             instance->tls && versions ? " TLS" : "");
    text_sanitise(out, size, raw, strlen(raw), false, NULL);
    return out;
}

/* With the gap behind it. */
static int instance_width(const struct instance *instance, bool versions)
{
    char text[128];
    int width = text_width(text_symbol(state_symbol(instance->state))) + 1;

    width += text_width(instance_label(instance, versions, text, sizeof(text))) + 1;
    if (instance->state != INSTANCE_UP)
        width += text_width(state_text(instance->state)) + 1;
    return width;
}

static int all_width(const struct view_data *data, bool versions)
{
    int width = 0;

    for (int kind = 0; kind < INSTANCE_KINDS; kind++) {
        for (size_t i = 0; i < backend_count(data->backend, (enum instance_kind)kind); i++)
            width += instance_width(backend_instance(data->backend, (enum instance_kind)kind, i),
                                    versions);
    }
    return width;
}

static void bar_instance(struct bar *bar, const struct instance *instance, bool versions)
{
    enum role role = state_role(instance->state);
    char text[128];

    bar_words(bar, role, text_symbol(state_symbol(instance->state)));
    bar_words(bar, ROLE_BAR, instance_label(instance, versions, text, sizeof(text)));
    if (instance->state != INSTANCE_UP)
        bar_words(bar, role, state_text(instance->state));
}

static enum bar_rank instance_rank(const struct view_data *data, const struct instance *instance)
{
    if (instance->state != INSTANCE_UP)
        return RANK_TROUBLE;
    return instance == data_instance(data, instance->kind) ? RANK_CURRENT : RANK_OTHER;
}

/* Those of a rank, until one does not fit; returns how many were left out. */
static size_t bar_ranked(struct bar *bar, const struct view_data *data, enum bar_rank rank,
                         size_t left)
{
    for (int kind = 0; kind < INSTANCE_KINDS; kind++) {
        for (size_t i = 0; i < backend_count(data->backend, (enum instance_kind)kind); i++) {
            const struct instance *instance =
                backend_instance(data->backend, (enum instance_kind)kind, i);

            if (instance_rank(data, instance) != rank)
                continue;
            if (left || bar->x + instance_width(instance, false) > bar->end)
                left++;
            else
                bar_instance(bar, instance, false);
        }
    }
    return left;
}

static void bar_some(struct bar *bar, const struct view_data *data)
{
    size_t left, trouble;
    char text[24];

    bar->end -= MORE_COLUMNS;
    left = trouble = bar_ranked(bar, data, RANK_TROUBLE, 0);
    left = bar_ranked(bar, data, RANK_CURRENT, left);
    left = bar_ranked(bar, data, RANK_OTHER, left);
    bar->end += MORE_COLUMNS;
    snprintf(text, sizeof(text), "+%zu", left);
    bar_words(bar, trouble ? ROLE_CRITICAL : ROLE_BAR_TITLE, text);
}

static void bar_all(struct bar *bar, const struct view_data *data, bool versions)
{
    for (int kind = 0; kind < INSTANCE_KINDS; kind++) {
        for (size_t i = 0; i < backend_count(data->backend, (enum instance_kind)kind); i++)
            bar_instance(bar, backend_instance(data->backend, (enum instance_kind)kind, i),
                         versions);
    }
}

/* kept: columns for what comes behind them. */
static void bar_instances(struct bar *bar, const struct view_data *data, bool versions, int kept)
{
    int room;

    bar->end -= kept;
    room = bar->end - bar->x - 1;
    if (versions && all_width(data, true) <= room)
        bar_all(bar, data, true);
    else if (all_width(data, false) <= room)
        bar_all(bar, data, false);
    else
        bar_some(bar, data);
    bar->end += kept;
}

static void bar_alerts(struct bar *bar, const struct view_data *data)
{
    const struct alerts *alerts = backend_alerts(data->backend);
    enum severity worst = alerts_worst(alerts);
    char text[64];

    if (!alerts->count) {
        bar_words(bar, ROLE_BAR, "no alerts");
        return;
    }
    snprintf(text, sizeof(text), "%s %zu alert%s",
             text_symbol(worst == SEVERITY_CRITICAL ? SYMBOL_CRITICAL : SYMBOL_WARNING),
             alerts->count, alerts->count == 1 ? "" : "s");
    bar_words(bar, severity_role(worst), text);
}

static void bar_work(struct bar *bar, const struct view_data *data)
{
    unsigned jobs = data->jobs ? jobs_running(data->jobs) : 0, acts = acts_under_way(data);
    char text[48];

    if (acts) {
        snprintf(text, sizeof(text), "%s %u act%s", text_symbol(SYMBOL_JOB), acts,
                 acts == 1 ? "" : "s");
        bar_words(bar, ROLE_ACTIVE, text);
    }
    if (jobs) {
        snprintf(text, sizeof(text), "%s %u job%s", text_symbol(SYMBOL_JOB), jobs,
                 jobs == 1 ? "" : "s");
        bar_words(bar, ROLE_ACTIVE, text);
    }
}

static void bar_modes(struct bar *bar, const struct view_data *data)
{
    if (app_paused(data->app) || data->read_only || data->monitor_note)
        bar_separator(bar);
    if (app_paused(data->app))
        bar_words(bar, ROLE_WARNING, "PAUSED");
    if (data->read_only)
        bar_words(bar, ROLE_STRONG, "read-only");
    if (data->monitor_note)
        bar_words(bar, ROLE_ACTIVE, data->monitor_note);
}

/* What matters most comes first: what does not fit is left out. */
static void header(void *context, struct rect line)
{
    const struct view_data *data = context;
    struct bar bar = {line.y, line.x + 1, line.x + line.w};
    enum environment environment = shown_environment(data);
    bool wide = line.w >= 110;
    char text[96], clock[TEXT_UNIT_SIZE];

    draw_fill(line, ROLE_BAR);
    if (wide)
        bar_words(&bar, ROLE_BAR_TITLE, "sharedtop");
    snprintf(text, sizeof(text), "%.*s", wide ? 40 : 16, data->host);
    bar_words(&bar, ROLE_BAR_TITLE, text);
    bar_words(&bar, ROLE_BAR, text_clock(clock, (double)time(NULL)));
    if (wide) {
        snprintf(text, sizeof(text), "every %gs", backend_interval(data->backend));
        bar_words(&bar, ROLE_BAR, text);
    }
    bar_separator(&bar);
    bar_alerts(&bar, data);
    bar_work(&bar, data);
    bar_modes(&bar, data);
    bar_separator(&bar);
    environment_label(environment, text, sizeof(text));
    bar_instances(&bar, data, wide, environment == ENV_UNKNOWN ? 0 : text_width(text) + 1);
    bar_words(&bar, environment_role(environment), text);
}

const struct app_hooks panel_hooks = {
    .header = header,
    .pending = pending,
    .filled = filled,
    .adopt = adopt,
    .shown = shown,
    .suspending = suspending,
    .quit = quit,
    .uncovered = uncovered,
};
