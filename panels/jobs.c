/* Jobs: long work that runs by itself, of this dashboard and of others; and what came of it. */
#include "panels/jobs.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/statedir.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The list is another one from time to time: rows are copies, so that a paused screen keeps its. */
struct jobs_panel {
    struct job_list list;
    const void **rows;
    double now; /* the table's context */
};

/* ---- cells ---- */

static uint64_t identity(const void *row)
{
    uint64_t hash = 14695981039346656037ULL;

    for (const char *c = ((const struct job_info *)row)->id; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211ULL;
    return hash;
}

static enum role job_role(enum job_state state)
{
    static const enum role roles[] = {
        [JOB_STARTING] = ROLE_ACTIVE, [JOB_RUNNING] = ROLE_ACTIVE, [JOB_DONE] = ROLE_OK,
        [JOB_FAILED] = ROLE_CRITICAL, [JOB_DIED] = ROLE_CRITICAL,  [JOB_CANCELLED] = ROLE_WARNING,
    };

    return roles[state];
}

static enum symbol job_symbol(enum job_state state)
{
    static const enum symbol symbols[] = {
        [JOB_STARTING] = SYMBOL_JOB, [JOB_RUNNING] = SYMBOL_JOB, [JOB_DONE] = SYMBOL_DONE,
        [JOB_FAILED] = SYMBOL_DOWN,  [JOB_DIED] = SYMBOL_DOWN,   [JOB_CANCELLED] = SYMBOL_WARNING,
    };

    return symbols[state];
}

static const char *state_word(const struct job_info *job)
{
    return job->cancelling && !job_state_ended(job->state) ? "ending" : job_state_text(job->state);
}

static void state(const void *row, const void *context, struct cell *cell)
{
    const struct job_info *job = row;
    char label[24];

    (void)context;
    cell_set_text(cell, state_word(job));
    snprintf(label, sizeof(label), "%s %s", text_symbol(job_symbol(job->state)), state_word(job));
    cell_set_label(cell, label);
    cell->role = job_role(job->state);
}

static void act(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, act_name(((const struct job_info *)row)->act));
}

static void instance_name(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct job_info *)row)->instance);
}

static void target(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct job_info *)row)->target);
}

/* Bytes tell more than items; both are estimates while it runs. */
static double done_fraction(const struct job_info *job)
{
    double fraction = NAN;

    if (job->state == JOB_DONE)
        return 1;
    if (job->bytes >= 0 && job->bytes_total > 0)
        fraction = job->bytes / job->bytes_total;
    else if (job->items >= 0 && job->items_total > 0)
        fraction = job->items / job->items_total;
    return fraction > 0.99 ? 0.99 : fraction; /* whole only when it is done */
}

#define BAR_CELLS 5

static void draw_bar(char *out, size_t size, double fraction)
{
    int eighths = (int)(fraction * BAR_CELLS * 8);
    size_t len = 0;

    for (int i = 0; i < BAR_CELLS && len + 4 < size; i++, eighths -= 8) {
        int part = eighths >= 8 ? 8 : eighths > 0 ? eighths : 0;

        if (text_ascii())
            out[len++] = part >= 4 ? '#' : '-';
        else
            len += text_encode(part ? 0x2590U - (uint32_t)part : 0x2591, out + len); /* █ to ▏, ░ */
    }
    snprintf(out + len, size - len, " %.0f%%", floor(fraction * 100));
}

static void progress(const void *row, const void *context, struct cell *cell)
{
    const struct job_info *job = row;
    double fraction = done_fraction(job);
    char label[24];

    (void)context;
    cell_set_number(cell, CELL_PERCENT, fraction);
    if (isnan(fraction) || (job_state_ended(job->state) && job->state != JOB_DONE))
        return;
    draw_bar(label, sizeof(label), fraction);
    cell_set_label(cell, label);
    cell->role = job_role(job->state);
}

static void bytes(const void *row, const void *context, struct cell *cell)
{
    double value = ((const struct job_info *)row)->bytes;

    (void)context;
    cell_set_number(cell, CELL_BYTES, value >= 0 ? value : NAN);
}

static void items(const void *row, const void *context, struct cell *cell)
{
    const struct job_info *job = row;
    char label[24], done[TEXT_UNIT_SIZE], all[TEXT_UNIT_SIZE];

    (void)context;
    cell_set_number(cell, CELL_COUNT, job->items >= 0 ? job->items : NAN);
    if (job->items < 0 || job->items_total < 0)
        return;
    snprintf(label, sizeof(label), "%.10s/%.10s", text_count(done, job->items),
             text_count(all, job->items_total));
    cell_set_label(cell, label);
}

