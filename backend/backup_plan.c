#include "backend/backup_plan.h"

#include "backend/backup_dump.h"
#include "backend/backup_words.h"
#include "backend/base/mem.h"
#include "backend/textfile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *times(size_t count)
{
    return count == 1 ? "" : "s";
}

static void add_size(struct plan *plan, const struct backup_wanted *wanted, const char *label)
{
    char size[BACKUP_WORD];

    if (wanted->tables >= 0)
        plan_add(plan, PLAN_EVIDENCE, label, "%s on the server, %.0f table%s",
                 backup_bytes(size, wanted->size), wanted->tables, times((size_t)wanted->tables));
    else if (wanted->last.file && wanted->last.table_count >= 0)
        plan_add(plan, PLAN_EVIDENCE, label, "%s on the server, %lld table%s at the last backup",
                 backup_bytes(size, wanted->size), (long long)wanted->last.table_count,
                 times((size_t)wanted->last.table_count));
    else
        plan_add(plan, PLAN_EVIDENCE, label, "%s on the server", backup_bytes(size, wanted->size));
}

static double seconds_of(const struct manifest *last)
{
    return backup_time(last->ended) - backup_time(last->started);
}

static void add_last(struct plan *plan, const struct backup_wanted *wanted)
{
    const struct manifest *last = &wanted->last;
    char size[BACKUP_WORD], time[BACKUP_WORD];

    if (last->file)
        plan_add(plan, PLAN_EVIDENCE, "last backup", "%s in %s, %s: %s",
                 backup_bytes(size, (double)last->bytes), backup_duration(time, seconds_of(last)),
                 last->started ? last->started : "at a time unknown", last->file);
    else
        plan_add(plan, PLAN_EVIDENCE, "last backup", "none in this folder");
}

/* What all of them take, as far as it is known. */
static void add_sums(struct plan *plan, const struct backup_act *act)
{
    double size = 0, bytes = 0, seconds = 0;
    size_t known = 0;
    char a[BACKUP_WORD], b[BACKUP_WORD];

    for (size_t i = 0; i < act->survey->count; i++) {
        const struct backup_wanted *wanted = &act->survey->wanted[i];

        add_size(plan, wanted, wanted->name);
        size += wanted->size > 0 ? wanted->size : 0;
        if (wanted->last.file && !isnan(seconds_of(&wanted->last))) {
            bytes += (double)wanted->last.bytes;
            seconds += seconds_of(&wanted->last);
            known++;
        }
    }
    plan_add(plan, PLAN_EVIDENCE, "size", "%s on the server", backup_bytes(a, size));
    plan_add(plan, PLAN_EVIDENCE, "last backups", "%s in %s, of %zu of %zu databases",
             backup_bytes(a, bytes), backup_duration(b, seconds), known, act->survey->count);
}

static double sum_of_needs(const struct backup_act *act)
{
    double sum = 0;

    for (size_t i = 0; i < act->survey->count; i++) {
        const double need = backup_need(&act->survey->wanted[i]);

        sum += need > 0 ? need : 0;
    }
    return sum;
}

static double sum_of_sizes(const struct backup_act *act)
{
    double sum = 0;

    for (size_t i = 0; i < act->survey->count; i++)
        sum += act->survey->wanted[i].size > 0 ? act->survey->wanted[i].size : 0;
    return sum;
}

/* A dump is nearly never larger than its database: with that much free nothing is to be said. */
static void add_space(struct plan *plan, const struct backup_act *act)
{
    const struct backup_survey *survey = act->survey;
    const bool there = survey->measured && strcmp(survey->measured, act->survey->folder) == 0;
    char have[BACKUP_WORD], need[BACKUP_WORD], size[BACKUP_WORD];

    plan_add(plan, PLAN_EVIDENCE, "free space", "%s in %s%s%s", backup_bytes(have, survey->free),
             survey->measured,
             there ? "" : ", where this folder will be made: ", there ? "" : act->survey->folder);
    plan_add(plan, PLAN_EVIDENCE, "needed", "about %s, by the last dump or the size",
             backup_bytes(need, sum_of_needs(act)));
    if (survey->free >= 0 && survey->free < sum_of_sizes(act))
        plan_add(plan, PLAN_WARNING, "",
                 "the free space would not do if the dump were as large as the database (%s)",
                 backup_bytes(size, sum_of_sizes(act)));
}

static void add_keep(struct plan *plan, const struct action *action)
{
    const int keep = action->config->backup.keep;

    if (keep > 0)
        plan_add(plan, PLAN_EVIDENCE, "kept",
                 "the newest %d dump%s of %s; older ones of this folder are removed afterwards",
                 keep, times((size_t)keep),
                 action->request.all ? "each database" : "this database");
    else
        plan_add(plan, PLAN_EVIDENCE, "kept", "all older dumps");
}

