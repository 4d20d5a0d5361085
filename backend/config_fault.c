#include "backend/config.h"

#include "backend/base/mem.h"

#include <stdarg.h>
#include <stdlib.h>

/* A message may quote the file: nothing in it may break the line or steer the terminal. */
static void make_plain(char *message)
{
    unsigned char *s = (unsigned char *)message;

    for (; *s; s++) {
        if (*s < 0x20 || *s == 0x7f)
            *s = '?';
        else if (*s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0)
            s[0] = s[1] = '?';
    }
}

static char *format_message(const char *format, va_list args)
{
    char *message = mem_vprintf(format, args);

    make_plain(message);
    return message;
}

void config_fault_add(struct config_faults *faults, const char *file, int line, bool warning,
                      const char *format, ...)
{
    struct config_fault *fault;
    va_list args;

    faults->items = mem_array(faults->items, faults->count + 1, sizeof(*faults->items));
    fault = &faults->items[faults->count++];
    *fault = (struct config_fault){mem_strdup(file), line, warning, NULL};
    va_start(args, format);
    fault->message = format_message(format, args);
    va_end(args);
}

void config_faults_free(struct config_faults *faults)
{
    size_t i;

    for (i = 0; i < faults->count; i++) {
        free(faults->items[i].file);
        free(faults->items[i].message);
    }
    free(faults->items);
    *faults = (struct config_faults){0};
}

bool config_faults_fatal(const struct config_faults *faults)
{
    size_t i;

    for (i = 0; i < faults->count; i++) {
        if (!faults->items[i].warning)
            return true;
    }
    return false;
}

void config_faults_print(FILE *out, const struct config_faults *faults)
{
    size_t i;

    for (i = 0; i < faults->count; i++) {
        const struct config_fault *fault = &faults->items[i];

        if (fault->file)
            fprintf(out, "%s:", fault->file);
        if (fault->file && fault->line > 0)
            fprintf(out, "%d:", fault->line);
        fprintf(out, "%s%s%s\n", fault->file ? " " : "", fault->warning ? "warning: " : "",
                fault->message);
    }
}
