#include "panels/monitor_run.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/monitor_queue.h"
#include "backend/redis_monitor.h"
#include "panels/monitor.h"
#include "panels/monitor_stream.h"
#include "tui/export.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    TURN_MS = 50,
    SOON_MS = 2,     /* until it looks for room again, for what waits to be written */
    BEAT_US = 20000, /* after which a write that waits is broken off */
    CONNECT_MS = 5000,
    RATES_MS = 1500,
    GRACE_MS = 500,
    USUAL_SECONDS = 30,
    TEXT_BYTES = 64 << 10, /* that may wait for who reads what is printed */
    LAST_MS = 2000,        /* for the reader to take the rest, at the end */
    LINES_A_LOOK = 256
};

/* A real number has 17 digits, of which the last ones are noise. */
static const size_t json_flags = JSON_REAL_PRECISION(15);

/* Nothing that is printed makes the loop wait. */
struct output {
    int fd;
    bool own;           /* it was opened here */
    bool waits;         /* writing waits there, until it is broken off */
    struct strbuf text; /* that is to be written there */
    int error;          /* errno of the first write that failed */
};

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
    uint64_t begun;                     /* ms of the loop's clock */
    uint64_t shown, filtered, odd, cut; /* lines: odd are none of MONITOR, cut are some of shown */
    struct monitor_analysis *analysis;  /* of what the filter leaves; NULL: all is counted */
    struct monitor_summary sum;         /* of it */
    bool ended;                         /* by a signal, or because nobody reads what is printed */
    bool measured;                      /* its time is known for good */
    enum monitor_run_status status;
    struct output out, err;
    /* ---- once it is finished ---- */
    bool finished, patient; /* patient: its time is over and nobody hurries us */
    bool hurried;           /* by a second signal */
    bool summed, told;      /* the lines are all printed, or counted; the figures */
    uint64_t deadline;      /* for who reads what is printed: of uv_hrtime() */
};

/* What became of the lines: read is the sum of all others. */
struct counts {
    uint64_t read, shown, filtered, hidden, odd, lost;
};

/* ---- what is printed ---- */

static void interrupted(int number)
{
    (void)number;
}

/* Room on a terminal is room for a byte, maybe not for the next. So it is opened again, for writes
 * that never wait: its file description is the shell's as well. That may be forbidden, as after
 * `sudo -u`. The end that shows it must not be opened again: that makes a new terminal. */
static void output_open(struct output *output, int fd)
{
    const struct sigaction action = {.sa_handler = interrupted};
    unsigned number;
    char path[32];
    int own = -1;

    *output = (struct output){.fd = fd};
    if (!isatty(fd))
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (ioctl(fd, TIOCGPTN, &number) < 0)
        own = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    output->own = own >= 0;
    output->waits = own < 0;
    if (output->own)
        output->fd = own;
    else
        sigaction(SIGALRM, &action, NULL);
}

static void output_close(struct output *output)
{
    if (output->own)
        close(output->fd);
    strbuf_free(&output->text);
}

/* The signal comes again and again, lest it come just before the write. */
static ssize_t write_briefly(const struct output *output, const char *text, size_t len)
{
    static const struct itimerval beat = {{.tv_usec = BEAT_US}, {.tv_usec = BEAT_US}}, none;
    ssize_t n;
    int error;

    if (!output->waits)
        return write(output->fd, text, len);
    setitimer(ITIMER_REAL, &beat, NULL);
    n = write(output->fd, text, len);
    error = errno;
    setitimer(ITIMER_REAL, &none, NULL);
    errno = error;
    return n;
}

/* A pipe that has room takes PIPE_BUF bytes at once. False: there is no room for the rest now. */
static bool output_write(struct output *output)
{
    struct pollfd fd = {.fd = output->fd, .events = POLLOUT};
    size_t at = 0;

    while (at < output->text.len && !output->error && poll(&fd, 1, 0) > 0) {
        size_t left = output->text.len - at, part = left < PIPE_BUF ? left : PIPE_BUF;
        ssize_t n = write_briefly(output, output->text.s + at, part);

        if (n < 0 && errno != EAGAIN && errno != EINTR)
            output->error = errno;
        if (n > 0)
            at += (size_t)n;
        if (n < (ssize_t)part)
            break;
    }
    strbuf_drop(&output->text, at);
    return !output->text.len;
}

