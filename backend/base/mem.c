#include "backend/base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void (*failure_hook)(void);

void mem_on_failure(void (*hook)(void))
{
    failure_hook = hook;
}

static _Noreturn void out_of_memory(void)
{
    static const char text[] = "sharedtop: out of memory\n";
    void (*hook)(void) = failure_hook;

    failure_hook = NULL;
    if (hook)
        hook();
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
        _exit(71);
    _exit(70);
}

void *mem_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (!p)
        out_of_memory();
    return p;
}

void *mem_zalloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);

    if (!p)
        out_of_memory();
    return p;
}

void *mem_array(void *old, size_t count, size_t size)
{
    void *p;

    if (size && count > SIZE_MAX / size)
        out_of_memory();
    p = realloc(old, count > 0 && size > 0 ? count * size : 1);
    if (!p)
        out_of_memory();
    return p;
}

char *mem_strdup(const char *s)
{
    return s ? mem_strndup(s, strlen(s)) : NULL;
}

char *mem_strndup(const char *s, size_t n)
{
    char *copy;

    if (!s)
        return NULL;
    n = strnlen(s, n);
    copy = mem_alloc(n + 1);
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *mem_vprintf(const char *format, va_list args)
{
    char *text;

    if (vasprintf(&text, format, args) < 0)
        out_of_memory();
    return text;
}

char *mem_printf(const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = mem_vprintf(format, args);
    va_end(args);
    return text;
}

void mem_free_secret(void *p, size_t size)
{
    if (p)
        explicit_bzero(p, size);
    free(p);
}