static void started(const void *row, const void *context, struct cell *cell)
{
    const struct job_info *job = row;
    char text[TEXT_UNIT_SIZE];

    (void)context;
    cell_set_number(cell, CELL_INTEGER, job->started);
    if (!isnan(job->started))
        cell_set_label(cell, text_clock(text, job->started));
}

static void elapsed(const void *row, const void *context, struct cell *cell)
{
    const struct job_info *job = row;
    double taken = isnan(job->ended) ? floor(*(const double *)context - job->started)
                                     : job->ended - job->started;

    cell_set_number(cell, CELL_DURATION, taken > 0 ? taken : 0);
    if (isnan(job->started) || job->state == JOB_DIED)
        cell->type = CELL_NONE;
}

static void eta(const void *row, const void *context, struct cell *cell)
{
    const struct job_info *job = row;

    cell_set_number(cell, CELL_DURATION,
                    job_state_ended(job->state) ? NAN : job_eta(job, *(const double *)context));
}

static void result(const void *row, const void *context, struct cell *cell)
{
    const struct job_info *job = row;

    (void)context;
    cell_set_text(cell, job->result ? job->result : job->phase);
    if (job->state == JOB_FAILED || job->state == JOB_DIED)
        cell->role = ROLE_WARNING;
}

static const struct column columns[] = {
    {.name = "state",
     .title = "STATE",
     .width = 11,
     .cell = state,
     .help = "running, done, failed, cancelled; died: its process has gone without a word"},
    {.name = "act", .title = "ACT", .width = 8, .cell = act, .help = "what it does"},
    {.name = "instance",
     .title = "INSTANCE",
     .width = 12,
     .max = 18,
     .priority = 6,
     .cell = instance_name,
     .help = "where"},
    {.name = "target",
     .title = "TARGET",
     .width = 14,
     .max = 26,
     .cell = target,
     .help = "on what"},
    {.name = "progress",
     .title = "PROGRESS",
     .width = 10,
     .cell = progress,
     .help = "by bytes, else by tables or keys; an estimate until it is done"},
    {.name = "bytes",
     .title = "BYTES",
     .width = 6,
     .right = true,
     .descending = true,
     .priority = 3,
     .cell = bytes,
     .help = "written or read so far"},
    {.name = "items",
     .title = "DONE/ALL",
     .width = 11,
     .right = true,
     .descending = true,
     .priority = 4,
     .cell = items,
     .help = "tables, or keys, done of all"},
    {.name = "started",
     .title = "STARTED",
     .width = 8,
     .priority = 5,
     .descending = true,
     .cell = started,
     .help = "when it began (seconds since 1970 in JSON)"},
    {.name = "elapsed_seconds",
     .title = "TIME",
     .width = 6,
     .right = true,
     .descending = true,
     .cell = elapsed,
     .help = "how long it has taken"},
    {.name = "eta_seconds",
     .title = "LEFT",
     .width = 6,
     .right = true,
     .descending = true,
     .priority = 2,
     .cell = eta,
     .help = "estimated time that is left"},
    {.name = "result",
     .title = "RESULT",
     .width = 14,
     .grow = 1,
     .cell = result,
     .help = "what it does now, or what came of it; Enter shows all"},
};

static const struct table_class table = {
    .columns = columns, .count = sizeof(columns) / sizeof(columns[0]), .identity = identity};

/* ---- rows ---- */

static void free_copies(struct jobs_panel *jobs)
{
    job_list_free(&jobs->list);
    jobs->list = (struct job_list){0};
}

static struct job_info copy_job(const struct job_info *job)
{
    struct job_info copy = *job;

    copy.id = mem_strdup(job->id);
    copy.instance = mem_strdup(job->instance);
    copy.target = mem_strdup(job->target);
    copy.phase = mem_strdup(job->phase);
    copy.result = mem_strdup(job->result);
    copy.file = mem_strdup(job->file);
    copy.offer = mem_strdup(job->offer);
    copy.made = mem_strdup(job->made);
    return copy;
}

static void update(struct panel *panel)
{
    struct jobs_panel *jobs = panel->state;
    const struct view_data *data = panel_data(panel);
    const struct job_list *list = data->jobs ? jobs_list(data->jobs) : NULL;
    size_t count = list ? list->count : 0;

    free_copies(jobs);
    jobs->list.items = mem_array(NULL, count, sizeof(*jobs->list.items));
    jobs->list.count = count;
    jobs->rows = mem_array(jobs->rows, count, sizeof(*jobs->rows));
    for (size_t i = 0; i < count; i++) {
        jobs->list.items[i] = copy_job(&list->items[i]);
        jobs->rows[i] = &jobs->list.items[i];
    }
    jobs->now = (double)time(NULL);
    table_rows(&panel->table, jobs->rows, count, &jobs->now);
}