/* Nobody who reads any more is no fault of ours: `| head` has seen enough. */
static void look_for_reader(struct output *output)
{
    struct pollfd fd = {.fd = output->fd};

    if (poll(&fd, 1, 0) > 0 && (fd.revents & POLLERR) && !output->error)
        output->error = EPIPE;
}

static void add_json(struct run *run, const json_t *json, size_t flags)
{
    char *text = json_dumps(json, flags | json_flags);

    strbuf_adds(&run->out.text, text ? text : "null");
    strbuf_addc(&run->out.text, '\n');
    free(text);
}

/* ---- lines ---- */

/* Text is what redis-cli prints, for what reads that. */
static void print_line(struct run *run, const struct stream_line *line)
{
    const void *row = line;
    struct strbuf text = {0};
    char *clean;

    if (run->options->json) {
        json_t *list = export_json(&stream_table, &row, 1, &run->context);

        add_json(run, json_array_get(list, 0), JSON_COMPACT);
        json_decref(list);
        return;
    }
    stream_add_line(line, &text);
    clean = text_clean(text.s, false);
    strbuf_adds(&run->out.text, clean);
    strbuf_addc(&run->out.text, '\n');
    free(clean);
    strbuf_free(&text);
}

static bool passes(struct run *run, const struct monitor_line *line)
{
    stream_fill(&run->line, &run->scratch, line, run->shown + 1);
    return !run->filter.text || filter_match(&run->filter, stream_table.columns, stream_table.count,
                                             &run->line, &run->context);
}

static void take_line(struct run *run, const struct monitor_line *line)
{
    if (!line->command_len) {
        run->odd++;
    } else if (!passes(run, line)) {
        run->filtered++;
    } else {
        run->shown++;
        run->cut += line->bytes > MONITOR_LINE_CAP;
        if (run->analysis)
            monitor_analysis_line(run->analysis, line->text, line->len, line->bytes);
        else
            print_line(run, &run->line);
    }
}

/* True: there may be more, but who reads what is printed, or the loop, is to have its turn. */
static bool take_lines(struct run *run)
{
    const uint64_t until = uv_hrtime() + TURN_MS * 1000000ULL;
    struct monitor_line line;

    if (run->options->top && !run->analysis)
        return false;
    for (unsigned n = 0; !run->out.error; n++) {
        if (run->out.text.len >= TEXT_BYTES || n % LINES_A_LOOK == 0) {
            output_write(&run->out);
            if (run->out.text.len >= TEXT_BYTES || uv_hrtime() > until)
                return !run->out.error;
        }
        if (!monitor_next(run->monitor, &line))
            break;
        take_line(run, &line);
    }
    output_write(&run->out);
    return false;
}

/* What was counted. */
static const struct monitor_summary *summary_of(struct run *run)
{
    const struct monitor_summary *sum = run->analysis ? NULL : monitor_summary(run->monitor);

    if (sum)
        return sum;
    if (run->analysis)
        monitor_analysis_sum(run->analysis, &run->sum);
    return &run->sum;
}