static void add_warnings(struct plan *plan, const struct action *action,
                         const struct backup_act *act)
{
    if (act->replica)
        plan_add(plan, PLAN_WARNING, "",
                 "the server is a replica: what it replays may end a long dump "
                 "(max_standby_streaming_delay)");
    if (!act->sized)
        plan_add(plan, PLAN_WARNING, "", "measuring the size took too long: it is not known");
    if (action->request.all)
        plan_add(plan, PLAN_WARNING, "",
                 act->superuser
                     ? "the globals hold the password hashes of all roles: only you may read them"
                     : "without superuser the globals come without the roles' passwords");
    for (size_t i = 0; i < act->survey->count; i++) {
        const struct backup_wanted *wanted = &act->survey->wanted[i];

        if (!wanted->may_connect)
            plan_add(plan, PLAN_WARNING, "",
                     "no right to connect to %s: its backup will fail (GRANT CONNECT)",
                     wanted->name);
        if (wanted->running)
            plan_add(plan, PLAN_WARNING, "", "job %s backs up %s already", wanted->running,
                     wanted->name);
    }
}

/* name NULL: the globals. */
static void add_command(struct action *action, const char *name)
{
    static const char *const dump[] = {"--format=custom", "--verbose", BACKUP_LOCK_WAIT,
                                       "--snapshot=EXPORTED", NULL};
    const struct backup_act *act = action->state;
    char *at = mem_printf("--database=%s", act->database);
    const char *const globals[] = {"--globals-only", at,
                                   act->superuser ? NULL : "--no-role-passwords", NULL};
    const struct backup_survey *survey = act->survey;
    char *stem = name ? manifest_file_name(name) : mem_strdup("globals");
    char *path = mem_printf("%s/%s-TIME.%s", survey->folder, stem, name ? "dump" : "sql");
    char *quoted = textfile_shell_quoted(path);
    char *call =
        backup_tool_call(survey->config, &survey->tool, name ? NULL : "pg_dumpall", action->id,
                         name ? name : act->database, act->user, name ? dump : globals);

    plan_add(&action->plan, PLAN_COMMAND, "", "%s > %s", call, quoted);
    free(call);
    free(at);
    free(quoted);
    free(path);
    free(stem);
}

static void add_commands(struct action *action)
{
    const struct backup_act *act = action->state;
    struct plan *plan = &action->plan;

    if (action->request.all)
        add_command(action, NULL);
    for (size_t i = 0; i < act->survey->count; i++)
        add_command(action, act->survey->wanted[i].name);
    plan_add(plan, PLAN_COMMAND, "",
             "pg_restore --list and pg_restore --file=/dev/null of each dump");
    if (action->request.count_rows)
        plan_add(plan, PLAN_COMMAND, "", "SELECT count(*) FROM ONLY … (each table)");
}

/* Refused when the dump is not likely to have room; it never does harm, as it would only fail. */
static void judge(struct action *action)
{
    const struct backup_act *act = action->state;
    const struct backup_survey *survey = act->survey;
    char have[BACKUP_WORD], need[BACKUP_WORD];

    if (survey->error)
        action_refuse(action, "%s", survey->error);
    else if (survey->tool.error)
        action_refuse(action, "%s", survey->tool.error);
    else if (survey->free >= 0 && survey->free < sum_of_needs(act))
        action_refuse(action,
                      "not enough space in %s: about %s are needed, %s are free: free some, or "
                      "choose another folder (--to)",
                      survey->measured, backup_bytes(need, sum_of_needs(act)),
                      backup_bytes(have, survey->free));
    else
        action_prepared(action);
}

void backup_plan_complete(struct action *action)
{
    const struct backup_act *act = action->state;
    struct plan *plan = &action->plan;

    add_commands(action);
    add_warnings(plan, action, act);
    if (action->request.all) {
        add_sums(plan, act);
    } else {
        add_size(plan, &act->survey->wanted[0], "size");
        add_last(plan, &act->survey->wanted[0]);
    }
    if (act->survey->measured)
        add_space(plan, act);
    if (act->survey->tool.version)
        plan_add(plan, PLAN_EVIDENCE, "tool", "%s; the server is %s", act->survey->tool.version,
                 act->version);
    if (act->survey->tool.reason)
        plan_add(plan, PLAN_EVIDENCE, "tool", "%s", act->survey->tool.reason);
    add_keep(plan, action);
    judge(action);
}

void backup_plan_name(struct action *action)
{
    const struct postgres_config *config = action->impl->pub.postgres_config;
    const struct backup_act *act = action->state;
    struct plan *plan = &action->plan;

    plan->environment = postgres_environment(config, act->survey->wanted[0].name);
    for (size_t i = 1; i < act->survey->count; i++)
        plan->environment = policy_stricter(
            plan->environment, postgres_environment(config, act->survey->wanted[i].name));
    if (action->request.all) {
        plan->title = mem_printf("Back up %zu database%s and the globals", act->survey->count,
                                 times(act->survey->count));
        plan->target = mem_strdup("all databases");
        plan->confirm = mem_strdup(action->impl->pub.name);
    } else {
        plan->title = mem_printf("Back up %s", act->survey->wanted[0].name);
        plan->target = mem_strdup(act->survey->wanted[0].name);
        plan->confirm = mem_strdup(act->survey->wanted[0].name);
    }
}