static void close_panel(struct panel *panel)
{
    struct jobs_panel *jobs = panel->state;

    free_copies(jobs);
    free(jobs->rows);
}

static void note(const struct panel *panel, char *out, size_t size)
{
    const struct view_data *data = panel_data(panel);
    unsigned running = data->jobs ? jobs_running(data->jobs) : 0;

    if (running)
        snprintf(out, size, "%u running", running);
}

static void empty(const struct panel *panel, char *out, size_t size)
{
    (void)panel;
    snprintf(out, size,
             "no job yet: backups (B), restores (R), deletes by pattern and restarts run as jobs, "
             "apart from this dashboard, and are listed here");
}

const struct job_info *jobs_selected(const struct view_data *data)
{
    const struct panel *panel = app_focus(data->app);

    return panel && panel->class->table == &table ? table_selected(&panel->table) : NULL;
}

/* ---- details: the log is read off the loop ---- */

#define LOG_TAIL 8192

struct reading {
    uv_work_t work; /* first */
    struct view_data *data;
    char *log_path, *manifest_path, *head; /* head: what is known without them */
    char *log, *manifest;
};

/* The end of a file, or NULL. */
static char *read_tail(const char *path)
{
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : -1;
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
    char *text = NULL;
    ssize_t len;

    if (size > 0) {
        text = mem_alloc(LOG_TAIL + 1);
        len = pread(fd, text, LOG_TAIL, size > LOG_TAIL ? size - LOG_TAIL : 0);
        text[len > 0 ? len : 0] = '\0';
    }
    if (fd >= 0)
        close(fd);
    return text;
}

static void read_files(uv_work_t *work)
{
    struct reading *reading = (struct reading *)work;

    reading->log = read_tail(reading->log_path);
    reading->manifest = read_tail(reading->manifest_path);
}

static void add_part(struct strbuf *text, const char *heading, const char *part)
{
    if (part)
        strbuf_addf(text, "\n%s\n%s%s", heading, part, part[strlen(part)] == '\n' ? "" : "\n");
}

static void files_read(uv_work_t *work, int status)
{
    struct reading *reading = (struct reading *)work;
    struct strbuf text = {0};
    char *all;

    (void)status;
    strbuf_adds(&text, reading->head);
    add_part(&text, "Manifest", reading->manifest);
    add_part(&text, "Log", reading->log);
    all = strbuf_take(&text);
    if (!reading->data->closed)
        app_push(reading->data->app, pager_new("Job", text_clean(all, true)));
    free(all);
    free(reading->log);
    free(reading->manifest);
    free(reading->log_path);
    free(reading->manifest_path);
    free(reading->head);
    free(reading);
}

static void add_field(struct strbuf *text, const char *name, const char *value)
{
    if (value)
        strbuf_addf(text, "%-10s %s\n", name, value);
}

static char *job_text(const struct job_info *job)
{
    struct strbuf text = {0};
    char number[TEXT_UNIT_SIZE];

    strbuf_addf(&text, "%s: %s\n\n", act_name(job->act), state_word(job));
    add_field(&text, "result", job->result);
    add_field(&text, "phase", job->phase);
    add_field(&text, "instance", job->instance);
    add_field(&text, "target", job->target);
    add_field(&text, "file", job->file);
    add_field(&text, "made", job->made);
    if (job->offer)
        strbuf_addf(&text, "%-10s R replaces %s by it\n", "offer", job->offer);
    if (!isnan(job->started))
        strbuf_addf(&text, "%-10s %s\n", "started", text_clock(number, job->started));
    if (!isnan(job->ended))
        strbuf_addf(&text, "%-10s %s\n", "ended", text_clock(number, job->ended));
    if (job->bytes >= 0)
        strbuf_addf(&text, "%-10s %s\n", "bytes", text_bytes(number, job->bytes));
    if (job->items >= 0)
        strbuf_addf(&text, "%-10s %.0f%s\n", "done", job->items,
                    job->act == ACT_DELETE ? " keys" : " tables");
    strbuf_addf(&text, "%-10s %s\n", "id", job->id);
    return strbuf_take(&text);
}

static char *log_path(const char *id)
{
    char *error = NULL, *jobs = statedir_path("jobs", &error), *path = NULL;

    if (jobs)
        path = mem_printf("%s/%s/log", jobs, id);
    free(error);
    free(jobs);
    return path;
}