/* The tables without a filter are made where the lines are read, and none is lost there. */
static struct counts counts_of(const struct run *run, const struct monitor_status *status,
                               const struct monitor_summary *sum)
{
    struct counts counts = {.read = status->lines,
                            .shown = run->shown,
                            .filtered = run->filtered,
                            .hidden = monitor_hidden(run->monitor),
                            .odd = run->odd};

    if (run->options->top && !run->analysis) {
        counts.shown = sum->lines;
        counts.odd = sum->odd;
        counts.hidden = counts.read - counts.shown - counts.odd;
    }
    counts.lost = counts.read - counts.shown - counts.filtered - counts.hidden - counts.odd;
    return counts;
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

static void set_count(json_t *json, const char *name, uint64_t count)
{
    json_object_set_new(json, name, json_integer((json_int_t)count));
}

static void print_top_json(struct run *run, const struct monitor_summary *sum,
                           const struct counts *counts, const char *why)
{
    const void *rows[MONITOR_ROWS];
    json_t *json = json_object(), *errors = json_object();

    set_count(json, "read", counts->read);
    set_count(json, "lines", counts->shown);
    set_count(json, "filtered", counts->filtered);
    set_count(json, "own", counts->hidden);
    set_count(json, "lost", counts->lost);
    set_count(json, "odd", counts->odd);
    set_count(json, "bytes", sum->bytes);
    set_count(json, "lua", sum->lua);
    json_object_set_new(json, "seconds", json_real(round(run->context.seconds * 1e3) / 1e3));
    json_object_set_new(json, "ended", json_string(why));
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
    add_json(run, json, JSON_INDENT(1));
    json_decref(json);
}

static int page_width(int out)
{
    struct winsize size;

    if (ioctl(out, TIOCGWINSZ, &size) == 0 && size.ws_col)
        return size.ws_col;
    return 2000;
}

static void print_top_text(struct run *run, const struct monitor_summary *sum)
{
    enum { SHOWN = 10 };
    const void *rows[MONITOR_ROWS];

    for (int view = MONITOR_FIRST_TOP; view < MONITOR_VIEWS; view++) {
        const struct table_class *class = monitor_view_table((enum monitor_view)view);
        size_t count = view_rows(sum, (enum monitor_view)view, rows);

        enter_view(run, sum, (enum monitor_view)view);
        if (!count)
            continue;
        strbuf_addf(&run->out.text, "%s", monitor_view_name((enum monitor_view)view));
        if (view != MONITOR_FLAGS && run->context.error)
            strbuf_addf(&run->out.text, " (%s are at most %llu too low)",
                        run->context.dimension == MONITOR_BIG_KEYS ? "bytes" : "counts",
                        (unsigned long long)run->context.error);
        strbuf_addc(&run->out.text, '\n');
        export_text(class, rows, count < SHOWN ? count : SHOWN, &run->context,
                    page_width(run->out.fd), &run->out.text);
        strbuf_addc(&run->out.text, '\n');
    }
}

static void add_count(struct strbuf *text, uint64_t count, const char *what)
{
    if (count)
        strbuf_addf(text, ", %" PRIu64 " %s", count, what);
}

/* Figures of the run, beside what was printed. why: NULL: it is told elsewhere. */
static void print_counts(struct run *run, const struct counts *counts, const char *why)
{
    struct strbuf *text = &run->err.text;

    strbuf_addf(text, "sharedtop: %" PRIu64 " lines read in %.1f s: %" PRIu64 " %s", counts->read,
                run->context.seconds, counts->shown, run->options->top ? "counted" : "shown");
    if (run->cut && !run->options->top)
        strbuf_addf(text, " (%" PRIu64 " cut at 64 kB)", run->cut);
    add_count(text, counts->filtered, "filtered out");
    add_count(text, counts->hidden, "of our own polling hidden");
    add_count(text, counts->lost, "lost: nobody took them in time");
    add_count(text, counts->odd, "not understood");
    strbuf_addf(text, "%s%s\n", why ? "; " : "", why ? why : "");
}

static void print_write_error(struct run *run)
{
    const char *why = strerror(run->out.error);

    if (!run->out.error || run->out.error == EPIPE)
        return;
    if (run->out.error == ETIMEDOUT)
        why = "nobody took it in time";
    else if (run->out.error == ECANCELED)
        why = "a second signal left no time";
    strbuf_addf(&run->err.text, "sharedtop: could not write what was seen: %s\n", why);
    run->status = MONITOR_RUN_FAILED;
}

/* What ended it, if not its time or somebody here. */
static bool is_fault(const struct run *run, const struct monitor_status *status)
{
    return !run->ended && status->fault;
}

static void print_fault(struct run *run, const struct monitor_status *status, const char *why)
{
    strbuf_addf(&run->err.text, "sharedtop: MONITOR %s: %s\n",
                status->stops_at > 0 ? "ended before its time" : "did not begin", why);
    run->status = MONITOR_RUN_FAILED;
}

static void print_top(struct run *run, const struct monitor_status *status)
{
    const struct monitor_summary *sum = summary_of(run);
    const struct counts counts = counts_of(run, status, sum);
    char *why;

    if (run->options->json) {
        why = text_clean(status->reason, false);
        print_top_json(run, sum, &counts, why);
        free(why);
    } else {
        print_top_text(run, sum);
    }
}

/* What nobody took was not shown. */
static void forget_unwritten(struct run *run)
{
    for (size_t i = 0; i < run->out.text.len && !run->options->top; i++)
        run->shown -= run->out.text.s[i] == '\n';
}

/* Of what has not begun there are no figures. */
static void print_figures(struct run *run)
{
    struct monitor_status status;
    struct counts counts;
    char *why;

    if (!run->monitor)
        return;
    monitor_status(run->monitor, &status);
    why = text_clean(status.reason, false);
    print_write_error(run);
    if (status.stops_at > 0) {
        forget_unwritten(run);
        counts = counts_of(run, &status, summary_of(run));
        print_counts(run, &counts, is_fault(run, &status) ? NULL : why);
    }
    if (is_fault(run, &status))
        print_fault(run, &status, why);
    free(why);
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

static void close_all(struct run *run)
{
    if (run->monitor)
        monitor_free(run->monitor);
    run->monitor = NULL;
    monitor_names_free(run->names);
    for (size_t i = 0; i < sizeof(run->signals) / sizeof(run->signals[0]); i++)
        uv_close((uv_handle_t *)&run->signals[i], NULL);
    uv_timer_start(&run->timer, leave, GRACE_MS, 0);
    uv_unref((uv_handle_t *)&run->timer);
    backend_close(run->backend, closed, NULL);
}

static void set_deadline(struct run *run)
{
    run->deadline = run->hurried   ? 0
                    : run->patient ? UINT64_MAX
                                   : uv_hrtime() + LAST_MS * 1000000ULL;
}

/* True: nothing is left. While the lines are but counted nobody is waited for. */
static bool print_rest(struct run *run)
{
    struct monitor_status status;
    bool more;

    if (run->monitor && !run->summed) {
        monitor_status(run->monitor, &status);
        more = status.stops_at > 0 && take_lines(run);
        if (run->options->top)
            set_deadline(run);
        if (more)
            return false;
        if (run->options->top && status.stops_at > 0)
            print_top(run, &status);
        run->summed = true;
    }
    return output_write(&run->out) || run->out.error;
}

/* Until all is written or the time for that is over; then the figures follow. */
static void last_turn(uv_timer_t *timer)
{
    struct run *run = timer->data;
    bool late, done;

    output_write(&run->err);
    if (!run->told) {
        done = print_rest(run);
        late = uv_hrtime() > run->deadline;
        if (!done && late)
            run->out.error = run->hurried ? ECANCELED : ETIMEDOUT;
        run->told = done || late;
        if (run->told)
            print_figures(run);
    }
    done = run->told && (output_write(&run->err) || run->err.error);
    if (done || (run->told && uv_hrtime() > run->deadline))
        close_all(run);
    else
        uv_timer_start(timer, last_turn, SOON_MS, 0);
}

/* How long it has been watched; if it has ended by itself, until that is noticed. */
static void measure(struct run *run)
{
    struct monitor_status status;
    double now = (double)uv_hrtime() / 1e6;

    if (!run->monitor || run->measured)
        return;
    monitor_status(run->monitor, &status);
    if (status.stops_at <= 0)
        return;
    if (now > status.stops_at)
        now = status.stops_at;
    run->context.seconds = (now - status.stops_at) / 1e3 + run->options->seconds;
    run->measured = status.state == MONITOR_STOPPED;
}

static void finish(struct run *run, enum monitor_run_status status)
{
    if (run->finished)
        return;
    run->finished = true;
    run->status = status;
    run->patient = !run->ended;
    measure(run);
    if (run->monitor)
        monitor_stop(run->monitor, NULL);
    set_deadline(run);
    uv_timer_start(&run->timer, last_turn, 0, 0);
}

/* Without one it waits for who reads what was seen, as `| less` expects; the second does not wait. */
static void on_signal(uv_signal_t *handle, int number)
{
    struct run *run = handle->data;

    if (run->finished) {
        run->hurried = !run->patient;
        run->patient = false;
        set_deadline(run);
        uv_timer_start(&run->timer, last_turn, 0, 0);
        return;
    }
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
    bool more;

    monitor_status(run->monitor, &status);
    measure(run);
    run->context.names = run->names;
    output_write(&run->err);
    more = take_lines(run) || run->out.text.len || run->err.text.len;
    look_for_reader(&run->out);
    if (run->out.error) {
        run->ended = true;
        monitor_stop(run->monitor, run->out.error == EPIPE ? "nobody reads what is printed"
                                                           : "what is printed cannot be written");
        finish(run, MONITOR_RUN_DONE);
    } else if (status.state == MONITOR_STOPPED) {
        finish(run, MONITOR_RUN_DONE);
    } else {
        uv_timer_start(timer, turn, more ? SOON_MS : TURN_MS, 0);
    }
}

static void refuse(struct run *run, const struct redis_info *info, const char *text)
{
    char *danger = monitor_danger(info), *clean = text_clean(danger, false);

    strbuf_addf(&run->err.text, "%s\n\nsharedtop: %s: --yes starts MONITOR all the same\n", text,
                clean);
    free(danger);
    free(clean);
    finish(run, MONITOR_RUN_REFUSED);
}

/* The figures; what MONITOR does to a server anywhere is for who is asked. */
static void print_cost(struct run *run, const char *text)
{
    const char *paragraph = strstr(text, "\n\n"), *general = NULL;

    while (paragraph && (paragraph = strstr(paragraph + 2, "\n\n")))
        general = paragraph;
    strbuf_addf(&run->err.text, "%.*s\n", general ? (int)(general - text) : (int)strlen(text),
                text);
}

static void begin(struct run *run)
{
    const struct redis_info *info = run->instance->redis.info;
    char *raw = monitor_preflight(info, run->instance->name, run->options->seconds);
    char *text = text_clean(raw, true);

    free(raw);
    if (!run->options->yes && monitor_could_hurt(info)) {
        refuse(run, info, text);
        free(text);
        return;
    }
    if (!run->options->json)
        print_cost(run, text);
    free(text);
    if (run->options->top && run->filter.text)
        run->analysis = monitor_analysis_new();
    run->monitor = monitor_start_instance(run->instance, run->options->seconds);
    if (monitor_address(run->monitor))
        run->names = monitor_names_new(run->timer.loop, monitor_address(run->monitor));
    run->context.config = run->instance->redis_config;
    uv_timer_start(&run->timer, turn, 0, 0);
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
        strbuf_addf(&run->err.text, "sharedtop: %s\n",
                    run->options->instance
                        ? "there is no Redis of that name"
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

        strbuf_addf(&run->err.text, "sharedtop: %s: %s\n", instance->name, why);
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
    struct run run = {.options = &chosen};
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
    output_open(&run.out, fileno(out));
    output_open(&run.err, STDERR_FILENO);
    run.backend = backend_new(loop, config, changed, &run);
    go(&run, loop);
    filter_clear(&run.filter);
    monitor_analysis_free(run.analysis);
    output_close(&run.out);
    output_close(&run.err);
    return run.status;
}
