#include "tests/screen/term.h"

#include "backend/base/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <pty.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

struct chunk {
    double time;
    size_t offset;
};

struct term {
    struct emulator *emulator;
    int master, pidfd;
    pid_t pid;
    int status;
    bool exited, closed, stalled;
    bool ended;    /* nobody has the terminal open any more */
    bool in_frame; /* of a synchronized update some part has come */
    struct termios modes;
    struct strbuf raw, text, row;
    struct chunk *chunks;
    size_t chunk_count;
    double sent, matched;
};

double term_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void __attribute__((noreturn)) fail(const char *what)
{
    fprintf(stderr, "term: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- the program's side ---- */

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool inherited(const char *variable)
{
    static const char *const dropped[] = {
        "PG", "REDIS_URL=", "XDG_", "NO_COLOR=", "COLORTERM=", "LINES=", "COLUMNS="};
    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
        if (begins(variable, dropped[i])) {
            return false;
        }
    }
    return true;
}

static void set_environment(const char *const *env)
{
    static const char *const fixed[] = {"TERM=xterm-256color", "LC_ALL=C.UTF-8", "TZ=UTC",
                                        "HOME=/nonexistent", NULL};
    char **kept = NULL;
    size_t count = 0;
    for (char **old = environ; *old; old++) {
        kept = mem_array(kept, count + 2, sizeof(*kept));
        kept[count] = *old;
        count += inherited(*old);
    }
    if (kept) {
        kept[count] = NULL;
        environ = kept;
    }
    for (const char *const *list = fixed; list; list = list == fixed ? env : NULL) {
        for (const char *const *item = list; *item; item++) {
            putenv(mem_strdup(*item)); /* without a '=' it removes */
        }
    }
}

static void __attribute__((noreturn))
run_program(int slave, pid_t parent, const char *const *env, const char *const *argv)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 1; i < NSIG; i++) {
        signal(i, SIG_DFL);
    }
    if (login_tty(slave) < 0) {
        _exit(126);
    }
    for (int fd = 3; fd < 1024; fd++) {
        close(fd);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(126);
    }
    set_environment(env);
    char **args = mem_array(NULL, 1, sizeof(*args));
    size_t count = 0;
    for (; argv[count]; count++) {
        args = mem_array(args, count + 2, sizeof(*args));
        args[count] = mem_strdup(argv[count]);
    }
    args[count] = NULL;
    execvp(args[0], args);
    fprintf(stderr, "%s: %s\n", args[0], strerror(errno));
    _exit(127);
}

struct term *term_start(int rows, int columns, const char *const *env, const char *const *argv)
{
    struct term *term = mem_zalloc(sizeof(*term));
    struct winsize size = {(unsigned short)rows, (unsigned short)columns, 0, 0};
    int slave;
    if (openpty(&term->master, &slave, NULL, NULL, &size) < 0) {
        fail("openpty");
    }
    tcgetattr(slave, &term->modes);
    fcntl(term->master, F_SETFD, FD_CLOEXEC);
    fcntl(term->master, F_SETFL, O_NONBLOCK);
    term->emulator = emulator_new(rows, columns);
    pid_t parent = getpid();
    term->pid = fork();
    if (term->pid < 0) {
        fail("fork");
    }
    if (term->pid == 0) {
        run_program(slave, parent, env, argv);
    }
    close(slave);
    term->pidfd =
        (int)syscall(SYS_pidfd_open, term->pid, 0); /* -1 before Linux 5.3: poll skips it */
    return term;
}

/* ---- the terminal's side ---- */

static void close_terminal(struct term *term)
{
    if (!term->closed) {
        close(term->master);
        term->closed = true;
    }
}

/* Sends what the terminal has to say; a program that does not read it loses it, as on a full line. */
static void send_output(struct term *term)
{
    char bytes[512];
    size_t len;
    while ((len = emulator_output(term->emulator, bytes, sizeof(bytes))) > 0) {
        if (!term->closed && write(term->master, bytes, len) < 0 && errno != EIO &&
            errno != EAGAIN) {
            fail("write to the terminal");
        }
    }
}

/* Mode 2026 (synchronized output) says where a frame begins and ends; its bytes may come in parts. */
static void follow_frames(struct term *term, size_t from)
{
    static const char mode[] = "\033[?2026";
    const size_t len = sizeof(mode) - 1;
    const char *at = term->raw.s + (from > len ? from - len : 0);
    const char *end = term->raw.s + term->raw.len;
    while ((at = memmem(at, (size_t)(end - at), mode, len)) && at + len < end) {
        at += len;
        term->in_frame = *at == 'h';
    }
}

static void receive(struct term *term, const char *bytes, size_t len)
{
    const size_t before = term->raw.len;
    term->chunks = mem_array(term->chunks, term->chunk_count + 1, sizeof(*term->chunks));
    term->chunks[term->chunk_count++] = (struct chunk){term_now(), term->raw.len};
    strbuf_add(&term->raw, bytes, len);
    follow_frames(term, before);
    emulator_feed(term->emulator, bytes, len);
    send_output(term);
}

