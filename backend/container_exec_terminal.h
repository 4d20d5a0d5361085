/* Our terminal while a program inside a container has it: raw, and given back at every end. */
#ifndef BACKEND_CONTAINER_EXEC_TERMINAL_H
#define BACKEND_CONTAINER_EXEC_TERMINAL_H

#include <signal.h>
#include <stdbool.h>
#include <termios.h>

struct exec_terminal {
    bool raw;              /* it was changed */
    struct termios before; /* its modes then */
    sigset_t waiting;      /* the mask in which signals are let through */
};

/* Takes it, if stdin is one; from now on signals wait for exec_terminal_signal. */
void exec_terminal_begin(struct exec_terminal *terminal);

/* Its size; false: it is none. */
bool exec_terminal_size(unsigned *rows, unsigned *columns);

/* True once after each change of its size. */
bool exec_terminal_resized(void);

/* The signal that asks us to end, or 0. */
int exec_terminal_signal(void);

/* Gives it back. */
void exec_terminal_end(const struct exec_terminal *terminal);

#endif
