/* All that is known of one container, as text. */
#include "panels/containers.h"

#include "backend/base/strbuf.h"
#include "backend/container_check.h"

#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LABEL 15

static const char *or_absent(const char *text)
{
    return text && *text ? text : text_symbol(SYMBOL_ABSENT);
}

static void add(struct strbuf *out, const char *label, const char *text)
{
    strbuf_addf(out, "%-*s %s\n", LABEL, label, or_absent(text));
}

static void add_heading(struct strbuf *out, const char *heading)
{
    strbuf_addf(out, "\n%s\n", heading);
}

static const char *moment(double wall, char *out, size_t size)
{
    time_t seconds = (time_t)wall;
    struct tm local;

    if (isnan(wall) || wall <= 0)
        return NULL;
    localtime_r(&seconds, &local);
    strftime(out, size, "%Y-%m-%d %H:%M:%S", &local);
    return out;
}

static void add_moment(struct strbuf *out, const char *label, double wall, double now)
{
    char text[40], ago[TEXT_UNIT_SIZE];

    if (!moment(wall, text, sizeof(text)))
        return;
    strbuf_addf(out, "%-*s %s, %s ago\n", LABEL, label, text,
                uptime_text(now > wall ? now - wall : 0, ago));
}

/* Those that end a container: its exit code is 128 more. NULL: another one. */
static const char *signal_name(int code)
{
    static const struct {
        int number;
        const char *name;
    } signals[] = {{SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"},
                   {SIGILL, "SIGILL"},   {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"},
                   {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},   {SIGKILL, "SIGKILL"},
                   {SIGSEGV, "SIGSEGV"}, {SIGPIPE, "SIGPIPE"}, {SIGTERM, "SIGTERM"}};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        if (signals[i].number == code - 128)
            return signals[i].name;
    }
    return NULL;
}

/* ---- sections ---- */

static void add_end(struct strbuf *out, const struct container *facts, double now)
{
    const char *by = signal_name(facts->exit_code);
    char ago[TEXT_UNIT_SIZE];

    strbuf_addf(out, " with code %d", facts->exit_code);
    if (by)
        strbuf_addf(out, " (%s)", by);
    if (!isnan(facts->ended) && facts->ended > 0)
        strbuf_addf(out, " %s ago", uptime_text(now > facts->ended ? now - facts->ended : 0, ago));
    if (facts->oom_killed)
        strbuf_adds(out, ": the kernel killed it for want of memory");
}

static void add_state(struct strbuf *out, const struct container *facts, double now)
{
    const char *health = container_health_text(facts->health);

    strbuf_addf(out, "%-*s %s%s%s", LABEL, "state", container_state_text(facts->state),
                *health ? ", " : "", health);
    if (facts->state == CONTAINER_EXITED || facts->state == CONTAINER_DEAD)
        add_end(out, facts, now);
    strbuf_addc(out, '\n');
    if (facts->error && *facts->error)
        add(out, "engine's error", facts->error);
}

static void add_run(struct strbuf *out, const struct container_row *row,
                    const struct instance *instance, double now)
{
    static const char *const services[] = {
        [SERVICE_OTHER] = NULL, [SERVICE_POSTGRES] = "PostgreSQL", [SERVICE_REDIS] = "Redis"};
    const struct container *facts = row->facts;

    add_state(out, facts, now);
    if (services[facts->service])
        strbuf_addf(out, "%-*s %s%s%s\n", LABEL, "service", services[facts->service],
                    instance ? ", watched as " : ", not watched", instance ? instance->name : "");
    add_moment(out, "created", facts->created, now);
    add_moment(out, "started", facts->started, now);
    if (facts->state != CONTAINER_RUNNING)
        add_moment(out, "ended", facts->ended, now);
    strbuf_addf(out, "%-*s %d by the engine since it was created, %d in the last 10 minutes\n",
                LABEL, "restarts", facts->restarts, row->recent_restarts);
    add(out, "restart policy", facts->restart_policy);
    if (facts->project)
        strbuf_addf(out, "%-*s %s, service %s\n", LABEL, "compose", facts->project,
                    or_absent(facts->compose_service));
}

static void add_command(struct strbuf *out, char *const *command)
{
    struct strbuf line = {0};

    for (; command && *command; command++)
        strbuf_addf(&line, "%s%s", line.len ? " " : "", *command);
    add(out, "command", line.s);
    strbuf_free(&line);
}

static void add_image(struct strbuf *out, const struct container *facts)
{
    add_heading(out, "Image");
    add(out, "asked for", facts->image);
    add(out, "runs", facts->image_id);
    add(out, "tag stands for", facts->tag_id);
    add_command(out, facts->command);
    add(out, "id", facts->id);
}

static void add_bytes(struct strbuf *out, const char *label, int64_t bytes, const char *none)
{
    char text[TEXT_UNIT_SIZE];

    add(out, label, bytes == 0 && none ? none : bytes < 0 ? NULL : text_bytes(text, (double)bytes));
}

static void add_pressure(struct strbuf *out, const struct container_usage *usage)
{
    char text[4][TEXT_UNIT_SIZE];

    if (isnan(usage->psi_some) && isnan(usage->psi_cpu) && isnan(usage->psi_io))
        return;
    strbuf_addf(out, "%-*s memory %s (all of it %s), processors %s, disks %s of 10 s\n", LABEL,
                "waited for", text_percent(text[0], usage->psi_some / 100),
                text_percent(text[1], usage->psi_full / 100),
                text_percent(text[2], usage->psi_cpu / 100),
                text_percent(text[3], usage->psi_io / 100));
}

static void add_memory(struct strbuf *out, const struct container_row *row, double now)
{
    const struct container_usage *usage = &row->usage;
    int64_t limit = usage->memory_limit >= 0 ? usage->memory_limit : row->facts->memory_limit;
    char text[TEXT_UNIT_SIZE];

    add_heading(out, "Memory and processors");
    add_bytes(out, "used", usage->memory, NULL);
    add_bytes(out, "file cache", usage->memory_cache, NULL);
    add_bytes(out, "limit", limit, "none: as much as the host has");
    if (limit > 0 && usage->memory >= 0)
        add(out, "of limit", text_percent(text, (double)usage->memory / (double)limit));
    add(out, "processors", isnan(usage->cpu) ? NULL : text_percent(text, usage->cpu));
    add(out, "cpu time",
        isnan(usage->cpu_seconds) ? NULL : text_duration(text, usage->cpu_seconds));
    add_pressure(out, usage);
    add(out, "OOM kills", usage->oom_kills < 0 ? NULL : text_integer(text, usage->oom_kills));
    add_moment(out, "last OOM kill", row->oom_at, now);
}

static void add_oom(struct strbuf *out, const struct container_row *row)
{
    const struct container_usage *usage = &row->usage;
    char is[TEXT_UNIT_SIZE], text[96];

    strbuf_addf(out, "%-*s %s, asked for %d", LABEL, "oom_score_adj",
                usage->oom_score_adj == INT_MIN ? text_symbol(SYMBOL_ABSENT)
                                                : text_integer(is, usage->oom_score_adj),
                row->facts->oom_score_adj);
    if (row->oom_expected != INT_MIN)
        strbuf_addf(out, ", the configuration expects %d", row->oom_expected);
    strbuf_addc(out, '\n');
    snprintf(text, sizeof(text), "%s; the process with the highest is killed first",
             usage->oom_score < 0 ? text_symbol(SYMBOL_ABSENT)
                                  : text_integer(is, usage->oom_score));
    add(out, "oom_score", text);
    add(out, "main process",
        usage->pid > 0        ? text_integer(is, usage->pid)
        : row->facts->pid > 0 ? text_integer(is, row->facts->pid)
                              : NULL);
}

static void add_ports(struct strbuf *out, const struct container *facts)
{
    add_heading(out, "Ports");
    if (!facts->port_count)
        strbuf_adds(out, "none\n");
    for (size_t i = 0; i < facts->port_count; i++) {
        const struct container_port *port = &facts->ports[i];
        const char *protocol = port->udp ? "udp" : "tcp";

        if (port->published)
            strbuf_addf(out, "%d/%s published on %s port %d\n", port->port, protocol,
                        or_absent(port->address), port->published);
        else
            strbuf_addf(out, "%d/%s only on its networks\n", port->port, protocol);
    }
}

static void add_networks(struct strbuf *out, const struct container *facts)
{
    add_heading(out, "Networks");
    if (!facts->network_count)
        strbuf_adds(out, "none\n");
    for (size_t i = 0; i < facts->network_count; i++) {
        const struct container_network *network = &facts->networks[i];

        strbuf_addf(out, "%-*s %s%s%s\n", LABEL, or_absent(network->name),
                    or_absent(network->address), network->address6 ? ", " : "",
                    network->address6 ? network->address6 : "");
    }
}

static void add_mounts(struct strbuf *out, const struct container *facts)
{
    add_heading(out, "Mounts");
    if (!facts->mount_count)
        strbuf_adds(out, "none: what it writes goes with the container\n");
    for (size_t i = 0; i < facts->mount_count; i++) {
        const struct container_mount *mount = &facts->mounts[i];

        strbuf_addf(out, "%s is the %s %s\n", or_absent(mount->destination), or_absent(mount->type),
                    or_absent(mount->source));
    }
    if (facts->pgdata)
        add(out, "PGDATA", facts->pgdata);
}

static void add_flaws(struct strbuf *out, const struct container_row *row,
                      const struct instance *instance)
{
    if (!row->flaws)
        return;
    add_heading(out, "Warnings");
    for (int flaw = 0; flaw < CONTAINER_FLAWS; flaw++) {
        char text[512];

        if (row->flaws & (1U << flaw))
            strbuf_addf(
                out, "%s %s: %s\n", text_symbol(SYMBOL_WARNING),
                container_flaw_word((enum container_flaw)flaw),
                container_flaw_text(row, (enum container_flaw)flaw, instance, text, sizeof(text)));
    }
}

char *container_details(const struct container_row *row, const struct containers *containers,
                        const struct instance *instance, double now)
{
    struct strbuf text = {0};
    char *clean;

    strbuf_addf(&text, "%s (%s)\n", or_absent(row->facts->name), or_absent(row->facts->image));
    add_flaws(&text, row, instance);
    add_heading(&text, "State");
    add_run(&text, row, instance, now);
    add_memory(&text, row, now);
    add_oom(&text, row);
    add_ports(&text, row->facts);
    add_networks(&text, row->facts);
    add_mounts(&text, row->facts);
    add_image(&text, row->facts);
    if (containers->engine.name[0])
        strbuf_addf(&text, "%-*s %s %s\n", LABEL, "engine", containers->engine.name,
                    containers->engine.version);
    clean = text_clean(text.s, true);
    strbuf_free(&text);
    return clean;
}
