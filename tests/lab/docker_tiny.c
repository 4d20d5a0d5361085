/* The whole of a container: waits for its end, takes memory from SIGUSR1 on ("eat"), ends with
 * a status ("exit N"), or writes a line every 10 ms ("say TEXT"). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void on_signal(int signal_number)
{
    _exit(128 + signal_number);
}

/* Page by page, so that it is the limit that ends it and not a single request; not before SIGUSR1, when
 * the engine watches over it. */
static void eat(void)
{
    enum { PIECE = 1 << 20 };
    char *piece;
    sigset_t go;
    int number;

    sigemptyset(&go);
    sigaddset(&go, SIGUSR1);
    sigprocmask(SIG_BLOCK, &go, NULL);
    puts("hungry");
    fflush(stdout);
    sigwait(&go, &number);
    while ((piece = malloc(PIECE)))
        memset(piece, 1, PIECE);
}

static void say(const char *text)
{
    const struct timespec pause = {0, 10000000};

    while (puts(text) >= 0 && fflush(stdout) == 0)
        nanosleep(&pause, NULL);
}

int main(int argc, char **argv)
{
    /* The first process of a container has no default action for these. */
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    if (argc > 2 && strcmp(argv[1], "exit") == 0)
        return (int)strtol(argv[2], NULL, 10);
    if (argc > 2 && strcmp(argv[1], "say") == 0)
        say(argv[2]);
    if (argc > 1 && strcmp(argv[1], "eat") == 0)
        eat();
    for (;;)
        pause();
}
