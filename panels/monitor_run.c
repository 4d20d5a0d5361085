#include "panels/monitor_run.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/redis_monitor.h"
#include "panels/monitor.h"
#include "panels/monitor_stream.h"
#include "tui/export.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { TURN_MS = 50, CONNECT_MS = 5000, RATES_MS = 1500, GRACE_MS = 500, USUAL_SECONDS = 30 };

struct run {
    const struct monitor_options *options;
    struct backend *backend;
    const struct instance *instance;
    uv_timer_t timer;
    uv_signal_t signals[3];
    struct filter filter;
    struct monitor *monitor;
    struct monitor_names *names;
    struct monitor_context context;
    struct stream_line line;
    struct stream_scratch scratch;
    uint64_t begun; /* ms of the loop's clock */
    uint64_t printed, filtered;
    struct monitor_analysis *analysis; /* of what the filter leaves; NULL: all is counted */
    struct monitor_summary sum;        /* of it */
    bool finished, ended; /* ended: by a signal, or because nobody reads what is printed */
    enum monitor_run_status status;
    FILE *out;
    int write_error; /* errno of the first that failed */
};

/* ---- lines ---- */

/* Text is what redis-cli prints, for what reads that. */
static void print_line(struct run *run, const struct stream_line *line)
{
    const void *row = line;
    struct strbuf text = {0};
    char *clean;

    if (run->options->json) {
        json_t *list = export_json(&stream_table, &row, 1, &run->context);

        json_dumpf(json_array_get(list, 0), run->out, JSON_COMPACT);
        fputc('\n', run->out);
        json_decref(list);
        return;
    }
    stream_add_line(line, &text);
    clean = text_clean(text.s, false);
    fputs(clean, run->out);
    fputc('\n', run->out);
    free(clean);
    strbuf_free(&text);
}

static bool passes(struct run *run, const struct monitor_line *line)
{
    stream_fill(&run->line, &run->scratch, line, run->printed + 1);
    if (!run->filter.text || filter_match(&run->filter, stream_table.columns, stream_table.count,
                                          &run->line, &run->context))
        return true;
    run->filtered++;
    return false;
}

static void take_lines(struct run *run)
{
    struct monitor_line line;

    if (run->options->top && !run->analysis)
        return;
    while (!ferror(run->out) && monitor_next(run->monitor, &line)) {
        if (!line.command_len || !passes(run, &line))
            continue;
        if (run->analysis) {
            monitor_analysis_line(run->analysis, line.text, line.len, line.bytes);
            continue;
        }
        print_line(run, &run->line);
        run->printed++;
    }
}

/* What was counted; NULL: nothing came. */
static const struct monitor_summary *summary_of(struct run *run)
{
    if (!run->analysis)
        return monitor_summary(run->monitor);
    monitor_analysis_sum(run->analysis, &run->sum);
    run->sum.own = monitor_hidden(run->monitor);
    return &run->sum;
}

/* ---- the result ---- */

static size_t view_rows(const struct monitor_summary *sum, enum monitor_view view,
                        const void **rows)
{
    size_t count;

    if (view == MONITOR_FLAGS) {
        for (count = 0; count < sum->event_count; count++)
            rows[count] = &sum->events[count];
        return count;
    }
    for (count = 0; count < sum->top[monitor_view_dimension(view)].count; count++)
        rows[count] = &sum->top[monitor_view_dimension(view)].rows[count];
    return count;
}

static void enter_view(struct run *run, const struct monitor_summary *sum, enum monitor_view view)
{
    const struct monitor_top *top;

    if (view == MONITOR_FLAGS)
        return;
    top = &sum->top[monitor_view_dimension(view)];
    run->context.dimension = monitor_view_dimension(view);
    run->context.total = top->total;
    run->context.error = top->error;
}

static json_t *flags_json(const struct monitor_summary *sum)
{
    json_t *json = json_object();

    for (int kind = FLAG_NONE + 1; kind < FLAG_KINDS; kind++)
        json_object_set_new(json, monitor_flag_name((enum monitor_flag_kind)kind),
                            json_integer((json_int_t)sum->flags[kind]));
    return json;
}