static bool read_some(struct term *term)
{
    char bytes[65536];
    if (term->closed || term->ended) {
        return false;
    }
    ssize_t len = read(term->master, bytes, sizeof(bytes));
    if (len > 0) {
        receive(term, bytes, (size_t)len);
    }
    term->ended = len == 0 || (len < 0 && errno == EIO);
    return len > 0;
}

/* What a program wrote just before its end may still be on its way; it is all there when the
 * terminal reports that nobody has it open, or, should a child of the program have it open still,
 * when nothing comes for a moment. */
static void drain(struct term *term)
{
    struct pollfd fd = {term->master, POLLIN, 0};
    while (!term->stalled && !term->closed && !term->ended) {
        if (!read_some(term) && !term->ended && poll(&fd, 1, 200) == 0) {
            return;
        }
    }
}

static void check_exit(struct term *term)
{
    if (!term->exited && waitpid(term->pid, &term->status, WNOHANG) == term->pid) {
        term->exited = true;
        drain(term);
    }
}

/* One turn: waits for output or the program's end, at most until the time. */
static void turn(struct term *term, double until)
{
    double left = until - term_now();
    bool reads = !term->stalled && !term->closed && !term->exited && !term->ended;
    struct pollfd fds[] = {{reads ? term->master : -1, POLLIN, 0},
                           {term->exited ? -1 : term->pidfd, POLLIN, 0}};
    int tick = term->pidfd < 0 && left > 10 ? 10 : (int)(left + 0.999);
    if (poll(fds, 2, tick > 0 ? tick : 0) < 0 && errno != EINTR) {
        fail("poll");
    }
    if (fds[0].revents) {
        read_some(term);
    }
    check_exit(term);
}

typedef bool condition(struct term *term, const void *context);

static bool wait_until(struct term *term, condition *holds, const void *context, double deadline)
{
    double end = term_now() + deadline;
    while (!holds(term, context)) {
        if (term->exited || term_now() >= end) {
            return false;
        }
        turn(term, end);
    }
    term->matched = term->chunk_count ? term->chunks[term->chunk_count - 1].time : term_now();
    return true;
}

void term_free(struct term *term)
{
    if (!term) {
        return;
    }
    close_terminal(term);
    if (!term->exited) {
        kill(-term->pid, SIGKILL);
        kill(term->pid, SIGKILL);
        while (waitpid(term->pid, &term->status, 0) < 0 && errno == EINTR) {
        }
    }
    if (term->pidfd >= 0) {
        close(term->pidfd);
    }
    emulator_free(term->emulator);
    strbuf_free(&term->raw);
    strbuf_free(&term->text);
    strbuf_free(&term->row);
    free(term->chunks);
    free(term);
}

void term_keys(struct term *term, const char *keys)
{
    size_t len = strlen(keys);
    double end = term_now() + TERM_PATIENCE;
    term->sent = term_now();
    while (len > 0 && !term->closed && !term->exited && term_now() < end) {
        ssize_t put = write(term->master, keys, len);
        if (put > 0) {
            keys += put;
            len -= (size_t)put;
        } else if (errno == EAGAIN) {
            turn(term, term_now() + 5);
        } else {
            return;
        }
    }
}

void term_special(struct term *term, enum emulator_key key)
{
    term->sent = term_now();
    emulator_key(term->emulator, key);
    send_output(term);
}

/* ---- conditions ---- */

struct pattern {
    regex_t regex;
    locale_t utf8, before;
};

static void pattern_begin(struct pattern *pattern, const char *regex)
{
    pattern->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    pattern->before = pattern->utf8 ? uselocale(pattern->utf8) : (locale_t)0;
    int error = regcomp(&pattern->regex, regex, REG_EXTENDED | REG_NOSUB | REG_NEWLINE);
    if (error) {
        char text[128];
        regerror(error, &pattern->regex, text, sizeof(text));
        fprintf(stderr, "term: %s: %s\n", regex, text);
        exit(1);
    }
}

static void pattern_end(struct pattern *pattern)
{
    regfree(&pattern->regex);
    if (pattern->utf8) {
        uselocale(pattern->before);
        freelocale(pattern->utf8);
    }
}

/* Is the rest of what is on the screen still to come? */
static bool is_torn(const struct term *term)
{
    return term->in_frame && !term->stalled && !term->exited && !term->ended;
}

static bool matches(struct term *term, const struct pattern *pattern)
{
    return regexec(&pattern->regex, term_text(term), 0, NULL, 0) == 0;
}

static bool is_on_screen(struct term *term, const void *context)
{
    return !is_torn(term) && matches(term, context);
}

static bool is_gone(struct term *term, const void *context)
{
    return !is_torn(term) && !matches(term, context);
}

static bool is_whole(struct term *term, const void *context)
{
    (void)context;
    return !is_torn(term);
}

static bool wait_pattern(struct term *term, condition *holds, const char *regex, double deadline)
{
    struct pattern pattern;
    pattern_begin(&pattern, regex);
    bool held = wait_until(term, holds, &pattern, deadline);
    pattern_end(&pattern);
    return held;
}

