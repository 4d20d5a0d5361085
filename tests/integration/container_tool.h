/* Shell commands for the tests of what runs in containers: their output and exit status. */
#ifndef INTEGRATION_CONTAINER_TOOL_H
#define INTEGRATION_CONTAINER_TOOL_H

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "tests/lab/docker_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define TOOL_DEADLINE 30000.0 /* ms */

/* Runs it; *output (may be NULL): stdout and stderr, which the caller frees. The exit status. */
static __attribute__((unused, format(printf, 2, 3))) int tool(char **output, const char *format,
                                                              ...)
{
    struct strbuf text = {0};
    char *command, *all, block[4096];
    va_list args;
    size_t n;
    FILE *pipe;
    int status;

    va_start(args, format);
    if (vasprintf(&command, format, args) < 0)
        abort();
    va_end(args);
    all = mem_printf("exec 2>&1\n%s", command);
    pipe = popen(all, "re"); // NOLINT(cert-env33-c)
    assert_non_null(pipe);
    strbuf_add(&text, "", 0);
    while ((n = fread(block, 1, sizeof(block), pipe)) > 0)
        strbuf_add(&text, block, n);
    status = pclose(pipe);
    while (text.len && text.s[text.len - 1] == '\n')
        text.s[--text.len] = '\0';
    if (output)
        *output = strbuf_take(&text);
    strbuf_free(&text);
    free(all);
    free(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The output of what must end with 0. */
static __attribute__((unused, format(printf, 1, 2))) char *told(const char *format, ...)
{
    char *command, *output;
    va_list args;
    int status;

    va_start(args, format);
    if (vasprintf(&command, format, args) < 0)
        abort();
    va_end(args);
    status = tool(&output, "%s", command);
    if (status)
        fail_msg("'%s' ended with %d: %s", command, status, output);
    free(command);
    return output;
}

static __attribute__((unused)) void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text);
}

static __attribute__((unused)) void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' is in:\n%s", part, text);
}

/* Waits until a shell's command ends with 0. */
static bool tool_holds(void *command)
{
    return tool(NULL, "%s", (const char *)command) == 0;
}

static __attribute__((unused, format(printf, 1, 2))) void await(const char *format, ...)
{
    char *command;
    va_list args;

    va_start(args, format);
    if (vasprintf(&command, format, args) < 0)
        abort();
    va_end(args);
    if (!docker_lab_wait(tool_holds, command, TOOL_DEADLINE))
        fail_msg("in vain: %s", command);
    free(command);
}

#endif