static void print_top_json(struct run *run, const struct monitor_summary *sum,
                           const struct monitor_status *status)
{
    const void *rows[MONITOR_ROWS];
    json_t *json = json_object(), *errors = json_object();

    json_object_set_new(json, "lines", json_integer((json_int_t)sum->lines));
    json_object_set_new(json, "bytes", json_integer((json_int_t)sum->bytes));
    json_object_set_new(json, "own", json_integer((json_int_t)sum->own));
    json_object_set_new(json, "lua", json_integer((json_int_t)sum->lua));
    json_object_set_new(json, "seconds", json_real(run->context.seconds));
    json_object_set_new(json, "ended", json_string(status->reason));
    json_object_set_new(json, "flagged", flags_json(sum));
    for (int view = MONITOR_FIRST_TOP; view < MONITOR_VIEWS; view++) {
        const struct table_class *class = monitor_view_table((enum monitor_view)view);
        const char *name = monitor_view_name((enum monitor_view)view);
        size_t count = view_rows(sum, (enum monitor_view)view, rows);

        enter_view(run, sum, (enum monitor_view)view);
        json_object_set_new(json, name, export_json(class, rows, count, &run->context));
        if (view != MONITOR_FLAGS)
            json_object_set_new(errors, name, json_integer((json_int_t)run->context.error));
    }
    json_object_set_new(json, "too_low_by_at_most", errors);
    json_dumpf(json, run->out, JSON_INDENT(1));
    fputc('\n', run->out);
    json_decref(json);
}

static int page_width(FILE *out)
{
    struct winsize size;

    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col)
        return size.ws_col;
    return 2000;
}

static void print_top_text(struct run *run, const struct monitor_summary *sum)
{
    enum { SHOWN = 10 };
    const void *rows[MONITOR_ROWS];
    struct strbuf text = {0};

    for (int view = MONITOR_FIRST_TOP; view < MONITOR_VIEWS; view++) {
        const struct table_class *class = monitor_view_table((enum monitor_view)view);
        size_t count = view_rows(sum, (enum monitor_view)view, rows);

        enter_view(run, sum, (enum monitor_view)view);
        if (!count)
            continue;
        strbuf_addf(&text, "%s", monitor_view_name((enum monitor_view)view));
        if (view != MONITOR_FLAGS && run->context.error)
            strbuf_addf(&text, " (counts are at most %llu too low)",
                        (unsigned long long)run->context.error);
        strbuf_addc(&text, '\n');
        export_text(class, rows, count < SHOWN ? count : SHOWN, &run->context, page_width(run->out),
                    &text);
        strbuf_addc(&text, '\n');
    }
    fputs(text.s ? text.s : "", run->out);
    strbuf_free(&text);
}

/* Figures of the run, beside what was printed. */
static void print_end(const struct run *run, const struct monitor_status *status,
                      const struct monitor_summary *sum)
{
    fprintf(stderr,
            "sharedtop: %llu lines in %.1f s, %llu of ours hidden, %llu filtered, %llu lost: %s\n",
            (unsigned long long)status->lines, run->context.seconds,
            (unsigned long long)(sum ? sum->own : 0), (unsigned long long)run->filtered,
            (unsigned long long)status->overwritten, status->reason);
}

/* Nobody who reads any more is no fault of ours: `| head` has seen enough. */
static bool reader_left(FILE *out)
{
    struct pollfd fd = {.fd = fileno(out)};

    return poll(&fd, 1, 0) > 0 && (fd.revents & POLLERR);
}

static bool written(struct run *run)
{
    if (fflush(run->out) == 0 && !ferror(run->out))
        return true;
    if (!run->write_error)
        run->write_error = errno;
    if (run->write_error != EPIPE && !reader_left(run->out)) {
        fprintf(stderr, "sharedtop: could not write what was seen: %s\n",
                strerror(run->write_error));
        run->status = MONITOR_RUN_FAILED;
    }
    return false;
}

