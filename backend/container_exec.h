/* A program inside a container by the engine's exec API, for processes of their own (jobs' tools, psql
 * and redis-cli for a person): it blocks, and must not be called in the dashboard. */
#ifndef BACKEND_CONTAINER_EXEC_H
#define BACKEND_CONTAINER_EXEC_H

#include <stdbool.h>

/* `sharedtop exec [--socket PATH] [-i] [-t] [-e VARIABLE] CONTAINER COMMAND…`: argv from "exec" on. stdin
 * (-i), stdout and stderr go through; -t: with a terminal, whose size is followed, and when we are
 * killed the program is ended; -e: it gets this variable of our environment, too. Ends with the program's exit
 * status; 125: the engine refused, one line on stderr. When our stdin ends the program's does; when we
 * end, its stdin ends. */
int container_exec_main(int argc, char *const *argv);

/* The words of a shell that call it for a container ("'/usr/bin/sharedtop' exec --socket '…' -i 'x'"); the
 * caller frees them. terminal: with -t. socket NULL: found as always. */
char *container_exec_prefix(const char *socket, const char *container, bool terminal);

#endif
