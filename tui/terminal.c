#include "tui/terminal.h"

#include "backend/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* A larger size than this is a fault of the device, not a screen. */
#define MAX_ROWS    500
#define MAX_COLUMNS 1000

/* How long a crash may take to give a terminal back that does not read. */
#define RESCUE_TRIES   20
#define RESCUE_WAIT_MS 10

/* A signal handler has no other way to reach the terminal. */
static struct {
    volatile sig_atomic_t armed;
    int fd;
    struct termios saved;
    char bytes[256];
    size_t len;
} rescue;

static int open_path(const char *path)
{
    return open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

/* /dev/tty opens even where the device itself may not be (after su, in a container), but only the
 * controlling terminal is reached by it. */
static int open_terminal(void)
{
    char name[PATH_MAX];
    int fd = -1;

    if (tcgetsid(STDOUT_FILENO) == getsid(0))
        fd = open_path("/dev/tty");
    if (fd < 0 && !ttyname_r(STDOUT_FILENO, name, sizeof name))
        fd = open_path(name);
    if (fd < 0)
        fd = open_path("/proc/self/fd/1");
    return fd;
}

bool terminal_open(struct terminal *terminal, char **error)
{
    if (!isatty(STDOUT_FILENO)) {
        *error =
            mem_strdup("standard output is not a terminal; for scripts use 'sharedtop snapshot'");
        return false;
    }
    terminal->fd = open_terminal();
    if (terminal->fd < 0 || !terminal_save(terminal)) {
        *error = mem_printf("cannot open the terminal: %s; after 'su' or 'sudo' use a login shell "
                            "or 'script -q /dev/null'",
                            strerror(errno));
        terminal_close(terminal);
        return false;
    }
    return true;
}

void terminal_close(struct terminal *terminal)
{
    if (terminal->fd >= 0)
        close(terminal->fd);
    terminal->fd = -1;
}

bool terminal_save(struct terminal *terminal)
{
    return tcgetattr(terminal->fd, &terminal->saved) == 0;
}

/* No TCSADRAIN here or below: it would wait for a terminal that does not read. */
bool terminal_raw(const struct terminal *terminal)
{
    struct termios raw = terminal->saved;

    cfmakeraw(&raw);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    return tcsetattr(terminal->fd, TCSANOW, &raw) == 0;
}

void terminal_restore(const struct terminal *terminal)
{
    tcsetattr(terminal->fd, TCSANOW, &terminal->saved);
}

static int within(int value, int most)
{
    return value < most ? value : most;
}

bool terminal_size(const struct terminal *terminal, int *rows, int *columns)
{
    struct winsize size;

    if (ioctl(terminal->fd, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
        return false;
    *rows = within(size.ws_row, MAX_ROWS);
    *columns = within(size.ws_col, MAX_COLUMNS);
    return true;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

size_t terminal_drain(const struct terminal *terminal, const char *bytes, size_t len,
                      int milliseconds)
{
    int64_t deadline = now_ms() + milliseconds;
    size_t done = 0;

    while (done < len) {
        struct pollfd wait = {.fd = terminal->fd, .events = POLLOUT};
        ssize_t n = write(terminal->fd, bytes + done, len - done);
        int64_t left = deadline - now_ms();

        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno != EINTR && errno != EAGAIN)
            break;
        else if (left <= 0 || poll(&wait, 1, (int)left) == 0)
            break;
    }
    return done;
}

void terminal_replace(const struct terminal *terminal, const char *bytes, size_t len)
{
    tcflush(terminal->fd, TCOFLUSH);
    terminal_drain(terminal, bytes, len, 0);
}

void terminal_arm(const struct terminal *terminal, const char *bytes, size_t len)
{
    rescue.armed = 0;
    rescue.fd = terminal->fd;
    rescue.saved = terminal->saved;
    rescue.len = len < sizeof rescue.bytes ? len : sizeof rescue.bytes;
    memcpy(rescue.bytes, bytes, rescue.len);
    rescue.armed = 1;
}

void terminal_disarm(void)
{
    rescue.armed = 0;
}

/* Room that tcflush makes in a pty can come a little later than it returns. */
static void write_rescue(void)
{
    struct pollfd ready = {.fd = rescue.fd, .events = POLLOUT};

    for (int tries = 0; tries < RESCUE_TRIES; tries++) {
        if (write(rescue.fd, rescue.bytes, rescue.len) == (ssize_t)rescue.len)
            return;
        tcflush(rescue.fd, TCOFLUSH); /* a terminal that does not read: make room */
        poll(&ready, 1, RESCUE_WAIT_MS);
    }
}

void terminal_rescue(void)
{
    int saved_errno = errno;

    if (!rescue.armed)
        return;
    rescue.armed = 0;
    write_rescue();
    tcsetattr(rescue.fd, TCSANOW, &rescue.saved);
    errno = saved_errno;
}