/* What ended it, if not its time or somebody here. */
static bool is_fault(const struct run *run, const struct monitor_status *status)
{
    return !run->ended && status->fault;
}

static void print_result(struct run *run)
{
    const struct monitor_summary *sum;
    struct monitor_status status;

    take_lines(run);
    sum = summary_of(run);
    monitor_status(run->monitor, &status);
    if (sum && run->options->top && run->options->json)
        print_top_json(run, sum, &status);
    else if (sum && run->options->top)
        print_top_text(run, sum);
    written(run);
    print_end(run, &status, sum);
    if (is_fault(run, &status)) {
        char *why = text_clean(status.reason, false);

        fprintf(stderr, "sharedtop: MONITOR ended before its time: %s\n", why);
        free(why);
        run->status = MONITOR_RUN_FAILED;
    }
}

/* ---- the end ---- */

static void closed(void *context)
{
    (void)context;
}

/* A name lookup that hangs in its thread cannot be called off, and all is said. */
static void leave(uv_timer_t *timer)
{
    const struct run *run = timer->data;

    _exit((int)run->status);
}

static void finish(struct run *run, enum monitor_run_status status)
{
    if (run->finished)
        return;
    run->finished = true;
    run->status = status;
    if (run->monitor) {
        monitor_stop(run->monitor, NULL);
        print_result(run);
        monitor_free(run->monitor);
    }
    monitor_names_free(run->names);
    for (size_t i = 0; i < sizeof(run->signals) / sizeof(run->signals[0]); i++)
        uv_close((uv_handle_t *)&run->signals[i], NULL);
    uv_timer_start(&run->timer, leave, GRACE_MS, 0);
    uv_unref((uv_handle_t *)&run->timer);
    backend_close(run->backend, closed, NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct run *run = handle->data;

    run->ended = true;
    if (run->monitor)
        monitor_stop(run->monitor, number == SIGINT ? "ended by Ctrl-C" : "ended by a signal");
    finish(run, run->monitor ? MONITOR_RUN_DONE : MONITOR_RUN_FAILED);
}

/* ---- the run ---- */

static void turn(uv_timer_t *timer)
{
    struct run *run = timer->data;
    struct monitor_status status;

    monitor_status(run->monitor, &status);
    if (run->instance->redis.info && run->instance->redis.info->own_client[0])
        monitor_hide(run->monitor, run->instance->redis.info->own_client);
    if (status.stops_at > 0 && status.state == MONITOR_RUNNING)
        run->context.seconds =
            ((double)uv_hrtime() / 1e6 - status.stops_at) / 1e3 + run->options->seconds;
    run->context.names = run->names;
    take_lines(run);
    if (ferror(run->out) || fflush(run->out) != 0 || reader_left(run->out)) {
        run->write_error = errno;
        run->ended = true;
        monitor_stop(run->monitor, "nobody reads what is printed");
        finish(run, MONITOR_RUN_DONE);
    } else if (status.state == MONITOR_STOPPED) {
        finish(run, MONITOR_RUN_DONE);
    }
}

static void refuse(struct run *run, const char *text)
{
    fprintf(
        stderr,
        "%s\n\nsharedtop: this server evicts keys, or is nearly full: --yes starts MONITOR all the "
        "same\n",
        text);
    finish(run, MONITOR_RUN_REFUSED);
}

/* The figures; what MONITOR does to a server anywhere is for who is asked. */
static void print_cost(const char *text)
{
    const char *paragraph = strstr(text, "\n\n"), *general = NULL;

    while (paragraph && (paragraph = strstr(paragraph + 2, "\n\n")))
        general = paragraph;
    fprintf(stderr, "%.*s\n", general ? (int)(general - text) : (int)strlen(text), text);
}

static void begin(struct run *run)
{
    const struct redis_info *info = run->instance->redis.info;
    char *raw = monitor_preflight(info, run->instance->name, run->options->seconds);
    char *text = text_clean(raw, true);

    free(raw);
    if (!run->options->yes && monitor_could_hurt(info)) {
        refuse(run, text);
        free(text);
        return;
    }
    if (!run->options->json)
        print_cost(text);
    free(text);
    if (run->options->top && run->filter.text)
        run->analysis = monitor_analysis_new();
    run->monitor = monitor_start_instance(run->instance, run->options->seconds);
    if (info && info->own_client[0])
        monitor_hide(run->monitor, info->own_client);
    if (monitor_address(run->monitor))
        run->names = monitor_names_new(run->timer.loop, monitor_address(run->monitor));
    run->context.config = run->instance->redis_config;
    uv_timer_start(&run->timer, turn, 0, TURN_MS);
}

static const struct instance *choose(const struct run *run)
{
    const char *name = run->options->instance;

    for (size_t i = 0; i < backend_count(run->backend, INSTANCE_REDIS); i++) {
        const struct instance *instance = backend_instance(run->backend, INSTANCE_REDIS, i);

        if (!name || strcmp(instance->name, name) == 0)
            return instance;
    }
    return NULL;
}

/* Those in containers are known when the engine has listed them. */
static void look_for_one(struct run *run, uint64_t waited)
{
    run->instance = choose(run);
    if (run->instance) {
        run->begun = uv_now(run->timer.loop);
    } else if (backend_filled(run->backend) || waited > CONNECT_MS) {
        fprintf(stderr, "sharedtop: %s\n",
                run->options->instance ? "there is no Redis of that name"
                                       : "no Redis is configured or was found: nothing to monitor");
        finish(run, MONITOR_RUN_REFUSED);
    }
}

/* With rates, if they come soon. */
static void look(uv_timer_t *timer)
{
    struct run *run = timer->data;
    const struct instance *instance = run->instance;
    const struct redis_info *info;
    uint64_t waited = uv_now(timer->loop) - run->begun;

    if (!instance) {
        look_for_one(run, waited);
        return;
    }
    info = instance->redis.info;
    if (info && instance->state == INSTANCE_UP &&
        (!isnan(info->rates.ops) || waited > RATES_MS || run->options->yes)) {
        begin(run);
    } else if (instance->state == INSTANCE_DOWN || waited > CONNECT_MS) {
        char *why = text_clean(instance->error ? instance->error : "it does not answer", false);

        fprintf(stderr, "sharedtop: %s: %s\n", instance->name, why);
        free(why);
        finish(run, MONITOR_RUN_FAILED);
    }
}

static void changed(void *context)
{
    (void)context; /* the timer looks */
}

static void catch_signals(struct run *run, uv_loop_t *loop)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uv_signal_init(loop, &run->signals[i]);
        run->signals[i].data = run;
        uv_signal_start(&run->signals[i], on_signal, numbers[i]);
    }
}

static void go(struct run *run, uv_loop_t *loop)
{
    uv_timer_init(loop, &run->timer);
    run->timer.data = run;
    run->begun = uv_now(loop);
    catch_signals(run, loop);
    backend_start(run->backend);
    uv_timer_start(&run->timer, look, 0, TURN_MS);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&run->timer, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
}

enum monitor_run_status monitor_run(uv_loop_t *loop, struct config *config,
                                    const struct monitor_options *options, FILE *out)
{
    struct monitor_options chosen = *options;
    struct run run = {.options = &chosen, .out = out};
    char *error = NULL;

    if (chosen.seconds <= 0)
        chosen.seconds = USUAL_SECONDS;
    if (options->filter && !filter_set(&run.filter, options->filter, stream_table.columns,
                                       stream_table.count, &error)) {
        fprintf(stderr, "sharedtop: %s\n", error);
        free(error);
        return MONITOR_RUN_REFUSED;
    }
    config->lists_postgres = true; /* none of them is looked for */
    run.backend = backend_new(loop, config, changed, &run);
    go(&run, loop);
    filter_clear(&run.filter);
    monitor_analysis_free(run.analysis);
    return run.status;
}