void jobs_details_key(struct app *app, int argument)
{
    struct view_data *data = app_data(app);
    const struct job_info *job = jobs_selected(data);
    struct reading *reading;

    (void)argument;
    if (!job)
        return;
    reading = mem_zalloc(sizeof(*reading));
    reading->data = data;
    reading->head = job_text(job);
    reading->log_path = log_path(job->id);
    reading->manifest_path = job->file && job->act == ACT_BACKUP && job->state == JOB_DONE
                                 ? mem_printf("%s.json", job->file)
                                 : NULL;
    uv_queue_work(data->loop, &reading->work, read_files, files_read);
}

/* ---- the end of one is told ---- */

static const struct job_info *find_job(const struct job_list *list, const char *id)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].id, id) == 0)
            return &list->items[i];
    }
    return NULL;
}

static void tell_end(struct view_data *data, const struct job_info *job)
{
    const char *word = job_state_text(job->state);
    bool more = job->result && strcmp(job->result, word) != 0;
    char *line =
        mem_printf("%s %s of %s %s%s%s%s", text_symbol(job_symbol(job->state)), act_name(job->act),
                   job->target ? job->target : "?", word, more ? ": " : "", more ? job->result : "",
                   job->offer ? "; R in Jobs lets it take the old one's place" : "");

    app_notice(data->app, job_role(job->state), line, NULL);
    free(line);
}

/* A job that was seen to go on, or that we have started. It stays as long as the job is listed, so
 * that nothing tells its end again. */
struct job_watch {
    char *id;
    bool listed, told;
};

void jobs_forget(struct view_data *data)
{
    for (size_t i = 0; i < data->job_watch_count; i++)
        free(data->job_watches[i].id);
    free(data->job_watches);
    data->job_watches = NULL;
    data->job_watch_count = 0;
}

static struct job_watch *find_watch(const struct view_data *data, const char *id)
{
    for (size_t i = 0; i < data->job_watch_count; i++) {
        if (strcmp(data->job_watches[i].id, id) == 0)
            return &data->job_watches[i];
    }
    return NULL;
}

static struct job_watch *watch_job(struct view_data *data, const char *id)
{
    struct job_watch *watch = find_watch(data, id);

    if (watch)
        return watch;
    data->job_watches =
        mem_array(data->job_watches, data->job_watch_count + 1, sizeof(*data->job_watches));
    watch = &data->job_watches[data->job_watch_count++];
    *watch = (struct job_watch){.id = mem_strdup(id)};
    return watch;
}

/* Old ones are removed from the disk; one that we have just started may not be listed yet. */
static void drop_unlisted(struct view_data *data, const struct job_list *list)
{
    size_t kept = 0;

    for (size_t i = 0; i < data->job_watch_count; i++) {
        struct job_watch *watch = &data->job_watches[i];

        if (watch->listed && !find_job(list, watch->id))
            free(watch->id);
        else
            data->job_watches[kept++] = *watch;
    }
    data->job_watch_count = kept;
}

static void see_job(struct view_data *data, struct job_watch *watch, const struct job_info *job)
{
    const bool tells = data->app && job_state_ended(job->state) && !watch->told;

    watch->listed = true;
    watch->told = job_state_ended(job->state); /* a slow one is taken for dead, and lives */
    if (tells)
        tell_end(data, job);
}

void jobs_expect(struct view_data *data, const char *id)
{
    const struct job_info *job = find_job(jobs_list(data->jobs), id);
    struct job_watch *watch = watch_job(data, id);

    if (job)
        see_job(data, watch, job);
    jobs_refresh(data->jobs);
}

void jobs_changed(void *context)
{
    struct view_data *data = context;
    const struct job_list *list = data->jobs ? jobs_list(data->jobs) : NULL;

    if (!list || data->closed)
        return;
    for (size_t i = 0; i < list->count; i++) {
        const struct job_info *job = &list->items[i];
        struct job_watch *watch =
            job_state_ended(job->state) ? find_watch(data, job->id) : watch_job(data, job->id);

        if (watch)
            see_job(data, watch, job);
    }
    drop_unlisted(data, list);
    if (data->app)
        app_dirty_data(data->app);
}

extern const struct panel_class jobs_panel;

const struct panel_class jobs_panel = {
    .name = "jobs",
    .title = "Jobs",
    .help = "backups, restores and other long work, of every dashboard; they go on without one",
    .kind = PANEL_ANY,
    .view = true,
    .table = &table,
    .state_size = sizeof(struct jobs_panel),
    .close = close_panel,
    .update = update,
    .note = note,
    .empty = empty,
};