bool term_wait(struct term *term, const char *regex, double deadline)
{
    return wait_pattern(term, is_on_screen, regex, deadline);
}

bool term_wait_gone(struct term *term, const char *regex, double deadline)
{
    return wait_pattern(term, is_gone, regex, deadline);
}

bool term_matches(struct term *term, const char *regex)
{
    struct pattern pattern;
    wait_until(term, is_whole, NULL, TERM_PATIENCE);
    pattern_begin(&pattern, regex);
    bool on_screen = matches(term, &pattern);
    pattern_end(&pattern);
    return on_screen;
}

static bool has_exited(struct term *term, const void *context)
{
    (void)context;
    return term->exited;
}

bool term_wait_exit(struct term *term, double deadline, int *status)
{
    bool exited = wait_until(term, has_exited, NULL, deadline);
    if (exited && status) {
        *status = term->status;
    }
    return exited;
}

static bool has_more(struct term *term, const void *context)
{
    return term->raw.len > *(const size_t *)context;
}

bool term_wait_output(struct term *term, size_t more_than, double deadline)
{
    return wait_until(term, has_more, &more_than, deadline);
}

bool term_wait_quiet(struct term *term, double quiet, double deadline)
{
    double end = term_now() + deadline, calm = term_now() + quiet;
    while (!term->exited && term_now() < calm) {
        size_t before = term->raw.len;
        if (term_now() >= end) {
            return false;
        }
        turn(term, calm < end ? calm : end);
        if (term->raw.len > before) {
            calm = term_now() + quiet;
        }
    }
    return true;
}

void term_run(struct term *term, double duration)
{
    double end = term_now() + duration;
    while (term_now() < end && !term->exited) {
        turn(term, end);
    }
}

/* ---- what there is to see ---- */

const char *term_text(struct term *term)
{
    int rows, columns;
    emulator_size(term->emulator, &rows, &columns);
    strbuf_clear(&term->text);
    for (int row = 0; row < rows; row++) {
        emulator_row(term->emulator, row, &term->text);
        strbuf_addc(&term->text, '\n');
    }
    return term->text.s;
}

const char *term_row(struct term *term, int row)
{
    strbuf_clear(&term->row);
    emulator_row(term->emulator, row, &term->row);
    return term->row.s;
}

void term_cell(const struct term *term, int row, int column, struct emulator_cell *cell)
{
    emulator_cell(term->emulator, row, column, cell);
}

/* The column of the cell in which byte offset of a row lies. */
static int column_of(const struct term *term, int row, size_t offset)
{
    struct emulator_cell cell;
    int column = -1;
    for (size_t seen = 0; seen <= offset;) {
        emulator_cell(term->emulator, row, ++column, &cell);
        seen += strlen(cell.text);
    }
    return column;
}

bool term_find(struct term *term, const char *text, int *row, int *column)
{
    int rows, columns;
    emulator_size(term->emulator, &rows, &columns);
    for (int y = 0; y < rows; y++) {
        const char *line = term_row(term, y);
        const char *found = strstr(line, text);
        if (found) {
            *row = y;
            *column = column_of(term, y, (size_t)(found - line));
            return true;
        }
    }
    return false;
}

void term_resize(struct term *term, int rows, int columns)
{
    const struct winsize size = {(unsigned short)rows, (unsigned short)columns, 0, 0};
    emulator_resize(term->emulator, rows, columns);
    if (ioctl(term->master, TIOCSWINSZ, &size) < 0) {
        fail("TIOCSWINSZ");
    }
}

void term_stall(struct term *term)
{
    term->stalled = true;
}

void term_resume(struct term *term)
{
    term->stalled = false;
    if (term->exited) {
        drain(term);
    }
}

void term_hangup(struct term *term)
{
    close_terminal(term);
}

pid_t term_pid(const struct term *term)
{
    return term->pid;
}

void term_signal(const struct term *term, int signal_number)
{
    assert(!term->exited);
    kill(term->pid, signal_number);
}

const char *term_raw(const struct term *term, size_t *len)
{
    *len = term->raw.len;
    return term->raw.s ? term->raw.s : "";
}

size_t term_bytes(const struct term *term)
{
    return term->raw.len;
}

size_t term_chunks(const struct term *term)
{
    return term->chunk_count;
}

double term_chunk(const struct term *term, size_t index, size_t *offset)
{
    assert(index < term->chunk_count);
    if (offset) {
        *offset = term->chunks[index].offset;
    }
    return term->chunks[index].time;
}

const struct emulator *term_emulator(const struct term *term)
{
    return term->emulator;
}

bool term_modes_restored(const struct term *term)
{
    struct termios now;
    return !term->closed && tcgetattr(term->master, &now) == 0 &&
           now.c_iflag == term->modes.c_iflag && now.c_oflag == term->modes.c_oflag &&
           now.c_cflag == term->modes.c_cflag && now.c_lflag == term->modes.c_lflag &&
           memcmp(now.c_cc, term->modes.c_cc, sizeof(now.c_cc)) == 0;
}

double term_matched(const struct term *term)
{
    return term->matched;
}

double term_sent(const struct term *term)
{
    return term->sent;
}
