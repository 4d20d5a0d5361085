#include "backend/container_exec_terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

static const int fatal[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

static volatile sig_atomic_t resized, asked_to_end;

static void on_resize(int number)
{
    (void)number;
    resized = 1;
}

static void on_fatal(int number)
{
    asked_to_end = number;
}

void exec_terminal_begin(struct exec_terminal *terminal)
{
    const struct sigaction resize = {.sa_handler = on_resize}, end = {.sa_handler = on_fatal};
    sigset_t held;
    struct termios modes;

    sigemptyset(&held);
    sigaddset(&held, SIGWINCH);
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
        sigaddset(&held, fatal[i]);
    sigprocmask(SIG_BLOCK, &held, &terminal->waiting);
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
        sigdelset(&terminal->waiting, fatal[i]);
        sigaction(fatal[i], &end, NULL);
    }
    sigdelset(&terminal->waiting, SIGWINCH);
    sigaction(SIGWINCH, &resize, NULL);
    terminal->raw = tcgetattr(STDIN_FILENO, &terminal->before) == 0;
    if (!terminal->raw)
        return;
    modes = terminal->before;
    cfmakeraw(&modes);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &modes);
}

bool exec_terminal_size(unsigned *rows, unsigned *columns)
{
    struct winsize size;

    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_row || !size.ws_col)
        return false;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return true;
}

bool exec_terminal_resized(void)
{
    bool now = resized != 0;

    resized = 0;
    return now;
}

int exec_terminal_signal(void)
{
    return asked_to_end;
}

void exec_terminal_end(const struct exec_terminal *terminal)
{
    if (terminal->raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal->before);
}
